//! A whole clip or sound: container in, container out, under a number of octets.
//!
//! [`convert`] reads the tracks, decides what becomes of each (`share`), makes sound and
//! pictures beside each other, and writes the file. [`estimate`] makes the same decisions from a
//! header alone.

mod estimate;
mod file;
mod level;
mod make;
mod share;
mod side;

use bytes::Bytes;

use super::audio::AudioTarget;
use super::info::{Format, MediaInfo};
use super::video::VideoTarget;

pub use estimate::{Point, estimate};
pub use make::{convert, convert_movie, poster};
pub use side::{Excess, pictures_excess, sound_excess};

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
    /// The longest the device plays, in microseconds. What is longer is cut, or too much where
    /// [`may_cut`](Self::may_cut) is not set.
    pub max_us: Option<u64>,
    /// Whether the end may be cut off where the whole does not fit at a quality worth having.
    pub may_cut: bool,
}

impl ClipTarget {
    /// A file of a format without any track yet and without a bound.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self {
            format,
            video: None,
            audio: None,
            max_bytes: None,
            max_us: None,
            may_cut: false,
        }
    }
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
    /// Why the sound that was wanted is not in it: nobody decodes it, or it is too damaged.
    pub sound_lost: Option<String>,
    /// Times the pictures, or a sound without pictures, were encoded, corrections included, used
    /// or not: 0 where they were copied.
    pub encodes: u32,
    /// What was met on the way and did not stop it.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests;
