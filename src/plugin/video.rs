//! Plugins that read and write moving pictures, as any codec.

use std::collections::VecDeque;
use std::slice;

use bytes::Bytes;
use remold_plugin_abi::v0_1_0::exports::remold::codec::{video_decode, video_encode};
use remold_plugin_abi::v0_1_0::remold::codec::types;
use wasmtime::component::ResourceAny;

use super::about::{Capability, Value};
use super::job::Job;
use super::load::Plugin;
use super::registry_name;
use crate::dimensions::Dimensions;
use crate::limits::Limits;
use crate::media::codec::{RateTarget, Stage, VideoDecoder, VideoEncoder, VideoFormat};
use crate::media::picture::{Chroma, Matrix, Packet, Planes, VideoFrame};
use crate::media::video::{Admitted, Door, Pictures, Spend, Start, admitted, colours, h264_header};
use crate::media::{Cancel, Codec, Format, MediaError};

/// A plugin that reads moving pictures.
#[derive(Clone)]
pub(super) struct Reader {
    plugin: Plugin,
    name: String,
    codec: Codec,
    capability: Capability,
}

impl Reader {
    pub(super) fn new(plugin: Plugin, capability: Capability, codec: Codec) -> Self {
        Self {
            name: registry_name(plugin.name()),
            plugin,
            codec,
            capability,
        }
    }

    fn read(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Reading, MediaError> {
        let code = self.plugin.code();
        let mut job = self.plugin.start(cancel)?;
        let indices = code
            .video_decode
            .as_ref()
            .ok_or_else(|| job.blame("reads no moving pictures"))?;
        let guest = job.call(|store, instance| indices.load(store, instance))?;
        let options = self.plugin.options(&self.capability, &[]);
        let bounds = types::Limits {
            // Pictures are handed on as they come.
            max_output_bytes: u64::MAX,
            ..job.guest_limits(limits)
        };
        let given = video_decode::Track {
            codec_id: self.codec.name().to_owned(),
            size: guest_size(track.size),
            config: track.config.to_vec(),
        };
        let decoder = job
            .call(|store, _| guest.decoder().call_open(store, &given, bounds, &options))?
            .map_err(|error| job.said(error, Format::Unknown, limits))?;
        let (full_range, matrix) = colours(track);
        Ok(Reading {
            plugin: self.plugin.clone(),
            limits: limits.clone(),
            full_range,
            matrix,
            guest,
            decoder,
            job,
        })
    }
}

impl VideoDecoder for Reader {
    fn name(&self) -> &str {
        &self.name
    }

    fn codecs(&self) -> &[Codec] {
        slice::from_ref(&self.codec)
    }

    fn available(&self) -> bool {
        self.plugin.available()
    }

    fn open(
        &self,
        track: &VideoFormat,
        limits: &Limits,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<Packet, VideoFrame>>, MediaError> {
        let (reader, waits) = (self.clone(), cancel.clone());
        let start: Box<Start> = Box::new(move |track, limits| {
            let read = reader.read(track, limits, &waits);
            Ok(Box::new(reader.plugin.judged(read)?))
        });
        Door::open(&self.name, track, limits, cancel, start)
    }
}

/// A track that a plugin is reading.
struct Reading {
    plugin: Plugin,
    limits: Limits,
    full_range: bool,
    matrix: Matrix,
    guest: video_decode::Guest,
    decoder: ResourceAny,
    job: Job,
}

impl Reading {
    fn take(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        let (guest, decoder) = (&self.guest, self.decoder);
        let given = super::audio::guest_packet(packet);
        self.job.reached(packet.timestamp_us);
        let pictures = self
            .job
            .call(|store, _| guest.decoder().call_push(store, decoder, &given))?
            .map_err(|error| self.job.said(error, Format::Unknown, &self.limits))?;
        self.give(pictures, out)
    }

    fn end(&mut self, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        let (guest, decoder) = (&self.guest, self.decoder);
        let pictures = self
            .job
            .call(|store, _| guest.decoder().call_finish(store, decoder))?
            .map_err(|error| self.job.said(error, Format::Unknown, &self.limits))?;
        self.give(pictures, out)
    }

    /// Holds pictures against what they have to be.
    fn give(
        &mut self,
        pictures: Vec<video_decode::Picture>,
        out: &mut Vec<VideoFrame>,
    ) -> Result<(), MediaError> {
        self.job.passed_on();
        for picture in pictures {
            let octets = picture.i420.len();
            self.job.took(octets)?;
            let size = Dimensions::new(picture.size.width, picture.size.height);
            let planes = split(size, picture.i420).ok_or_else(|| {
                let what = format!("gave {octets} octets for {size} pixels in 4:2:0");
                self.job.blame(&what)
            })?;
            out.push(VideoFrame {
                planes: Planes {
                    full_range: self.full_range,
                    matrix: self.matrix,
                    ..planes
                },
                timestamp_us: u64::try_from(picture.pts_us).unwrap_or(0),
            });
        }
        Ok(())
    }
}

impl Pictures for Reading {
    fn decode(&mut self, packet: &Packet, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        let taken = self.take(packet, out);
        self.plugin.judged(taken)
    }

