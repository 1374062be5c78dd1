//! MPEG-4 Visual (ISO/IEC 14496-2): Simple and Advanced Simple.

use oxideav_mpeg4video::{DecodeOptions, DecodedFrame, Mpeg4VideoDecoder};

use super::convert::{Colours, cut, malformed, planes};
use super::door::Door;
use super::{Pictures, Start};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoDecoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Chroma, Matrix, Packet, VideoFrame};

/// The decoder `oxideav-mpeg4video`.
pub(super) struct Mpeg4;

impl VideoDecoder for Mpeg4 {
    fn name(&self) -> &str {
        "oxideav-mpeg4video"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Mpeg4Visual]
    }

    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let start: Box<Start> = Box::new(|track, limits| Ok(Box::new(Stream::new(track, limits)?)));
        Door::open("oxideav-mpeg4video", track, limits, cancel, start)
    }
}

struct Stream {
    codec: Mpeg4VideoDecoder,
    limits: Limits,
}

/// The start code of a video object plane (clause 6.2.1).
const VOP: [u8; 4] = [0, 0, 1, 0xB6];

impl Stream {
    fn new(track: &VideoFormat, limits: &Limits) -> Result<Self, MediaError> {
        let mut stream = Self {
            // What every encoder and decoder in the field does where they all depart from the
            // letter of the standard.
            codec: Mpeg4VideoDecoder::with_options(DecodeOptions::ecosystem()),
            limits: limits.clone(),
        };
        let (headers, _) = split_at_vop(&track.config);
        stream.codec.decode(headers).map_err(malformed)?;
        stream.size()?;
        Ok(stream)
    }

    /// The size of the layer, within limits, where it is known.
    fn size(&self) -> Result<Option<Dimensions>, MediaError> {
        let Some(layer) = self.codec.vol() else {
            return Ok(None);
        };
        let size = Dimensions::new(u32::from(layer.width), u32::from(layer.height));
        guard::check_size(size, &self.limits)?;
        Ok(Some(size))
    }

    fn show(&self, frames: Vec<DecodedFrame>, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        let size = self.size()?;
        for frame in frames {
            let Some(timestamp_us) = frame.pts().and_then(|time| u64::try_from(time).ok()) else {
                continue;
            };
            let coded = super::convert::dimensions(frame.width(), frame.height())?;
            // Macroblocks are whole; the layer says what of them is shown.
            let size = size.unwrap_or(coded);
            let length = |side: u32| usize::try_from(side).unwrap_or(0);
            let (width, height) = (length(size.width), length(size.height));
            let window = |samples: &[u8], stride: usize, shown| {
                cut(samples, stride, (0, 0), shown, |sample| sample)
            };
            let half = (width.div_ceil(2), height.div_ceil(2));
            let samples = [
                window(frame.luma_samples(), frame.width(), (width, height)),
                window(frame.cb_samples(), frame.width() / 2, half),
                window(frame.cr_samples(), frame.width() / 2, half),
            ];
            let colours = Colours {
                full_range: false,
                matrix: Matrix::usual(size),
            };
            out.push(VideoFrame {
                planes: planes(size, Chroma::Half, colours, samples)?,
                timestamp_us,
            });
        }
        Ok(())
    }
}

/// What precedes the first video object plane, and the rest.
fn split_at_vop(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data
        .windows(VOP.len())
        .position(|window| window == VOP)
        .unwrap_or(data.len());
    data.split_at(at)
}

impl Pictures for Stream {
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        let time = i64::try_from(packet.timestamp_us).ok();
        // Headers in the stream first: what they say is checked before a picture is made of it.
        let (headers, pictures) = split_at_vop(&packet.data);
        let pictures = if pictures.is_empty() {
            &packet.data
        } else {
            self.codec.decode(headers).map_err(malformed)?;
            pictures
        };
        self.size()?;
        let frames = self
            .codec
            .decode_with_pts(pictures, time)
            .map_err(malformed)?;
        self.show(frames, out)
    }

    fn flush(&mut self, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        let frames = self.codec.flush();
        self.show(frames, out)
    }
}
