//! AV1, for devices that list it.

use std::collections::VecDeque;

use bytes::Bytes;
use rav1e::prelude::{
    Config, Context, EncoderConfig, EncoderStatus, FrameType, Rational, SpeedSettings,
};

use super::spend::Spend;
use crate::media::cancel::Cancel;
use crate::media::codec::{RateTarget, Stage, VideoEncoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Packet, VideoFrame};

/// The encoder `rav1e`.
pub(super) struct Av1;

const NAME: &str = "rav1e";

impl VideoEncoder for Av1 {
    fn name(&self) -> &str {
        NAME
    }

    fn codec(&self) -> Codec {
        Codec::Av1
    }

    fn open(
        &self,
        track: &VideoFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<VideoFrame, Packet>>, MediaError> {
        let millihertz = track.millihertz.unwrap_or(15_000).max(1);
        let rate = super::bit_rate(target).unwrap_or(300_000);
        let level = super::level(track, millihertz, rate)?;
        let length = |side| usize::try_from(side).unwrap_or(0);
        let (width, height) = (length(track.size.width), length(track.size.height));
        let config = EncoderConfig {
            width,
            height,
            time_base: Rational::new(1_000, u64::from(millihertz)),
            speed_settings: SpeedSettings::from_preset(10),
            low_latency: true,
            // The coarsest that is allowed: with anything finer the bit rate is not kept.
            quantizer: 255,
            bitrate: i32::try_from(rate).unwrap_or(i32::MAX),
            level_idx: u8::try_from(level.number).ok(),
            min_key_frame_interval: u64::from(millihertz / 1_000).max(1),
            max_key_frame_interval: u64::from(super::key_interval(millihertz)),
            ..EncoderConfig::default()
        };
        let context: Context<u8> = guard::caught(NAME, || {
            Config::new()
                .with_encoder_config(config)
                .new_context()
                .map_err(|error| MediaError::unsupported(format!("AV1: {error}")))
        })?;
        Ok(Box::new(Stream {
            context,
            size: (width, height),
            times: VecDeque::new(),
            spend: Spend::new(target),
            cancel: cancel.clone(),
            ready: VecDeque::new(),
        }))
    }
}

struct Stream {
    context: Context<u8>,
    size: (usize, usize),
    /// Times of the frames of which no packet has come.
    times: VecDeque<u64>,
    spend: Spend,
    cancel: Cancel,
    ready: VecDeque<Packet>,
}

impl Stream {
    fn collect(&mut self) -> Result<(), MediaError> {
        loop {
            self.cancel.check()?;
            match guard::caught(NAME, || Ok(self.context.receive_packet()))? {
                Ok(packet) => {
                    let key = packet.frame_type == FrameType::KEY;
                    let data = without_delimiter(&packet.data);
                    // Frames of low latency come in their order.
                    let Some(timestamp_us) = self.times.pop_front() else {
                        continue;
                    };
                    if self.spend.enter(data.len(), key) {
                        self.ready.push_back(Packet {
                            data: Bytes::copy_from_slice(data),
                            timestamp_us,
                            key,
                            shown: true,
                        });
                    }
                }
                Err(EncoderStatus::Encoded) => {}
                Err(EncoderStatus::NeedMoreData | EncoderStatus::LimitReached) => return Ok(()),
                Err(other) => return Err(MediaError::unsupported(format!("AV1: {other}"))),
            }
        }
    }
}

/// A temporal unit without its delimiter, as ISO base media wants it (AV1-ISOBMFF section 2.4).
fn without_delimiter(unit: &[u8]) -> &[u8] {
    unit.strip_prefix(&[0x12, 0x00]).unwrap_or(unit)
}

impl Stage<VideoFrame, Packet> for Stream {
    fn push(&mut self, frame: VideoFrame) -> Result<(), MediaError> {
        self.cancel.check()?;
        if !self.spend.admits() {
            return Ok(());
        }
        let (width, height) = self.size;
        let half = width.div_ceil(2);
        let planes = &frame.planes;
        let chroma = half.saturating_mul(height.div_ceil(2));
        if planes.y.len() != width.saturating_mul(height)
            || planes.cb.len() != chroma
            || planes.cr.len() != chroma
        {
            return Err(MediaError::unsupported(format!(
                "a {} frame in AV1 of {width}x{height}",
                planes.size
            )));
        }
        guard::caught(NAME, || {
            let mut picture = self.context.new_frame();
            let sources = [(&planes.y, width), (&planes.cb, half), (&planes.cr, half)];
            for (plane, (samples, stride)) in picture.planes.iter_mut().zip(sources) {
                plane.copy_from_raw_u8(samples, stride, 1);
            }
            self.context
                .send_frame(picture)
                .map_err(|error| MediaError::unsupported(format!("AV1: {error}")))
        })?;
        self.times.push_back(frame.timestamp_us);
        self.collect()
    }

    fn finish(&mut self) -> Result<(), MediaError> {
        self.context.flush();
        self.collect()
    }

    fn pull(&mut self) -> Result<Option<Packet>, MediaError> {
        Ok(self.ready.pop_front())
    }
}
