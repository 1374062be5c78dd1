//! What a clip or a sound would come to, told from its header alone.

use super::ClipTarget;
use super::share::{SHORTEST_CUT_US, divide, least};
use super::side::Sides;
use crate::media::info::MediaInfo;

/// One size a clip could come out at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Octets of the file.
    pub bytes: u64,
    /// How good it is, 0 to 1. It only ranks choices.
    pub quality: f32,
    /// Whether the end is cut off.
    pub cut: bool,
}

/// The whole at its least; what is cut is worth less, by the part that is left.
const WHOLE: f32 = 0.45;

/// The whole at its best.
const BEST: f32 = 0.95;

/// From one point to the next.
const STEP: f64 = 1.4;

/// Points from the smallest that is still of use to the best that `target` allows, from the header
/// alone, each larger and better than the one before. [`ClipTarget::max_bytes`] is not looked at.
///
/// The smallest of the whole is the least that [`convert`](super::convert)'s sharing accepts; in
/// between quality grows with the logarithm of the octets, as it does for pictures. Where the end
/// may be cut, quarters of the clip stand below.
#[must_use]
pub fn estimate(info: &MediaInfo, target: &ClipTarget) -> Vec<Point> {
    let sides = Sides::of_info(info, target);
    let duration = sides.duration_us();
    if duration == 0 {
        return Vec::new();
    }
    let longest = target.max_us.map_or(duration, |most| most.min(duration));
    let mut points = Vec::new();
    if target.may_cut {
        let quarters = [1, 2, 3].map(|quarter| longest / 4 * quarter);
        let mut ends: Vec<u64> = [SHORTEST_CUT_US].into_iter().chain(quarters).collect();
        if longest < duration {
            ends.push(longest);
        }
        ends.sort_unstable();
        for end in ends {
            if !(SHORTEST_CUT_US..duration).contains(&end) {
                continue;
            }
            if let Some(bytes) = least(&sides, target, Some(end)) {
                points.push(Point {
                    bytes,
                    quality: 0.1 + 0.3 * share_of(end, duration),
                    cut: true,
                });
            }
        }
    }
    if longest == duration
        && let Some(floor) = least(&sides, target, None)
    {
        let best = divide(&sides, target, None, None).map_or(floor, |division| division.bytes);
        points.extend(ladder(floor, best.max(floor)));
    }
    points.sort_by(|a, b| a.bytes.cmp(&b.bytes).then(b.quality.total_cmp(&a.quality)));
    let mut best = -1.0_f32;
    points.retain(|point| {
        let better = point.quality > best;
        best = best.max(point.quality);
        better
    });
    points
}

/// Points of the whole, from `floor` to `best` octets.
fn ladder(floor: u64, best: u64) -> Vec<Point> {
    let steps = (ratio(best, floor).ln() / STEP.ln()).ceil();
    let mut points = Vec::new();
    let mut bytes = floor;
    while bytes < best && points.len() < 32 {
        points.push(whole(bytes, ratio(bytes, floor).ln() / STEP.ln() / steps));
        bytes = grown(bytes);
    }
    points.push(whole(best, 1.0));
    points
}

fn whole(bytes: u64, height: f64) -> Point {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a number from 0 to 1, which only ranks"
    )]
    let height = height as f32;
    Point {
        bytes,
        quality: WHOLE + (BEST - WHOLE) * height,
        cut: false,
    }
}

fn grown(bytes: u64) -> u64 {
    // STEP in whole numbers.
    bytes
        .saturating_add(bytes.saturating_mul(2) / 5)
        .max(bytes.saturating_add(1))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "sizes of media are far below 2^53"
)]
fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to.max(1) as f64
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a number from 0 to 1, which only ranks"
)]
fn share_of(part: u64, whole: u64) -> f32 {
    ratio(part, whole) as f32
}
