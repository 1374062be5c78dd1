//! AV1. Off until it is turned on: `rav1d` is a translation with thousands of lines of unsafe code.

use re_rav1d::dav1d::pixel::{MatrixCoefficients, YUVRange};
use re_rav1d::dav1d::{Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings};

use super::convert::{Colours, cut, malformed, narrow, planes};
use super::door::Door;
use super::{Pictures, Start};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoDecoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::info::Codec;
use crate::media::picture::{Chroma, Matrix, Packet, Planes, VideoFrame};

/// The decoder `rav1d`.
pub(super) struct Rav1d;

impl VideoDecoder for Rav1d {
    fn name(&self) -> &str {
        "rav1d"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Av1]
    }

    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let start: Box<Start> = Box::new(|track, limits| Ok(Box::new(Stream::new(track, limits)?)));
        Door::open("rav1d", track, limits, cancel, start)
    }
}

struct Stream {
    codec: Decoder,
    /// OBUs of the configuration that go in front of the first packet.
    pending: Vec<u8>,
}

impl Stream {
    fn new(track: &VideoFormat, limits: &Limits) -> Result<Self, MediaError> {
        let mut settings = Settings::new();
        // One thread: ours are rayon's, and the codec must be done when its guard returns.
        settings.set_n_threads(1);
        settings.set_max_frame_delay(1);
        settings.set_frame_size_limit(u32::try_from(limits.pixels).unwrap_or(u32::MAX));
        Ok(Self {
            codec: Decoder::with_settings(&settings).map_err(malformed)?,
            // av1C: four octets, then configOBUs (AV1 in ISO base media, section 2.3.3).
            pending: track.config.get(4..).unwrap_or_default().to_vec(),
        })
    }

    fn drain(&mut self, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        loop {
            match self.codec.get_picture() {
                Ok(picture) => {
                    let time = picture.timestamp().and_then(|time| time.try_into().ok());
                    if let Some(timestamp_us) = time {
                        out.push(VideoFrame {
                            planes: shown(&picture)?,
                            timestamp_us,
                        });
                    }
                }
                Err(Error::Again) => return Ok(()),
                Err(error) => return Err(malformed(error)),
            }
        }
    }
}

impl Pictures for Stream {
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        let mut data = std::mem::take(&mut self.pending);
        data.extend_from_slice(&packet.data);
        let time = i64::try_from(packet.timestamp_us).ok();
        let mut sent = self.codec.send_data(data, None, time, None);
        // Each round takes a picture out, of which a packet has few.
        for _ in 0..64 {
            self.drain(out)?;
            if sent != Err(Error::Again) {
                break;
            }
            sent = self.codec.send_pending_data();
        }
        sent.map_err(malformed)
    }

    fn flush(&mut self, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        self.drain(out)
    }
}

fn shown(picture: &Picture) -> Result<Planes, MediaError> {
    let size = Dimensions::new(picture.width(), picture.height());
    let chroma = match picture.pixel_layout() {
        PixelLayout::I400 => Chroma::None,
        PixelLayout::I420 => Chroma::Half,
        PixelLayout::I422 => Chroma::HalfWidth,
        PixelLayout::I444 => Chroma::Full,
    };
    let matrix = match picture.matrix_coefficients() {
        MatrixCoefficients::Identity => return Err(MediaError::unsupported("AV1 in RGB")),
        MatrixCoefficients::BT709 => Matrix::Bt709,
        MatrixCoefficients::BT470BG | MatrixCoefficients::ST170M => Matrix::Bt601,
        MatrixCoefficients::BT2020NonConstantLuminance => Matrix::Bt2020,
        _ => Matrix::usual(size),
    };
    let colours = Colours {
        full_range: picture.color_range() == YUVRange::Full,
        matrix,
    };
    let depth = picture.bits_per_component().map_or(8, |bits| bits.0);
    let depth = u32::try_from(depth).unwrap_or(8);
    let plane = |component, size: Dimensions| {
        let octets = picture.plane(component);
        let length = |side| usize::try_from(side).unwrap_or(0);
        let stride = length(picture.stride(component));
        let shown = (length(size.width), length(size.height));
        if depth == 8 {
            return cut(&octets, stride, (0, 0), shown, |sample| sample);
        }
        let (pairs, _) = octets.as_chunks::<2>();
        cut(pairs, stride / 2, (0, 0), shown, |pair| {
            narrow(u16::from_ne_bytes(pair), depth)
        })
    };
    let colour = |component| {
        chroma
            .plane(size)
            .map_or(Vec::new(), |of| plane(component, of))
    };
    let samples = [
        plane(PlanarImageComponent::Y, size),
        colour(PlanarImageComponent::U),
        colour(PlanarImageComponent::V),
    ];
    planes(size, chroma, colours, samples)
}
