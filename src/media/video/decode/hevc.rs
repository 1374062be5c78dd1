//! HEVC: Main and Main 10, 4:2:0.

use rusty_h265::nal::unescape;
use rusty_h265::ps::parse_sps;
use rusty_h265::{Decoder, Error, Frame};

use super::bits::{nal_units, start_code_units};
use super::convert::{Colours, cut, dimensions, malformed, narrow, planes};
use super::door::Door;
use super::{Pictures, Start};
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoDecoder, VideoFormat};
use crate::media::container::HevcConfig;
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Chroma, Matrix, Packet, VideoFrame};

/// The decoder `rusty_h265`.
pub(super) struct Hevc;

impl VideoDecoder for Hevc {
    fn name(&self) -> &str {
        "rusty_h265"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::Hevc]
    }

    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let start: Box<Start> = Box::new(|track, limits| Ok(Box::new(Stream::new(track, limits)?)));
        Door::open("rusty_h265", track, limits, cancel, start)
    }
}

struct Stream {
    codec: Decoder,
    limits: Limits,
    /// Octets of the length in front of each NAL unit; `None` for start codes.
    nal_length: Option<u8>,
    colours: Colours,
}

/// `nal_unit_type` of a sequence parameter set (ITU-T H.265 table 7-1).
const SPS: u8 = 33;

impl Stream {
    fn new(track: &VideoFormat, limits: &Limits) -> Result<Self, MediaError> {
        let mut stream = Self {
            codec: Decoder::new(),
            limits: limits.clone(),
            nal_length: None,
            colours: Colours::usual(track.size),
        };
        if track.config.is_empty() {
            return Ok(stream);
        }
        let config = HevcConfig::parse(&track.config).map_err(malformed)?;
        stream.nal_length = Some(config.nal_length);
        for unit in &config.nals {
            stream.put(unit, None)?;
        }
        Ok(stream)
    }

    fn put(&mut self, unit: &[u8], time: Option<i64>) -> Result<(), MediaError> {
        if let [first, _, payload @ ..] = unit
            && (first >> 1) & 0x3F == SPS
        {
            self.admit(payload)?;
        }
        self.codec.push_nal(unit, time).map_err(refused)
    }

    /// Holds a sequence parameter set against the limits before the codec acts upon it.
    fn admit(&mut self, payload: &[u8]) -> Result<(), MediaError> {
        let sps = parse_sps(&unescape(payload).data).map_err(refused)?;
        let size = Dimensions::new(sps.width, sps.height);
        guard::check_size(size, &self.limits)?;
        self.colours = Colours::usual(size);
        if let Some(vui) = &sps.vui {
            self.colours = Colours {
                full_range: vui.video_full_range_flag,
                matrix: Matrix::signalled(u32::from(vui.matrix_coeffs), size),
            };
        }
        Ok(())
    }

    fn drain(&mut self, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        loop {
            match self.codec.next_frame() {
                Ok(frame) => {
                    let Some(timestamp_us) = frame.pts.and_then(|time| u64::try_from(time).ok())
                    else {
                        continue;
                    };
                    out.push(VideoFrame {
                        planes: self.shown(&frame)?,
                        timestamp_us,
                    });
                }
                Err(Error::Again | Error::Eof) => return Ok(()),
                Err(error) => return Err(refused(error)),
            }
        }
    }

    /// The part of a picture that is shown, at eight bits.
    fn shown(&self, frame: &Frame) -> Result<crate::media::Planes, MediaError> {
        let picture = &frame.picture;
        let (left, top, width, height) = picture.crop;
        let (chroma, across, down) = match picture.chroma_format_idc {
            0 => (Chroma::None, 0, 0),
            1 => (Chroma::Half, 2, 2),
            2 => (Chroma::HalfWidth, 2, 1),
            _ => (Chroma::Full, 1, 1),
        };
        let [luma, blue, red] = &picture.planes;
        let window = |plane: &rusty_h265::Plane, at, size, depth: u8| {
            if depth == 8 {
                let low = |sample: u16| u8::try_from(sample).unwrap_or(u8::MAX);
                cut(&plane.data, plane.stride, at, size, low)
            } else {
                let depth = u32::from(depth);
                cut(&plane.data, plane.stride, at, size, |s| narrow(s, depth))
            }
        };
        let y = window(luma, (left, top), (width, height), picture.bit_depth_luma);
        let colour = |plane: &rusty_h265::Plane| {
            if chroma == Chroma::None {
                return Vec::new();
            }
            window(
                plane,
                (left / across, top / down),
                (width.div_ceil(across), height.div_ceil(down)),
                picture.bit_depth_chroma,
            )
        };
        let size = dimensions(width, height)?;
        planes(size, chroma, self.colours, [y, colour(blue), colour(red)])
    }
}

fn refused(error: Error) -> MediaError {
    match error {
        Error::Unsupported(what) => MediaError::unsupported(format!("HEVC: {what}")),
        Error::Unimplemented(what) => MediaError::unsupported(format!("HEVC: {what}")),
        other => malformed(other),
    }
}

impl Pictures for Stream {
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        // A picture without a time of its own is left out before its samples are copied. `None` will
        // not do: the codec would take the time of the packet before.
        let time = if packet.shown {
            i64::try_from(packet.timestamp_us).ok()
        } else {
            Some(-1)
        };
        let units: Vec<&[u8]> = match self.nal_length {
            Some(length) => nal_units(&packet.data, length).collect(),
            None => start_code_units(&packet.data),
        };
        let mut outcome = Ok(());
        for unit in units {
            match self.put(unit, time) {
                Ok(()) => {}
                Err(error @ MediaError::Limit { .. }) => return Err(error),
                Err(error) => outcome = Err(error),
            }
        }
        self.drain(out)?;
        outcome
    }

    fn flush(&mut self, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        self.codec.flush();
        self.drain(out)
    }
}
