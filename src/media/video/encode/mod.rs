//! Encoders of moving pictures.

mod av1;
mod h263;
mod h264;
mod level;
mod mpeg4;
mod scene;
mod spend;
pub(super) mod wrap;

use std::sync::Arc;

use crate::media::codec::{RateTarget, VideoEncoder, VideoFormat};
use crate::media::error::MediaError;

pub(super) use level::Level;
#[cfg(feature = "plugins")]
pub(crate) use spend::Spend;
pub(super) use spend::octets;

/// The encoders that are compiled in.
pub(crate) fn encoders() -> Vec<Arc<dyn VideoEncoder>> {
    vec![
        Arc::new(av1::Av1),
        Arc::new(h263::H263),
        Arc::new(h264::H264),
        Arc::new(mpeg4::Mpeg4),
    ]
}

/// Bits per second to aim at, by the rate and by the octets.
fn bit_rate(target: &RateTarget) -> Option<u64> {
    let by_bytes = match (target.max_bytes, target.duration_us) {
        (Some(max), Some(duration_us)) if duration_us > 0 => {
            let bits = u128::from(max).saturating_mul(8_000_000) / u128::from(duration_us);
            Some(u64::try_from(bits).unwrap_or(u64::MAX))
        }
        _ => None,
    };
    match (target.bit_rate, by_bytes) {
        (Some(a), Some(b)) => Some(a.min(b).max(1)),
        (a, b) => a.or(b).map(|rate| rate.max(1)),
    }
}

/// The level that is asked for, or the lowest that suffices.
fn level(track: &VideoFormat, millihertz: u32, rate: u64) -> Result<Level, MediaError> {
    let refused = || {
        MediaError::unsupported(format!(
            "{:?} of {} within the level",
            track.codec, track.size
        ))
    };
    if !(track.size.width | track.size.height).is_multiple_of(2) {
        return Err(MediaError::unsupported(format!(
            "{:?} of {}, which is odd",
            track.codec, track.size
        )));
    }
    let asked = track.config.first().copied();
    let level = match asked {
        Some(most) => Level::highest(track.codec, u16::from(most)),
        None => Level::lowest(track.codec, track.size, millihertz, rate),
    };
    level
        .filter(|level| level.holds(track.size, millihertz))
        .ok_or_else(refused)
}

#[cfg(feature = "plugins")]
/// What an encoder that is not ours is told of a track, once a level has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// The number of the level.
    pub(crate) level: u16,
    /// Frames per 1000 seconds.
    pub(crate) millihertz: u32,
    /// Bits per second to aim at.
    pub(crate) bit_rate: u64,
}

#[cfg(feature = "plugins")]
/// Holds what is asked of an encoder against the levels of the codec.
///
/// # Errors
///
/// [`MediaError::Unsupported`] where no level that is allowed has it, or a side is odd.
pub(crate) fn admitted(track: &VideoFormat, target: &RateTarget) -> Result<Admitted, MediaError> {
    let millihertz = track.millihertz.unwrap_or(15_000);
    let bit_rate = bit_rate(target).unwrap_or(400_000);
    Ok(Admitted {
        level: level(track, millihertz, bit_rate)?.number,
        millihertz,
        bit_rate,
    })
}

/// Frames from key frame to key frame: ten seconds.
fn key_interval(millihertz: u32) -> u32 {
    (millihertz / 100).max(1)
}

/// Frames per second.
fn hertz(millihertz: u32) -> f32 {
    let whole = u16::try_from(millihertz / 1_000).unwrap_or(u16::MAX);
    let part = u16::try_from(millihertz % 1_000).unwrap_or(0);
    f32::from(whole) + f32::from(part) / 1_000.0
}
