//! Sampled sound: decoders and encoders, resampling, mixing, loudness, and a whole track at once.

use super::cancel::Cancel;
use super::container::{CodedTrack, Track, TrackInfo};
use super::error::MediaError;
use super::info::Codec;
use super::registry::Registry;
use crate::limits::Limits;

/// What a track of sound may become at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioTarget {
    /// The codec to write.
    pub codec: Codec,
    /// Samples per second at most; a codec with fewer keeps its own (AMR-NB 8000, AMR-WB 16000).
    pub max_sample_rate: u32,
    /// Channels at most.
    pub max_channels: u16,
    /// Bits per second at most; `None` leaves it to the codec's usual best for phones.
    pub max_bit_rate: Option<u64>,
}

/// How a track of sound is coded, every choice made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioSettings {
    /// The codec to write.
    pub codec: Codec,
    /// Samples per second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: u16,
    /// Bits per second of the packets: the mode of AMR, the rate of the others.
    pub bit_rate: u64,
    /// Octets of all packets together; never exceeded.
    pub max_bytes: Option<u64>,
    /// Where the track is cut, in microseconds of the presentation; `None` leaves it whole.
    pub end_us: Option<u64>,
}

/// The settings for a track of `duration_us` within `max_bytes` of packets: the highest mode or
/// bit rate that fits, computed and not searched. `None` where even the lowest does not fit.
#[must_use]
pub fn choose(
    source: &TrackInfo,
    target: &AudioTarget,
    duration_us: u64,
    max_bytes: Option<u64>,
) -> Option<AudioSettings> {
    let _ = (source, target, duration_us, max_bytes);
    None
}

/// Codes a track anew: decode, mix, resample, level, encode, in blocks, so that memory does not
/// grow with the length of the sound.
///
/// # Errors
///
/// [`MediaError::Unsupported`] where the registry lacks a codec, [`MediaError::Malformed`] where
/// not even the first tenth of a second decodes, [`MediaError::Limit`], [`MediaError::Cancelled`],
/// [`MediaError::CodecPanicked`].
pub fn transcode(
    track: &Track,
    settings: &AudioSettings,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<CodedTrack, MediaError> {
    let _ = (track, settings, registry, limits, cancel);
    Err(MediaError::unsupported("sound"))
}
