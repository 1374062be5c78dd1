//! What can go wrong with a plugin before it works.

/// Why a plugin is not loaded. All are the plugin's or its manifest's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file is larger than [`component_bytes`](crate::limits::PluginLimits::component_bytes).
    #[error("{size} octets, and no plugin has more than {limit}")]
    TooLarge {
        /// Its octets.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The manifest cannot be read.
    #[error("its manifest: {0}")]
    Manifest(String),
    /// The manifest names other octets.
    #[error("its SHA-256 is {found}, and its manifest says {pinned}")]
    Pin {
        /// What the manifest says.
        pinned: String,
        /// What the file has.
        found: String,
    },
    /// The manifest pins a key, and the component is not signed by it.
    #[error("{0}")]
    Signature(String),
    /// It is no component, or a broken one.
    #[error("no component: {0}")]
    Component(String),
    /// It wants something of its host that no plugin gets.
    #[error("imports {0}, and a plugin may import the log of its host and nothing else")]
    Import(String),
    /// It was made for a contract that this host does not know.
    #[error("was made for {0}, and this host knows remold:codec {known}", known = super::VERSION)]
    Version(String),
    /// It lacks what every plugin has, or says it has what it lacks.
    #[error("{0}")]
    World(String),
    /// It does not say what it is, or says what cannot be.
    #[error("describes itself wrongly: {0}")]
    Description(String),
    /// The manifest or the operator does not let it do what it does.
    #[error("{0} is not allowed")]
    NotAllowed(String),
}

/// Why there is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox cannot be set up: {0}")]
pub struct HostError(pub(super) String);

/// What a plugin says, fit to be shown: one line, no control characters, `most` octets at most.
pub(super) fn clean(text: &str, most: usize) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        let c = if c.is_control() { ' ' } else { c };
        if shown.len().saturating_add(c.len_utf8()) > most {
            shown.push('…');
            break;
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plugin_says_is_one_short_line() {
        assert_eq!(clean("a\r\nb\u{1b}[31m", 100), "a  b [31m");
        assert_eq!(clean(&"ä".repeat(100), 9), "ääää…");
        assert_eq!(clean("", 0), "");
    }
}
