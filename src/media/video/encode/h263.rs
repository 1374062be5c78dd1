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
use crate::media::video::h263::{
    Config, EncodedFrame, Encoder, H263Error, Level, Size, Target, YuvFrame, correct,
};
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
        let kept = keeps(&config).then(Vec::new);
        let encoder = Encoder::new(config).map_err(refused)?;
        Ok(Box::new(Stream {
            encoder,
            size,
            cancel: cancel.clone(),
            kept,
            passes: 1,
            ready: VecDeque::new(),
        }))
    }
}

struct Stream {
    encoder: Encoder,
    size: Size,
    cancel: Cancel,
    /// All frames, where a second pass may need them: packets are then given out at the end.
    kept: Option<Vec<VideoFrame>>,
    passes: u32,
    ready: VecDeque<EncodedFrame>,
}

/// Octets of frames that are kept for a second pass at most.
const KEPT: u64 = 8 << 20;

/// Whether all frames that are to be expected can be kept, and a sum of octets is to be met.
fn keeps(config: &Config) -> bool {
    let Target::Bytes { duration_us, .. } = config.target else {
        return false;
    };
    let size = config.size.dimensions();
    let octets = u64::from(size.width).saturating_mul(u64::from(size.height)) / 2 * 3;
    let frames = duration_us / config.frame_interval_us.max(1);
    frames.saturating_add(1).saturating_mul(octets) <= KEPT
}

impl Stream {
    /// A second pass where the first missed.
    fn correct(&mut self) -> Result<(), MediaError> {
        let Some(kept) = self.kept.take() else {
            return Ok(());
        };
        let views = kept
            .iter()
            .map(|frame| Ok((view(self.size, &frame.planes)?, frame.timestamp_us)))
            .collect::<Result<Vec<_>, MediaError>>()?;
        let pictures = std::mem::take(&mut self.ready).into();
        // Cancelled, it makes too few, and none of them is used.
        let frames = || {
            let going = |_: &(YuvFrame<'_>, u64)| self.cancel.check().is_ok();
            views.iter().copied().take_while(going)
        };
        let fitted = guard::caught(NAME, || {
            correct(&self.encoder, pictures, frames).map_err(refused)
        })?;
        self.cancel.check()?;
        self.passes = u32::from(fitted.passes);
        self.ready = fitted.pictures.into();
        Ok(())
    }
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
        self.ready.extend(coded);
        if let Some(kept) = &mut self.kept {
            kept.push(frame);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.cancel.check()?;
        self.correct()
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        if self.kept.is_some() {
            return Ok(None);
        }
        Ok(self.ready.pop_front().map(|picture| Packet {
            data: Bytes::from(picture.data),
            timestamp_us: picture.timestamp_us,
            key: picture.keyframe,
            shown: true,
        }))
    }

    fn passes(&self) -> u32 {
        self.passes
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::picture::{Chroma, Matrix};

    /// Octets and passes of two seconds that are calm until the last quarter, in `max_bytes`.
    fn coded(max_bytes: u64) -> (u64, u32) {
        let size = Dimensions::new(176, 144);
        let track = VideoFormat {
            codec: Codec::H263,
            size,
            millihertz: Some(15_000),
            config: Bytes::from_static(&[45]),
        };
        let target = RateTarget {
            bit_rate: None,
            max_bytes: Some(max_bytes),
            duration_us: Some(2_000_000),
        };
        let mut stage = H263.open(&track, &target, &Cancel::new()).unwrap();
        for number in 0..30_u32 {
            let busy = if number < 22 { 0 } else { 37 * number };
            let y = (0..176 * 144_u32)
                .map(|at| (at % 176 * 3 + at / 176 * 5 + busy * (at % 7)) % 220 + 16)
                .map(|luma| u8::try_from(luma).unwrap())
                .collect();
            let planes = Planes {
                size,
                chroma: Chroma::Half,
                full_range: false,
                matrix: Matrix::Bt601,
                y,
                cb: vec![128; 88 * 72],
                cr: vec![128; 88 * 72],
            };
            let timestamp_us = u64::from(number) * 66_667;
            let frame = VideoFrame {
                planes,
                timestamp_us,
            };
            stage.push(frame).unwrap();
        }
        stage.finish().unwrap();
        let mut octets = 0;
        while let Some(packet) = stage.pull().unwrap() {
            octets += packet.data.len() as u64;
        }
        (octets, stage.passes())
    }

    #[test]
    fn a_pass_that_missed_is_corrected_once() {
        let (octets, passes) = coded(12_000);
        assert_eq!(passes, 2);
        assert!((10_200..=12_000).contains(&octets), "{octets}");
    }
}
