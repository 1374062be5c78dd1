//! H.263 profile 0, by our own encoder.

use std::collections::VecDeque;

use bytes::Bytes;

use super::spend::octets;
use crate::media::cancel::Cancel;
use crate::media::codec::{RateTarget, Stage, VideoEncoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Packet, Planes, VideoFrame};
use crate::media::video::h263::{Config, Encoder, H263Error, Level, Size, Target, YuvFrame};
use crate::media::video::pace::interval_us;

/// The encoder.
pub(super) struct H263;

const NAME: &str = "h263";

impl VideoEncoder for H263 {
    fn name(&self) -> &str {
        NAME
    }

    fn codec(&self) -> Codec {
        Codec::H263
    }

    fn open(
        &self,
        track: &VideoFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<VideoFrame, Packet>>, MediaError> {
        let config = config(track, target)?;
        let size = config.size;
        let encoder = Encoder::new(config).map_err(refused)?;
        Ok(Box::new(Stream {
            encoder,
            size,
            cancel: cancel.clone(),
            ready: VecDeque::new(),
        }))
    }
}

struct Stream {
    encoder: Encoder,
    size: Size,
    cancel: Cancel,
    ready: VecDeque<Packet>,
}

impl Stage<VideoFrame, Packet> for Stream {
    fn push(&mut self, frame: VideoFrame) -> Result<(), MediaError> {
        self.cancel.check()?;
        let view = view(self.size, &frame.planes)?;
        let coded = guard::caught(NAME, || {
            self.encoder
                .encode(&view, frame.timestamp_us)
                .map_err(refused)
        })?;
        self.ready.extend(coded.map(|picture| Packet {
            data: Bytes::from(picture.data),
            timestamp_us: picture.timestamp_us,
            key: picture.keyframe,
            shown: true,
        }));
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.cancel.check()
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        Ok(self.ready.pop_front())
    }
}

/// The planes as the encoder borrows them.
fn view(size: Size, planes: &Planes) -> Result<YuvFrame<'_>, MediaError> {
    if planes.size != size.dimensions() {
        return Err(MediaError::unsupported(format!(
            "a {} frame in H.263 of {}",
            planes.size,
            size.dimensions()
        )));
    }
    Ok(YuvFrame::packed(size, &planes.y, &planes.cb, &planes.cr))
}

/// What the encoder is told.
fn config(track: &VideoFormat, target: &RateTarget) -> Result<Config, MediaError> {
    let size = Size::of(track.size).ok_or_else(|| {
        MediaError::unsupported(format!(
            "H.263 of {}, which is no standard size",
            track.size
        ))
    })?;
    let millihertz = track.millihertz.unwrap_or(15_000);
    let level = level(track, size)?;
    let bits = match (target.max_bytes, target.duration_us) {
        (Some(max), Some(duration_us)) => {
            let allowed = target
                .bit_rate
                .map_or(u64::MAX, |rate| octets(rate, duration_us));
            Target::Bytes {
                max: max.min(allowed),
                duration_us,
            }
        }
        (_, duration_us) => Target::BitRate {
            bits_per_second: target.bit_rate.unwrap_or(level.max_bit_rate()),
            duration_us,
        },
    };
    let mut config = Config::new(size, level, bits);
    config.frame_interval_us = interval_us(millihertz).clamp(1_000, 60_000_000);
    config.keyframe_interval = super::key_interval(millihertz);
    Ok(config)
}

/// The highest level that is allowed and that we have, or the lowest with the size.
fn level(track: &VideoFormat, size: Size) -> Result<Level, MediaError> {
    let has = |level: &Level| level.picture_interval(size).is_some();
    let found = match track.config.first() {
        None => [Level::L10, Level::L20, Level::L30].into_iter().find(has),
        Some(&most) => [Level::L45, Level::L30, Level::L20, Level::L10]
            .into_iter()
            .filter(has)
            .find(|level| match most {
                // Level 45 is beside 20 and not above 30 and 40.
                45 => matches!(level, Level::L45 | Level::L10),
                _ => *level != Level::L45 && level.number() <= most,
            }),
    };
    found
        .ok_or_else(|| MediaError::unsupported(format!("H.263 of {} within the level", track.size)))
}

fn refused(error: H263Error) -> MediaError {
    match error {
        H263Error::Budget { max } => MediaError::TargetTooSmall {
            smallest: max.saturating_add(1),
        },
        other => MediaError::unsupported(other.to_string()),
    }
}
