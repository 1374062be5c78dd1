//! What can go wrong with a medium, and whose fault it is.

use super::info::Format;

/// Why a medium could not be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The medium breaks its own format.
    #[error("{format:?} is malformed: {what}")]
    Malformed {
        /// The format it was read as.
        format: Format,
        /// What is wrong with it.
        what: String,
        /// The octet at which it is wrong, where the reader knows.
        offset: Option<usize>,
    },
    /// The medium is sound, but no codec at hand does this.
    #[error("unsupported: {what}")]
    Unsupported {
        /// The format or the feature nobody handles.
        what: String,
    },
    /// The medium asks for more than [`Limits`](crate::Limits) allow.
    #[error("{what} over the limit of {limit}")]
    Limit {
        /// The quantity, as the field of [`Limits`](crate::Limits) is called.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// [`Cancel`](super::Cancel) was set.
    #[error("cancelled")]
    Cancelled,
    /// A codec panicked. The input may be hostile; the codec is at fault either way.
    #[error("the codec {codec} panicked")]
    CodecPanicked {
        /// Its name in the registry.
        codec: String,
    },
    /// A codec failed through its own fault: a plugin that trapped, took too long, asked for too
    /// much or gave what it must not. Another codec may do it.
    #[error("the codec {codec} failed: {what}")]
    CodecFailed {
        /// Its name in the registry.
        codec: String,
        /// What it did.
        what: String,
    },
    /// Nothing we can make of the medium is as small as was asked.
    #[error("cannot be made smaller than {smallest} bytes")]
    TargetTooSmall {
        /// Octets of the smallest result that was found.
        smallest: u64,
    },
}

impl MediaError {
    /// Whether the codec is at fault and not the medium, so that another codec may be asked.
    #[must_use]
    pub const fn blames_codec(&self) -> bool {
        matches!(self, Self::CodecFailed { .. } | Self::CodecPanicked { .. })
    }

    /// The name in the registry of the codec that is at fault.
    pub(crate) fn failed_codec(&self) -> Option<&str> {
        match self {
            Self::CodecFailed { codec, .. } | Self::CodecPanicked { codec } => Some(codec),
            _ => None,
        }
    }

    /// A medium that breaks its format at no particular octet.
    pub(crate) fn malformed(format: Format, what: impl Into<String>) -> Self {
        Self::Malformed {
            format,
            what: what.into(),
            offset: None,
        }
    }

    /// A medium that breaks its format at `offset`.
    pub(crate) fn malformed_at(format: Format, what: impl Into<String>, offset: usize) -> Self {
        Self::Malformed {
            format,
            what: what.into(),
            offset: Some(offset),
        }
    }

    /// Something no codec does.
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_and_say_whose_fault() {
        let error = MediaError::malformed_at(Format::Png, "no IHDR", 8);
        assert_eq!(error.to_string(), "Png is malformed: no IHDR");
        let limit = MediaError::Limit {
            what: "pixels",
            limit: 64,
        };
        assert_eq!(limit.to_string(), "pixels over the limit of 64");
    }
}
