//! H.264 Constrained Baseline.

use std::collections::VecDeque;

use bytes::Bytes;
use rusty_h264::{Encoder, EncoderConfig, Preset, YuvPlanes};

use super::level::Level;
use super::spend::Spend;
use crate::media::cancel::Cancel;
use crate::media::codec::{RateTarget, Stage, VideoEncoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Packet, VideoFrame};

/// The encoder `rusty_h264`.
pub(super) struct H264;

const NAME: &str = "rusty_h264";

impl VideoEncoder for H264 {
    fn name(&self) -> &str {
        NAME
    }

    fn codec(&self) -> Codec {
        Codec::H264
    }

    fn open(
        &self,
        track: &VideoFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<VideoFrame, Packet>>, MediaError> {
        let millihertz = track.millihertz.unwrap_or(15_000);
        let rate = super::bit_rate(target).unwrap_or(400_000);
        let level = super::level(track, millihertz, rate)?;
        let length = |side| usize::try_from(side).unwrap_or(0);
        let mut config =
            EncoderConfig::baseline(length(track.size.width), length(track.size.height));
        config.preset = Preset::Balanced;
        config.gop_size = super::key_interval(millihertz);
        config.min_keyint = (millihertz / 1_000).max(2);
        config.scenecut = 40;
        config.bitrate = u32::try_from(rate).unwrap_or(u32::MAX);
        config.framerate = super::hertz(millihertz);
        config.qp = first_quantiser(track, millihertz, rate);
        config.level_idc = 10;
        let encoder = guard::caught(NAME, || {
            Encoder::new(config).map_err(|error| MediaError::unsupported(error.to_string()))
        })?;
        Ok(Box::new(Stream {
            encoder,
            level,
            spend: Spend::new(target),
            cancel: cancel.clone(),
            ready: VecDeque::new(),
        }))
    }
}

/// The quantiser of the first picture, by which the rate control starts: 32 at a tenth of a bit for
/// a pixel at 15 frames a second, and four more for each halving.
fn first_quantiser(track: &VideoFormat, millihertz: u32, rate: u64) -> u8 {
    let pixels = u64::from(track.size.width).saturating_mul(u64::from(track.size.height));
    let seconds = pixels.saturating_mul(u64::from(millihertz)).max(1);
    // Bits for 1000 pixels.
    let mut bits = rate.saturating_mul(1_000_000) / seconds;
    let mut quantiser = 32_u8;
    while bits < 100 && quantiser < 44 {
        bits = bits.max(1).saturating_mul(2);
        quantiser = quantiser.saturating_add(4);
    }
    while bits >= 200 && quantiser > 20 {
        bits /= 2;
        quantiser = quantiser.saturating_sub(4);
    }
    quantiser
}

struct Stream {
    encoder: Encoder,
    level: Level,
    spend: Spend,
    cancel: Cancel,
    ready: VecDeque<Packet>,
}

impl Stage<VideoFrame, Packet> for Stream {
    fn push(&mut self, frame: VideoFrame) -> Result<(), MediaError> {
        self.cancel.check()?;
        if !self.spend.admits() {
            return Ok(());
        }
        let planes = &frame.planes;
        let length = |side| usize::try_from(side).unwrap_or(0);
        let (width, height) = (length(planes.size.width), length(planes.size.height));
        let view = YuvPlanes::tight(width, height, &planes.y, &planes.cb, &planes.cr)
            .ok_or_else(|| MediaError::unsupported(format!("H.264 of {}", planes.size)))?;
        let mut data = guard::caught(NAME, || {
            self.encoder
                .encode_planes(&view)
                .map_err(|error| MediaError::unsupported(error.to_string()))
        })?;
        let key = sign(&mut data, self.level);
        // A start code of three octets makes room for a length of four.
        if !data.is_empty() && self.spend.enter(data.len().saturating_add(1), key) {
            self.ready.push_back(Packet {
                data: Bytes::from(data),
                timestamp_us: frame.timestamp_us,
                key,
                shown: true,
            });
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.cancel.check()
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        Ok(self.ready.pop_front())
    }
}

/// Writes the level and the constraints into the parameter sets of an access unit; says whether it
/// is one of an IDR picture.
///
/// The encoder raises a level where its tables ask for it and has none between 1 and 1.1. None of
/// the three octets can take part in a start code, since the first of them is not 0.
fn sign(data: &mut [u8], level: Level) -> bool {
    let mut key = false;
    let mut at = 0_usize;
    while let Some(window) = data.get_mut(at..) {
        match window {
            [0, 0, 1, header, profile, constraints, idc, ..] if *header & 0x1F == 7 => {
                // Constrained Baseline: sets 0 and 1; level 1b of it is 11 with set 3.
                *profile = 66;
                (*constraints, *idc) = match u8::try_from(level.number) {
                    Ok(9) => (0xD0, 11),
                    Ok(number) => (0xC0, number),
                    Err(_) => (0xC0, *idc),
                };
            }
            [0, 0, 1, header, ..] => key |= *header & 0x1F == 5,
            [] => break,
            _ => {}
        }
        at = at.saturating_add(1);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_1b_is_signed_by_a_constraint() {
        let level = |number| Level::highest(Codec::H264, number).unwrap();
        let mut unit = vec![0, 0, 0, 1, 0x67, 66, 0x40, 30, 0xF4, 0, 0, 1, 0x65, 0x88];
        assert!(sign(&mut unit, level(9)));
        assert_eq!(unit[4..8], [0x67, 66, 0xD0, 11]);
        assert!(sign(&mut unit, level(12)));
        assert_eq!(unit[4..8], [0x67, 66, 0xC0, 12]);
        assert!(!sign(&mut [0, 0, 1, 0x41, 7], level(12)));
    }
}
