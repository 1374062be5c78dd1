//! What concerns those who run the service: administration, logs, charging records, TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Count, Hash, Label};

/// `[admin]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address and port to listen on.
    pub listen: Spanned<SocketAddr>,
    /// Seconds that what has begun may take to end once the server stops.
    pub drain_seconds: Count,
    /// Who may ask and change what. Without any, everybody on this machine may everything.
    pub tokens: Vec<AdminToken>,
    /// Certificate and key; without them the port speaks plain HTTP.
    pub tls: Option<Tls>,
}

/// `[[admin.tokens]]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdminToken {
    /// Who has it, for the audit log.
    pub name: Label,
    /// What he may do.
    pub role: AdminRole,
    /// SHA-256 of the token; `remold config token` makes both.
    pub sha256: Hash,
}

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdminRole {
    /// Look, but not at what people wrote.
    Viewer,
    /// Change what waits, and see whole messages.
    Operator,
}

/// A certificate with its key: `[admin.tls]`, `[mm1.tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate and what leads from it to a root.
    pub certificate: PathBuf,
    /// PEM file with its private key.
    pub key: PathBuf,
}

/// `[adapt]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptTable {
    /// Address and port of its own for `POST /v1/adapt`; without it the admin port answers.
    pub listen: Option<Spanned<SocketAddr>>,
    /// Octets of a message or medium.
    pub body_bytes: usize,
    /// Requests that are adapted or wait for it at one time.
    pub queue: Count,
}

/// `[media]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaTable {
    /// A soundfont (SF2), with whose instruments melodies become sound for phones that do not play
    /// them; without it they stay melodies or go.
    pub soundfont: Option<PathBuf>,
}

/// `[plugins]`
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PluginTable {
    /// The folder of plugins and their manifests; without it there are the built-in codecs alone.
    pub folder: Option<PathBuf>,
    /// Where compiled plugins are kept, in a folder that no other user can enter; where it is
    /// missing, `compiled-plugins` in the folder of the store.
    pub cache: Option<PathBuf>,
}

/// `[log]`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// How lines are written.
    pub format: LogFormat,
    /// What is not written.
    pub level: LogLevel,
    /// Whether numbers and addresses of people are readable.
    pub numbers: LogNumbers,
}

/// How lines of a log are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// The least that is worth a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// What needs somebody.
    Error,
    /// What went wrong and may mend itself.
    Warn,
    /// Each message and each of its steps.
    #[default]
    Info,
    /// What goes on inside.
    Debug,
}

/// How numbers of subscribers are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogNumbers {
    /// Their middle is left out.
    #[default]
    Masked,
    /// As they are.
    Full,
}

/// `[cdr]`
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cdr {
    /// Where charging records go; without it none are made.
    pub folder: Option<PathBuf>,
    /// How they are written.
    pub format: CdrFormat,
    /// The name of this service centre in them.
    pub address: Label,
    /// Mebibytes after which a new file begins.
    pub rotate_megabytes: Count,
    /// Minutes after which a new file begins.
    pub rotate_minutes: Count,
}

/// How charging records are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CdrFormat {
    /// An object a line.
    #[default]
    Jsonl,
    /// RFC 4180, with the names in the first line.
    Csv,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: Spanned::new(0..0, SocketAddr::from(([127, 0, 0, 1], 8003))),
            drain_seconds: Count(30),
            tokens: Vec::new(),
            tls: None,
        }
    }
}

impl Default for AdaptTable {
    fn default() -> Self {
        Self {
            listen: None,
            body_bytes: 16 << 20,
            queue: Count(16),
        }
    }
}

impl Default for Cdr {
    fn default() -> Self {
        Self {
            folder: None,
            format: CdrFormat::default(),
            address: Label("remold".to_owned()),
            rotate_megabytes: Count(16),
            rotate_minutes: Count(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn an_operator_may_more_than_a_viewer() {
        assert!(AdminRole::Operator > AdminRole::Viewer);
    }

    #[test]
    fn a_certificate_has_a_key() {
        let text = "[mm1]\ntls = { certificate = \"a.pem\" }";
        let error = Config::from_toml(text).unwrap_err();
        assert!(error.message.contains("key"), "{error}");
    }

    #[test]
    fn with_a_token_others_may_reach_the_port() {
        let hash = "ab".repeat(32);
        let token = format!("[[admin.tokens]]\nname=\"a\"\nrole=\"viewer\"\nsha256=\"{hash}\"\n");
        let listen = "[admin]\nlisten = \"0.0.0.0:8003\"\n";
        assert!(Config::from_toml(listen).is_err());
        assert!(Config::from_toml(&(token + listen)).is_ok());
    }

    #[test]
    fn nothing_is_recorded_and_numbers_are_masked_unless_somebody_says_so() {
        let config = Config::from_toml("").unwrap();
        assert_eq!(config.cdr.folder, None);
        assert_eq!(config.log.numbers, LogNumbers::Masked);
    }
}
