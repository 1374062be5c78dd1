//! H.264: Baseline to High, 4:2:0 at eight bits, pictures of frames.

use std::collections::BTreeMap;

use rusty_h264::{DecodeError, Decoder};

use super::bits::{nal_units, start_code_units};
use super::convert::{Colours, cut, dimensions, malformed, planes};
use super::door::Door;
use super::sps::{self, Sps};
use super::{Pictures, Start};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::codec::{Stage, VideoDecoder, VideoFormat};
use crate::media::container::AvcConfig;
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Chroma, Packet, VideoFrame};

/// The decoder `rusty_h264`.
pub(super) struct H264;

impl VideoDecoder for H264 {
    fn name(&self) -> &str {
        "rusty_h264"
    }

    fn codecs(&self) -> &[Codec] {
        &[Codec::H264]
    }

    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let start: Box<Start> = Box::new(|track, limits| Ok(Box::new(Stream::new(track, limits)?)));
        Door::open("rusty_h264", track, limits, cancel, start)
    }
}

struct Stream {
    codec: Decoder,
    limits: Limits,
    /// Octets of the length in front of each NAL unit; `None` for start codes.
    nal_length: Option<u8>,
    /// Parameter sets that go in front of the first packet.
    pending: Vec<u8>,
    /// By `seq_parameter_set_id` it would be exact; the last one seen is what is in use.
    sps: Option<Sps>,
    seen: BTreeMap<Vec<u8>, Sps>,
    buffer: Vec<u8>,
}

/// Parameter sets remembered so that those that are repeated are not read again.
const SETS: usize = 64;

impl Stream {
    fn new(track: &VideoFormat, limits: &Limits) -> Result<Self, MediaError> {
        let mut stream = Self {
            codec: Decoder::new(),
            limits: limits.clone(),
            nal_length: None,
            pending: Vec::new(),
            sps: None,
            seen: BTreeMap::new(),
            buffer: Vec::new(),
        };
        if track.config.is_empty() {
            return Ok(stream);
        }
        let config = AvcConfig::parse(&track.config).map_err(malformed)?;
        stream.nal_length = Some(config.nal_length);
        for set in &config.sps {
            stream.admit(set)?;
        }
        for set in config.sps.iter().chain(&config.pps) {
            put_unit(&mut stream.pending, set);
        }
        Ok(stream)
    }

    /// Holds a sequence parameter set against the limits and against what the codec has.
    fn admit(&mut self, unit: &[u8]) -> Result<(), MediaError> {
        if let Some(sps) = self.seen.get(unit) {
            self.sps = Some(*sps);
            return Ok(());
        }
        let sps =
            sps::parse(unit).ok_or_else(|| malformed("a sequence parameter set cut short"))?;
        guard::check_size(sps.coded, &self.limits)?;
        if sps.interlaced {
            return Err(MediaError::unsupported("interlaced H.264"));
        }
        if !sps.plain {
            return Err(MediaError::unsupported(
                "H.264 that is not 4:2:0 at eight bits",
            ));
        }
        if self.seen.len() < SETS {
            self.seen.insert(unit.to_vec(), sps);
        }
        self.sps = Some(sps);
        Ok(())
    }

    /// The packet with start codes, in `buffer`.
    fn frame(&mut self, data: &[u8]) -> Result<(), MediaError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        buffer.append(&mut self.pending);
        let units: Vec<&[u8]> = match self.nal_length {
            Some(length) => nal_units(data, length).collect(),
            None => start_code_units(data),
        };
        for unit in units {
            if matches!(unit, [header, ..] if header & 0x1F == 7) {
                self.admit(unit)?;
            }
            put_unit(&mut buffer, unit);
        }
        self.buffer = buffer;
        Ok(())
    }
}

fn put_unit(to: &mut Vec<u8>, unit: &[u8]) {
    to.extend([0, 0, 0, 1]);
    to.extend_from_slice(unit);
}

impl Pictures for Stream {
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        self.frame(&packet.data)?;
        let decoded = self
            .codec
            .decode(&self.buffer)
            .map_err(|error| match error {
                DecodeError::Unsupported(what) => MediaError::unsupported(format!("H.264: {what}")),
                other => malformed(other),
            })?;
        let (Some(frame), Some(sps)) = (decoded, self.sps) else {
            return Ok(());
        };
        let colours = Colours {
            full_range: sps.full_range,
            matrix: sps.matrix,
        };
        let (width, height) = (frame.width, frame.height);
        let offset = (
            usize::try_from(sps.offset.0).unwrap_or(width),
            usize::try_from(sps.offset.1).unwrap_or(height),
        );
        let planes = if offset == (0, 0) {
            let size = dimensions(width, height)?;
            planes(size, Chroma::Half, colours, [frame.y, frame.u, frame.v])?
        } else {
            // The codec crops at the right and at the bottom alone.
            let rest = (
                width.saturating_sub(offset.0),
                height.saturating_sub(offset.1),
            );
            let half = |(a, b): (usize, usize)| (a / 2, b / 2);
            let plane = |samples: &[u8], stride, at, size| cut(samples, stride, at, size, |s| s);
            let size = dimensions(rest.0, rest.1)?;
            let y = plane(&frame.y, width, offset, rest);
            let cb = plane(&frame.u, width / 2, half(offset), half(rest));
            let cr = plane(&frame.v, width / 2, half(offset), half(rest));
            planes(size, Chroma::Half, colours, [y, cb, cr])?
        };
        out.push(VideoFrame {
            planes,
            timestamp_us: packet.timestamp_us,
        });
        Ok(())
    }

    fn reorder(&self) -> usize {
        self.sps.map_or(0, |sps| sps.reorder)
    }
}
