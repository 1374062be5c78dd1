//! Moving pictures: decoders and encoders, scaling, turning, pacing, and a whole track at once.

mod choose;
mod colour;
mod decode;
mod encode;
pub mod h263;
mod pace;
mod plan;
mod poster;
mod read;
mod shape;
mod transcode;

pub(crate) use colour::to_rgb;
#[cfg(feature = "plugins")]
pub(crate) use decode::{Door, Pictures, Start, colours, h264_header};
pub(crate) use decode::{OFF, decoders};
pub(crate) use encode::encoders;
#[cfg(feature = "plugins")]
pub(crate) use encode::{Admitted, Spend, admitted};

use super::cancel::Cancel;
use super::container::{CodedTrack, Track, TrackInfo};
use super::error::MediaError;
use super::info::Codec;
use super::picture::Picture;
use super::registry::Registry;
use crate::dimensions::Dimensions;
use crate::limits::Limits;

/// What a track of moving pictures may become at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoTarget {
    /// The codec to write: H.263 profile 0, MPEG-4 Visual Simple, H.264 Constrained Baseline or AV1.
    pub codec: Codec,
    /// The highest level, numbered as [`VideoTrack::level`](super::VideoTrack::level) says. It
    /// bounds size, frame rate and bit rate together.
    pub max_level: u16,
    /// The box the pictures must fit, either way round.
    pub max_box: Dimensions,
    /// Frames per 1000 seconds at most.
    pub max_millihertz: u32,
    /// Bits per second at most, below what the level has.
    pub max_bit_rate: Option<u64>,
}

/// How a track of moving pictures is coded, every choice made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoSettings {
    /// The codec to write.
    pub codec: Codec,
    /// Its level.
    pub level: u16,
    /// Coded pixels, upright. Where the source has another aspect, as H.263 may force, the picture
    /// is centred with black beside it.
    pub size: Dimensions,
    /// Frames per 1000 seconds at most.
    pub millihertz: u32,
    /// Bits per second on the mean.
    pub bit_rate: u64,
    /// Octets of all pictures together; never exceeded.
    pub max_bytes: Option<u64>,
    /// Where the track is cut, in microseconds of the presentation; `None` leaves it whole.
    pub end_us: Option<u64>,
}

/// The settings for a track of `duration_us` within `max_bytes` of pictures: size and frame rate
/// chosen so that the bits left for each pixel give a picture worth looking at; the frame rate is
/// halved before pixels are wasted. `None` where even the smallest and slowest would not be
/// watchable.
#[must_use]
pub fn choose(
    source: &TrackInfo,
    millihertz: Option<u32>,
    target: &VideoTarget,
    duration_us: u64,
    max_bytes: Option<u64>,
) -> Option<VideoSettings> {
    choose::choose(source, millihertz, target, duration_us, max_bytes)
}

/// Codes a track anew: decode, turn upright, scale, pace, encode, frame by frame, so that memory
/// holds a few frames and not the clip. One pass, and at most one correction.
///
/// # Errors
///
/// [`MediaError::Unsupported`] where the registry lacks a codec, [`MediaError::Malformed`] where
/// not one frame decodes, [`MediaError::TargetTooSmall`], [`MediaError::Limit`],
/// [`MediaError::Cancelled`], [`MediaError::CodecPanicked`].
pub fn transcode(
    track: &Track,
    settings: &VideoSettings,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<CodedTrack, MediaError> {
    transcode::transcode(track, settings, registry, limits, cancel)
}

/// The first picture of a track that is worth showing (neither black nor blank, within its first
/// seconds), upright, RGB.
///
/// # Errors
///
/// As [`transcode`].
pub fn poster(
    track: &Track,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Picture, MediaError> {
    poster::poster(track, registry, limits, cancel)
}
