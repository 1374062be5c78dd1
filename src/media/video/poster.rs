//! A still picture of a moving one.

use super::colour::to_rgb;
use super::plan::Plan;
use super::read::{Reader, Stretch};
use super::shape::{Shaper, inside, shown_size};
use crate::limits::Limits;
use crate::media::cancel::Cancel;
use crate::media::container::Track;
use crate::media::error::MediaError;
use crate::media::info::Format;
use crate::media::others::with_others;
use crate::media::picture::{Picture, Planes};
use crate::media::registry::Registry;

/// Microseconds within which the picture is looked for.
const WITHIN_US: u64 = 4_000_000;

/// A picture of the track; see [`poster`](super::poster).
pub(super) fn poster(
    track: &Track,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Picture, MediaError> {
    let found = with_others(registry, |registry| look(track, registry, limits, cancel));
    found.map(|(picture, _)| picture)
}

fn look(
    track: &Track,
    registry: &Registry,
    limits: &Limits,
    cancel: &Cancel,
) -> Result<Picture, MediaError> {
    let codec = track.info.codec.codec();
    let decoder = registry.video_decoder(codec).ok_or_else(|| {
        MediaError::unsupported(format!("moving pictures in {}", track.info.codec.name()))
    })?;
    let plan = Plan::within(track, 4_000, Some(WITHIN_US));
    let all = Stretch {
        start: 0,
        count: track.len(),
    };
    let mut reader = Reader::open(&*decoder, track, all, &plan, None, (limits, cancel))?;
    let mut best: Option<(u32, Planes)> = None;
    while let Some(frame) = reader.next()? {
        let spread = spread(&frame.planes);
        let better = best.as_ref().is_none_or(|(most, _)| spread > *most);
        if better {
            best = Some((spread, frame.planes));
        }
        if spread >= WORTH {
            break;
        }
    }
    let (_, planes) = best.ok_or_else(|| {
        MediaError::malformed(Format::Mp4, "not one picture of the track could be decoded")
    })?;
    let info = &track.info;
    let shown = shown_size(planes.size, info.orientation, info.pixel_aspect);
    let size = inside(shown, shown);
    to_rgb(&Shaper::new(info.orientation, info.pixel_aspect, size).shape(&planes)?)
}

/// The mean distance from the mean that a picture has which shows something: black, blank and
/// faded ones have less.
const WORTH: u32 = 12;

/// The mean distance of luma from its mean.
fn spread(planes: &Planes) -> u32 {
    // Every 61st sample, a prime, so that no column is favoured.
    let samples = || planes.y.iter().step_by(61).map(|sample| u64::from(*sample));
    let count = u64::try_from(planes.y.len().div_ceil(61))
        .unwrap_or(1)
        .max(1);
    let mean = samples().fold(0, u64::saturating_add) / count;
    let distance = samples()
        .map(|sample| sample.abs_diff(mean))
        .fold(0, u64::saturating_add);
    u32::try_from(distance / count).unwrap_or(u32::MAX)
}
