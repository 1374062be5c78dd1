//! A whole clip or sound: container in, container out, under a number of octets.

use bytes::Bytes;

use super::audio::AudioTarget;
use super::cancel::Cancel;
use super::error::MediaError;
use super::info::{Format, MediaInfo};
use super::registry::Registry;
use super::video::VideoTarget;
use crate::limits::Limits;

/// What a clip or a sound is to become. Every bound is met, or there is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClipTarget {
    /// The file to write: 3GP, 3G2, MP4, M4A, AMR, AMR-WB, ADTS, MP3, Ogg (Opus) or WAV.
    pub format: Format,
    /// The moving pictures; `None` leaves them out.
    pub video: Option<VideoTarget>,
    /// The sound; `None` leaves it out.
    pub audio: Option<AudioTarget>,
    /// The most octets of the file.
    pub max_bytes: Option<u64>,
    /// Whether the end may be cut off where the whole does not fit at a quality worth having.
    pub may_cut: bool,
}

/// A clip or sound that was made.
#[derive(Debug, Clone)]
pub struct Clip {
    /// The file.
    pub bytes: Bytes,
    /// What it is.
    pub info: MediaInfo,
    /// Playing time in microseconds.
    pub duration_us: u64,
    /// Playing time of the source where the end was cut off.
    pub cut_from_us: Option<u64>,
    /// Times the pictures were encoded: 0 where the tracks were copied, 1, or 2 with a correction.
    pub encodes: u32,
    /// What was met on the way and did not stop it.
    pub warnings: Vec<String>,
}

/// Makes a clip or a sound. A track that already is what the target asks, and small enough, is
/// copied and not coded anew; sound and pictures are made beside each other.
///
/// # Errors
///
/// [`MediaError::Unsupported`] names the codec or feature nobody has; [`MediaError::TargetTooSmall`]
/// says what the least would be; else what reading and coding say.
pub fn convert(
    data: &Bytes,
    target: &ClipTarget,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Clip, MediaError> {
    let _ = (data, target, registry, limits, cancel);
    Err(MediaError::unsupported("clips"))
}

/// One size a clip could come out at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Octets of the file.
    pub bytes: u64,
    /// How good it is, 0 to 1. It only ranks choices.
    pub quality: f32,
    /// Whether the end is cut off.
    pub cut: bool,
}

/// Points from the smallest that is still of use to the best that `target` allows, from the header
/// alone, each larger and better than the one before. [`ClipTarget::max_bytes`] is not looked at.
#[must_use]
pub fn estimate(info: &MediaInfo, target: &ClipTarget) -> Vec<Point> {
    let _ = (info, target);
    Vec::new()
}
