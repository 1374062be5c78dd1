//! Decoders of moving pictures, each behind the same door.
//!
//! A codec is a [`Pictures`]: a packet in, the pictures that came of it out, in any order. The
//! door puts them into the order they are shown in, drops what a damaged packet cannot give,
//! catches panics and starts again at the next key frame, and stops where it is cancelled.

mod av1;
mod bits;
mod convert;
mod disposable;
mod door;
mod h263;
mod h264;
mod hevc;
mod mpeg4;
mod sps;
mod vp8;
mod vp9;

use std::sync::Arc;

use crate::limits::Limits;
use crate::media::codec::{VideoDecoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::picture::{Packet, VideoFrame};

pub(super) use bits::start_code_units;
pub(super) use disposable::Disposable;

/// The decoders that are compiled in.
pub(crate) fn decoders() -> Vec<Arc<dyn VideoDecoder>> {
    vec![
        Arc::new(av1::Rav1d),
        Arc::new(h263::H263),
        Arc::new(h264::H264),
        Arc::new(hevc::Hevc),
        Arc::new(mpeg4::Mpeg4),
        Arc::new(vp8::Vp8),
        Arc::new(vp9::Vp9),
    ]
}

/// Decoders that are off until somebody turns them on.
pub(crate) const OFF: [&str; 1] = ["rav1d"];

/// A codec behind the [`door`].
trait Pictures: Send {
    /// Decodes a packet and appends the pictures that came of it, each with the time of the packet
    /// it was in.
    ///
    /// # Errors
    ///
    /// [`MediaError::Malformed`] costs this packet alone; [`MediaError::Limit`] ends the stream.
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError>;

    /// Appends what was held back until the end.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    fn flush(&mut self, _out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        Ok(())
    }

    /// Pictures that may come before one that is shown earlier.
    fn reorder(&self) -> usize {
        0
    }
}

/// Starts a codec on a track, and again after a panic.
type Start = dyn Fn(&VideoFormat, &Limits) -> Result<Box<dyn Pictures>, MediaError> + Send;
