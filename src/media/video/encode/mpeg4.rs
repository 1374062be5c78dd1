//! MPEG-4 Visual, Simple profile.

use std::collections::VecDeque;

use bytes::Bytes;
use oxideav_mpeg4video::ivop_encode::{
    EncoderConfig, FrameView, encode_i_vop_full, write_configuration_headers,
};
use oxideav_mpeg4video::mb_quant::MbBudget;
use oxideav_mpeg4video::pvop_encode::{encode_p_vop, push_i_vop_anchor, reconstruct_own_p_vop};
use oxideav_mpeg4video::{FrameStore, VolHeader, parse_video_object_layer};

use super::level::Level;
use super::scene::Scene;
use super::spend::{Spend, octets};
use crate::media::cancel::Cancel;
use crate::media::codec::{RateTarget, Stage, VideoEncoder, VideoFormat};
use crate::media::error::MediaError;
use crate::media::guard;
use crate::media::info::Codec;
use crate::media::picture::{Packet, Planes, VideoFrame};

/// The encoder of `oxideav-mpeg4video`, with a rate control of ours.
pub(super) struct Mpeg4;

const NAME: &str = "oxideav-mpeg4video";

/// `vop_time_increment_resolution`: ticks per second.
const RESOLUTION: u16 = 30_000;

/// The start code of a video object layer.
const LAYER: [u8; 4] = [0, 0, 1, 0x20];

impl VideoEncoder for Mpeg4 {
    fn name(&self) -> &str {
        NAME
    }

    fn codec(&self) -> Codec {
        Codec::Mpeg4Visual
    }

    fn open(
        &self,
        track: &VideoFormat,
        target: &RateTarget,
        cancel: &Cancel,
    ) -> Result<Box<dyn Stage<VideoFrame, Packet>>, MediaError> {
        let millihertz = track.millihertz.unwrap_or(15_000);
        let rate = super::bit_rate(target).unwrap_or(128_000);
        let level = super::level(track, millihertz, rate)?;
        let side = |side: u32| {
            u16::try_from(side)
                .map_err(|_| MediaError::unsupported(format!("MPEG-4 Visual of {}", track.size)))
        };
        let config = EncoderConfig {
            width: side(track.size.width)?,
            height: side(track.size.height)?,
            time_increment_resolution: RESOLUTION,
            // Level 0 does not allow AC prediction together with changes of the quantiser inside
            // a picture (ISO/IEC 14496-2 table N.1, notes), and the rate control makes those.
            ac_prediction: !matches!(level.number, 8 | 9),
            ..EncoderConfig::default()
        };
        let (headers, layer) = guard::caught(NAME, || headers(&config, level))?;
        let duration_us = target.duration_us.unwrap_or(0);
        Ok(Box::new(Stream {
            config,
            layer,
            headers,
            store: FrameStore::new(),
            scene: Scene::new(super::key_interval(millihertz)),
            rate: Rate::new(rate, millihertz, duration_us),
            spend: Spend::new(target),
            second: 0,
            cancel: cancel.clone(),
            ready: VecDeque::new(),
        }))
    }
}

/// The headers of the sequence, the object and the layer, with the level in them.
fn headers(config: &EncoderConfig, level: Level) -> Result<(Vec<u8>, VolHeader), MediaError> {
    let mut headers = write_configuration_headers(config);
    let number = u8::try_from(level.number).unwrap_or(3);
    // profile_and_level_indication follows the first start code; the encoder always says level 3.
    if let Some(octet) = headers.get_mut(4) {
        *octet = number;
    }
    let at = headers.windows(LAYER.len()).position(|four| four == LAYER);
    let layer = headers
        .get(at.unwrap_or(headers.len())..)
        .unwrap_or_default();
    let layer = parse_video_object_layer(layer, number)
        .map_err(|error| MediaError::unsupported(format!("MPEG-4 Visual: {error}")))?;
    Ok((headers, layer))
}

struct Stream {
    config: EncoderConfig,
    layer: VolHeader,
    headers: Vec<u8>,
    store: FrameStore,
    scene: Scene,
    rate: Rate,
    spend: Spend,
    /// Whole seconds at the last picture, from which `modulo_time_base` counts.
    second: u64,
    cancel: Cancel,
    ready: VecDeque<Packet>,
}

