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

#[cfg(feature = "plugins")]
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::codec::{VideoDecoder, VideoFormat};
#[cfg(feature = "plugins")]
use crate::media::container::AvcConfig;
use crate::media::error::MediaError;
#[cfg(feature = "plugins")]
use crate::media::info::Codec;
#[cfg(feature = "plugins")]
use crate::media::picture::Matrix;
use crate::media::picture::{Packet, VideoFrame};

pub(super) use bits::start_code_units;
pub(super) use disposable::Disposable;
#[cfg(feature = "plugins")]
pub(crate) use door::Door;

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

/// A codec behind the [`Door`].
pub(crate) trait Pictures: Send {
    /// Decodes a packet and appends the pictures that came of it, each with the time of the packet
    /// it was in.
    ///
    /// # Errors
    ///
    /// [`MediaError::Malformed`] costs this packet alone; [`MediaError::Limit`] and
    /// [`MediaError::CodecFailed`] end the stream.
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
pub(crate) type Start =
    dyn Fn(&VideoFormat, &Limits) -> Result<Box<dyn Pictures>, MediaError> + Send;

#[cfg(feature = "plugins")]
/// Whether a track uses the full range, and its matrix: by the configuration where that tells, else
/// what players take for granted. For decoders that give bare samples.
pub(crate) fn colours(track: &VideoFormat) -> (bool, Matrix) {
    let usual = (false, Matrix::usual(track.size));
    match track.codec {
        Codec::H264 => AvcConfig::parse(&track.config)
            .ok()
            .and_then(|config| sps::parse(config.sps.first()?))
            .map_or(usual, |sps| (sps.full_range, sps.matrix)),
        _ => usual,
    }
}

#[cfg(feature = "plugins")]
/// What the first sequence parameter set of some NAL units with start codes says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct H264Header {
    /// Whole macroblocks, before cropping.
    pub(crate) coded: Dimensions,
    /// `profile_idc`.
    pub(crate) profile: u32,
    /// The level times ten; 9 is level 1b.
    pub(crate) level: u32,
}

#[cfg(feature = "plugins")]
/// Reads the parameter set of an access unit of H.264; `None` where it has none.
pub(crate) fn h264_header(data: &[u8]) -> Option<H264Header> {
    let units = start_code_units(data);
    let unit = units
        .into_iter()
        .find(|unit| matches!(unit, [header, ..] if header & 0x1F == 7))?;
    let &[_, profile, constraints, level, ..] = unit else {
        return None;
    };
    // Level 1b of these profiles is level 1.1 with constraint_set3_flag (ITU-T H.264 clause A.3.1).
    let is_1b = level == 11 && constraints & 0x10 != 0 && matches!(profile, 66 | 77 | 88);
    Some(H264Header {
        coded: sps::parse(unit)?.coded,
        profile: profile.into(),
        level: if is_1b { 9 } else { level.into() },
    })
}

#[cfg(all(test, feature = "plugins"))]
mod tests {
    use super::*;

    #[test]
    fn what_an_encoder_wrote_is_read_back_from_its_parameter_set() {
        // Constrained Baseline, level 1.1, 11 by 9 macroblocks.
        let unit = [
            0, 0, 0, 1, 0x09, 0xF0, 0, 0, 1, 0x67, 66, 0xC0, 11, 0xDA, 0x0B, 0x13, 0x90,
        ];
        let header = h264_header(&unit).unwrap();
        assert_eq!(header.coded, Dimensions::new(176, 144));
        assert_eq!((header.profile, header.level), (66, 11));
        let mut level_1b = unit;
        level_1b[11] = 0xD0;
        assert_eq!(h264_header(&level_1b).unwrap().level, 9);
        assert_eq!(h264_header(&[0, 0, 1, 0x65, 1]), None);
    }

    #[test]
    fn colours_are_the_usual_ones_where_nothing_tells() {
        let track = VideoFormat {
            codec: Codec::H264,
            size: Dimensions::new(1280, 720),
            millihertz: None,
            config: bytes::Bytes::from_static(&[1, 2]),
        };
        assert_eq!(colours(&track), (false, Matrix::Bt709));
    }
}
