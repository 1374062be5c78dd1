//! ITU-T H.263 baseline (profile 0): the codec every 3GPP handset plays (TS 26.140).
//!
//! An encoder of our own: integer arithmetic only, so that the same frames give the same octets
//! everywhere. It writes no optional mode (no PLUSPTYPE, no annex), vectors stay inside the
//! picture, and what it keeps as reference is what an accurate decoder has, since the inverse
//! transform meets Annex A.
//!
//! ```
//! use remold::media::video::h263::{Config, Encoder, Level, Size, Target, YuvFrame};
//!
//! let target = Target::BitRate { bits_per_second: 48_000, duration_us: None };
//! let mut encoder = Encoder::new(Config::new(Size::Qcif, Level::L10, target))?;
//! let (luma, chroma) = (vec![128; 176 * 144], vec![128; 88 * 72]);
//! let frame = YuvFrame::packed(Size::Qcif, &luma, &chroma, &chroma);
//! let picture = encoder.encode(&frame, 0)?.ok_or("the first is never left out")?;
//! assert!(picture.keyframe && picture.data.starts_with(&[0, 0, 0x80]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sequences can be encoded in parallel by one encoder per stretch of frames: each starts with an
//! INTRA picture and takes TR from the frames' own times, so that the results join as they are.

mod bits;
mod config;
mod cost;
mod dct;
#[cfg(test)]
mod decoder;
mod encoder;
mod fit;
mod header;
mod levels;
mod macroblock;
mod motion;
mod picture;
mod plane;
mod quant;
mod rate;
mod steps;
mod still;
#[cfg(test)]
mod tests;
mod vlc;

pub use config::{Config, H263Error, Level, Size, Target};
pub use encoder::{EncodedFrame, Encoder, Summary, YuvFrame, YuvPlane};
pub(in crate::media::video) use fit::correct;
pub use fit::{Fitted, encode_to_size};
