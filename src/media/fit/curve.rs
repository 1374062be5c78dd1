//! How octets and looks follow size and quality.

use super::FLOOR_SIDE;
use crate::dimensions::Dimensions;

/// Octets of a JPEG that do not depend on its pixels: headers and tables.
pub(crate) const HEAD_BYTES: f64 = 350.0;

/// How octets follow the length of a side: halving both sides leaves more than a quarter, since
/// small pictures hold more detail per pixel.
pub(crate) const SIDE_POWER: f64 = 1.64;

/// The logarithm of a JPEG's octets at a quality, over that at quality 75. Measured over
/// photographs and screenshots; a single picture is steeper or flatter by a factor that two tries
/// show.
pub(crate) fn rate(quality: u8) -> f64 {
    const CURVE: [(f64, f64); 14] = [
        (1.0, -2.25),
        (5.0, -1.95),
        (10.0, -1.45),
        (20.0, -0.97),
        (30.0, -0.72),
        (40.0, -0.55),
        (50.0, -0.41),
        (60.0, -0.27),
        (70.0, -0.10),
        (75.0, 0.0),
        (80.0, 0.13),
        (85.0, 0.31),
        (90.0, 0.58),
        (100.0, 1.75),
    ];
    let quality = f64::from(quality);
    CURVE
        .windows(2)
        .find_map(|pair| match *pair {
            [(from, low), (to, high)] if quality <= to => {
                Some(low + (high - low) * (quality - from).max(0.0) / (to - from))
            }
            _ => None,
        })
        .unwrap_or(1.75)
}

/// How good a picture looks, 0 to 1, whose sides were scaled by `side` and that is encoded at
/// `quality`. It only ranks choices: of two that take the same octets, the one around quality 70
/// wins, as comparisons by eye-like metrics found.
pub(crate) fn utility(side: f64, quality: u8) -> f64 {
    let sharp = (1.0 - (-f64::from(quality) / 30.0).exp()) / (1.0 - (-100.0_f64 / 30.0).exp());
    side.clamp(0.0, 1.0).powf(0.4) * sharp
}

/// The length of the longer side over that of `whole`.
pub(crate) fn side_ratio(size: Dimensions, whole: Dimensions) -> f64 {
    f64::from(size.width.max(size.height)) / f64::from(whole.width.max(whole.height).max(1))
}

/// `whole` with its sides multiplied by `ratio`, between `floor` and `whole`.
pub(crate) fn scaled(whole: Dimensions, ratio: f64, floor: Dimensions) -> Dimensions {
    let side = |length: u32, least: u32| {
        rounded(f64::from(length) * ratio).clamp(least.min(length), length)
    };
    Dimensions::new(
        side(whole.width, floor.width),
        side(whole.height, floor.height),
    )
}

/// The smallest size a picture is shrunk to.
pub(crate) fn floor(whole: Dimensions) -> Dimensions {
    let longest = whole.width.max(whole.height).max(1);
    let ratio = (f64::from(FLOOR_SIDE) / f64::from(longest)).min(1.0);
    let one = Dimensions::new(1, 1);
    scaled(whole, ratio, one)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is a length in pixels; out of range saturates"
)]
pub(super) fn rounded(value: f64) -> u32 {
    value.round() as u32
}

#[allow(
    clippy::cast_precision_loss,
    reason = "octets of one picture are far below 2^52"
)]
pub(super) fn real(value: u64) -> f64 {
    value as f64
}

/// A predicted number of octets as a whole one.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "predictions are positive and far below 2^64; out of range saturates"
)]
pub(crate) fn rounded_octets(value: f64) -> u64 {
    value.round() as u64
}