impl Stream {
    /// The next picture, with the headers in front of a key frame.
    fn code(&mut self, planes: &Planes, time_us: u64, key: bool) -> Result<Vec<u8>, MediaError> {
        let width = usize::from(self.config.width);
        let height = usize::from(self.config.height);
        let chroma = width.div_ceil(2).saturating_mul(height.div_ceil(2));
        if planes.y.len() != width.saturating_mul(height)
            || planes.cb.len() != chroma
            || planes.cr.len() != chroma
        {
            return Err(MediaError::unsupported(format!(
                "a {} frame in MPEG-4 Visual of {width}x{height}",
                planes.size
            )));
        }
        let view = FrameView {
            y: &planes.y,
            cb: &planes.cb,
            cr: &planes.cr,
            width,
            height,
        };
        let ticks = time_us.saturating_mul(u64::from(RESOLUTION)) / 1_000_000;
        let second = ticks / u64::from(RESOLUTION);
        let modulo = u32::try_from(second.saturating_sub(self.second)).unwrap_or(0);
        let increment = u16::try_from(ticks % u64::from(RESOLUTION)).unwrap_or(0);
        let (quantiser, bits) = self.rate.plan(key, time_us, self.spend.spent());
        let mut config = self.config;
        config.mb_budget = Some(MbBudget {
            target_bits: bits,
            band: BAND,
        });
        let reference = if key { None } else { self.store.backward() };
        let (data, mean) = match reference {
            None => {
                let (unit, shown, stats) =
                    encode_i_vop_full(&self.layer, &config, &view, modulo, increment, quantiser, 0);
                push_i_vop_anchor(&mut self.store, shown);
                let mut data = self.headers.clone();
                data.extend_from_slice(&unit);
                (data, stats.mean_qp())
            }
            Some(reference) => {
                let (unit, stats) = encode_p_vop(
                    &self.layer,
                    &config,
                    &view,
                    reference,
                    modulo,
                    increment,
                    quantiser,
                );
                reconstruct_own_p_vop(&self.layer, &unit, &mut self.store);
                (unit, stats.mean_qp_or(quantiser))
            }
        };
        self.second = second;
        self.rate.enter(key, data.len(), mean);
        Ok(data)
    }
}

impl Stage<VideoFrame, Packet> for Stream {
    fn push(&mut self, frame: VideoFrame) -> Result<(), MediaError> {
        self.cancel.check()?;
        if !self.spend.admits() {
            return Ok(());
        }
        let key = self.scene.is_new(&frame.planes);
        let data = guard::caught(NAME, || self.code(&frame.planes, frame.timestamp_us, key))?;
        if self.spend.enter(data.len(), key) {
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

/// How far the quantiser of a macroblock may stray from that of its picture.
const BAND: u8 = 3;

/// Which quantiser and how many bits a picture gets: those that are left, evenly over the time
/// that is left, a key frame several times as many.
#[derive(Debug, Clone)]
struct Rate {
    /// Octets for the whole track, and its length; without a length they are for a second.
    total: u64,
    duration_us: u64,
    interval_us: u64,
    /// The mean quantiser and the bits of the last picture of each kind, 256ths.
    last: [Option<(u32, u64)>; 2],
}

/// How many times the bits of another picture a key frame gets.
const KEY_WEIGHT: u64 = 5;

impl Rate {
    fn new(bits_per_second: u64, millihertz: u32, duration_us: u64) -> Self {
        let (total, duration_us) = if duration_us == 0 {
            (0, 0)
        } else {
            (octets(bits_per_second, duration_us), duration_us)
        };
        let interval_us = crate::media::video::pace::interval_us(millihertz);
        Self {
            total: if duration_us == 0 {
                octets(bits_per_second, interval_us)
            } else {
                total
            },
            duration_us,
            interval_us,
            last: [None, None],
        }
    }

    fn plan(&self, key: bool, time_us: u64, spent: u64) -> (u32, u32) {
        let weight = if key { KEY_WEIGHT } else { 1 };
        let each = if self.duration_us == 0 {
            self.total
        } else {
            let left = self.duration_us.saturating_sub(time_us) / self.interval_us.max(1);
            let shares = left.saturating_add(weight).max(1);
            self.total.saturating_sub(spent) / shares
        };
        let aim = each.saturating_mul(weight).saturating_mul(8).max(256);
        // Bits go about with the inverse of the quantiser.
        let step = match self.last.get(usize::from(key)).copied().flatten() {
            Some((quantiser, bits)) => u64::from(quantiser).saturating_mul(bits) / aim,
            None => 10 * 256,
        };
        let quantiser = u32::try_from((step.saturating_add(128)) / 256).unwrap_or(31);
        let quantiser = match self.last.get(usize::from(key)).copied().flatten() {
            Some((last, _)) => {
                let last = (last.saturating_add(128)) / 256;
                quantiser.clamp(last.saturating_sub(3), last.saturating_add(3))
            }
            None => quantiser,
        };
        (
            quantiser.clamp(2, 31),
            u32::try_from(aim).unwrap_or(u32::MAX),
        )
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a quantiser from 1 to 31, in 256ths"
    )]
    fn enter(&mut self, key: bool, length: usize, quantiser: f64) {
        let bits = u64::try_from(length).unwrap_or(u64::MAX).saturating_mul(8);
        let quantiser = (quantiser.clamp(1.0, 31.0) * 256.0) as u32;
        if let Some(last) = self.last.get_mut(usize::from(key)) {
            *last = Some((quantiser, bits.max(1)));
        }
    }
}
