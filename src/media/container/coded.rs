//! A track that was just coded, ready for a writer.

use super::track::{Sample, TrackInfo};

/// A track made by an encoder: what a container says of it and its samples, all in memory. It is
/// as large as what a message may hold, not as what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodedTrack {
    /// Codec with its configuration, clock, size, rate, channels and duration; upright.
    pub info: TrackInfo,
    /// The samples in decoding order, from time 0 on.
    pub samples: Vec<Sample>,
    /// How often it was encoded, corrections included; 0 where it was taken over as it was.
    pub encodes: u32,
    /// What was met on the way and did not stop it.
    pub warnings: Vec<String>,
}

impl CodedTrack {
    /// Octets of all samples together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.samples
            .iter()
            .map(|sample| u64::try_from(sample.data.len()).unwrap_or(u64::MAX))
            .fold(0, u64::saturating_add)
    }
}
