//! What can be wrong with a container, and at which octet.

use super::track::FourCc;
use crate::media::error::MediaError;
use crate::media::info::Format;

/// Why a container could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// A bound of [`Limits`](crate::Limits) would be passed.
    #[error("{what} over the limit of {limit}")]
    Limit {
        /// The field of [`Limits`](crate::Limits).
        what: &'static str,
        /// Its value.
        limit: usize,
    },
    /// The octets break the format.
    #[error("at octet {offset}: {what}")]
    Malformed {
        /// Octets from the start of the input.
        offset: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// The octets are sound, but this reader does not handle what they say.
    #[error("at octet {offset}: unsupported: {what}")]
    Unsupported {
        /// Octets from the start of the input.
        offset: usize,
        /// What is not handled.
        what: &'static str,
    },
}

impl ContainerError {
    pub(super) const fn malformed(offset: usize, what: &'static str) -> Self {
        Self::Malformed { offset, what }
    }

    /// The same as an error of the medium, which was read as `format`.
    #[must_use]
    pub fn into_media_error(self, format: Format) -> MediaError {
        match self {
            Self::Limit { what, limit } => MediaError::Limit {
                what,
                limit: u64::try_from(limit).unwrap_or(u64::MAX),
            },
            Self::Malformed { offset, what } => MediaError::malformed_at(format, what, offset),
            Self::Unsupported { what, .. } => MediaError::unsupported(what),
        }
    }

    pub(super) const fn unsupported(offset: usize, what: &'static str) -> Self {
        Self::Unsupported { offset, what }
    }
}

/// Why a container could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The brand does not know the codec.
    #[error("{codec} does not go into {brand}")]
    Codec {
        /// The codec, by its sample entry or its name.
        codec: String,
        /// The brand.
        brand: FourCc,
    },
    /// A field that the format has no room for.
    #[error("{0} does not fit the format")]
    Field(&'static str),
    /// There is nothing to write.
    #[error("there is no track")]
    NoTrack,
}

/// Something wrong with a container that did not stop its reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warning {
    /// Octets from the start of the input.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "at octet {}: {}", self.offset, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_octet_as_errors_of_the_medium() {
        let error = ContainerError::malformed(7, "cut short");
        assert_eq!(error.to_string(), "at octet 7: cut short");
        assert_eq!(
            error.into_media_error(Format::ThreeGp),
            MediaError::malformed_at(Format::ThreeGp, "cut short", 7)
        );
        let limit = ContainerError::Limit {
            what: "container_samples",
            limit: 9,
        };
        assert_eq!(
            limit.into_media_error(Format::Mp4).to_string(),
            "container_samples over the limit of 9"
        );
    }
}