    fn flush(&mut self, out: &mut Vec<VideoFrame>) -> Result<(), MediaError> {
        let ended = self.end(out);
        self.plugin.judged(ended)?;
        self.plugin.succeeded();
        Ok(())
    }
}

/// The planes of a picture in 4:2:0 that stand one after the other.
fn split(size: Dimensions, i420: Vec<u8>) -> Option<Planes> {
    let area = |size: Dimensions| {
        let area = u64::from(size.width).checked_mul(size.height.into())?;
        usize::try_from(area).ok().filter(|area| *area > 0)
    };
    let (luma, chroma) = (area(size)?, area(Chroma::Half.plane(size)?)?);
    if i420.len() != luma.checked_add(chroma.checked_mul(2)?)? {
        return None;
    }
    let mut y = i420;
    let mut cb = y.split_off(luma);
    let cr = cb.split_off(chroma);
    Some(Planes {
        size,
        chroma: Chroma::Half,
        full_range: false,
        matrix: Matrix::default(),
        y,
        cb,
        cr,
    })
}

/// A plugin that writes moving pictures.
pub(super) struct Writer {
    plugin: Plugin,
    name: String,
    codec: Codec,
    capability: Capability,
}

impl Writer {
    pub(super) fn new(plugin: Plugin, capability: Capability, codec: Codec) -> Self {
        Self {
            name: registry_name(plugin.name()),
            plugin,
            codec,
            capability,
        }
    }

    fn write(
        &self,
        track: &VideoFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Writing, MediaError> {
        let limits = Limits::default();
        let admitted = admitted(track, target)?;
        if let Some(most) = self.capability.max_size
            && !most.holds(track.size)
        {
            let what = format!("{} of {}", self.codec.name(), track.size);
            return Err(MediaError::unsupported(what));
        }
        let code = self.plugin.code();
        let mut job = self.plugin.start(cancel)?;
        let indices = code
            .video_encode
            .as_ref()
            .ok_or_else(|| job.blame("writes no moving pictures"))?;
        let guest = job.call(|store, instance| indices.load(store, instance))?;
        let options = self
            .plugin
            .options(&self.capability, &asked(target, admitted));
        let bounds = job.guest_limits(&limits);
        let (name, size) = (self.codec.name(), guest_size(track.size));
        let encoder = job
            .call(|store, _| {
                let rate = admitted.millihertz;
                guest
                    .encoder()
                    .call_open(store, name, size, rate, 1_000, bounds, &options)
            })?
            .map_err(|error| job.said(error, Format::Unknown, &limits))?;
        let config = job.call(|store, _| guest.encoder().call_config(store, encoder))?;
        job.took(config.len())?;
        Ok(Writing {
            plugin: self.plugin.clone(),
            codec: self.codec,
            size: track.size,
            level: admitted.level,
            config,
            limits,
            guest,
            encoder,
            job,
            spend: Spend::new(target),
            buffer: Vec::new(),
            ready: VecDeque::new(),
        })
    }
}

impl VideoEncoder for Writer {
    fn name(&self) -> &str {
        &self.name
    }

    fn codec(&self) -> Codec {
        self.codec
    }

    fn available(&self) -> bool {
        self.plugin.available()
    }

    fn open(
        &self,
        track: &VideoFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<VideoFrame, Packet>>, MediaError> {
        let written = self.write(track, target, cancel);
        Ok(Box::new(self.plugin.judged(written)?))
    }
}

/// A track that a plugin is writing.
struct Writing {
    plugin: Plugin,
    codec: Codec,
    size: Dimensions,
    level: u16,
    /// What goes in front of every key packet.
    config: Vec<u8>,
    limits: Limits,
    guest: video_encode::Guest,
    encoder: ResourceAny,
    job: Job,
    spend: Spend,
    buffer: Vec<u8>,
    ready: VecDeque<Packet>,
}

impl Writing {
    fn take(&mut self, frame: &VideoFrame) -> Result<(), MediaError> {
        if !self.spend.admits() {
            return Ok(());
        }
        let planes = &frame.planes;
        if planes.size != self.size || planes.chroma != Chroma::Half {
            let what = format!("a frame of {} in a track of {}", planes.size, self.size);
            return Err(MediaError::unsupported(what));
        }
        self.job.reached(frame.timestamp_us);
        self.buffer.clear();
        for plane in [&planes.y, &planes.cb, &planes.cr] {
            self.buffer.extend_from_slice(plane);
        }
        let (guest, encoder, i420) = (&self.guest, self.encoder, &self.buffer);
        let time = i64::try_from(frame.timestamp_us).unwrap_or(i64::MAX);
        let packets = self
            .job
            .call(|store, _| guest.encoder().call_push(store, encoder, i420, time, false))?
            .map_err(|error| self.job.said(error, Format::Unknown, &self.limits))?;
        self.give(packets)
    }

    fn end(&mut self) -> Result<(), MediaError> {
        let (guest, encoder) = (&self.guest, self.encoder);
        let packets = self
            .job
            .call(|store, _| guest.encoder().call_finish(store, encoder))?
            .map_err(|error| self.job.said(error, Format::Unknown, &self.limits))?;
        self.give(packets)
    }

    fn give(&mut self, packets: Vec<types::Packet>) -> Result<(), MediaError> {
        for packet in packets {
            self.job.took(packet.data.len())?;
            if packet.data.is_empty() {
                continue;
            }
            let mut data = packet.data;
            if packet.keyframe {
                data.splice(0..0, self.config.iter().copied());
                self.check(&data)?;
            }
            // A start code of three octets makes room for a length of four.
            if self
                .spend
                .enter(data.len().saturating_add(1), packet.keyframe)
            {
                self.ready.push_back(Packet {
                    data: Bytes::from(data),
                    timestamp_us: u64::try_from(packet.pts_us).unwrap_or(0),
                    key: packet.keyframe,
                    shown: true,
                });
            }
        }
        Ok(())
    }

    /// Looks at what a key packet says of itself as if it came from a stranger.
    fn check(&self, data: &[u8]) -> Result<(), MediaError> {
        if self.codec != Codec::H264 {
            return Ok(());
        }
        let whole = |side: u32| side.div_ceil(16).saturating_mul(16);
        let coded = Dimensions::new(whole(self.size.width), whole(self.size.height));
        let header =
            h264_header(data).ok_or_else(|| self.job.blame("gave a key frame without its sets"))?;
        let asked = u32::from(self.level);
        // 1b, which is 9, lies between 1 and 1.1.
        let rank = |level: u32| match level {
            9 => 21,
            other => other.saturating_mul(2),
        };
        let within = rank(header.level) <= rank(asked);
        if header.coded == coded && header.profile == 66 && within {
            return Ok(());
        }
        Err(self.job.blame(&format!(
            "gave H.264 of {}, profile {} and level {}, asked for {coded}, 66 and {asked}",
            header.coded, header.profile, header.level
        )))
    }
}

impl Stage<VideoFrame, Packet> for Writing {
    fn push(&mut self, frame: VideoFrame) -> Result<(), MediaError> {
        let taken = self.take(&frame);
        self.plugin.judged(taken)
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        let ended = self.end();
        self.plugin.judged(ended)?;
        self.plugin.succeeded();
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        Ok(self.ready.pop_front())
    }
}

fn guest_size(size: Dimensions) -> types::Dimensions {
    types::Dimensions {
        width: size.width,
        height: size.height,
    }
}

/// What an encoder is asked for, by the keys that mean the same to all.
fn asked(target: &RateTarget, admitted: Admitted) -> Vec<(&'static str, Value)> {
    let mut asked = super::audio::asked(&RateTarget {
        bit_rate: Some(admitted.bit_rate),
        ..*target
    });
    asked.push(("level", Value::Int(admitted.level.into())));
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_are_taken_apart_where_they_are_whole() {
        let size = Dimensions::new(3, 3);
        let planes = split(size, (0..17).collect()).unwrap();
        assert_eq!(planes.y, (0..9).collect::<Vec<u8>>());
        assert_eq!(
            (planes.cb, planes.cr),
            (vec![9, 10, 11, 12], vec![13, 14, 15, 16])
        );
        assert_eq!(split(size, vec![0; 16]), None);
        assert_eq!(split(size, vec![0; 18]), None);
        assert_eq!(split(Dimensions::new(0, 3), Vec::new()), None);
        let huge = Dimensions::new(u32::MAX, u32::MAX);
        assert_eq!(split(huge, Vec::new()), None);
    }

    #[test]
    fn an_encoder_is_told_its_level_and_its_rate() {
        let target = RateTarget {
            max_bytes: Some(9),
            ..RateTarget::default()
        };
        let admitted = Admitted {
            level: 13,
            millihertz: 15_000,
            bit_rate: 70_000,
        };
        let asked = asked(&target, admitted);
        assert!(asked.contains(&("level", Value::Int(13))));
        assert!(asked.contains(&("bit-rate", Value::Int(70_000))));
        assert!(asked.contains(&("max-bytes", Value::Int(9))));
    }
}
