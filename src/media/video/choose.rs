//! Size, frame rate and level for the bits there are.

use super::encode::Level;
use super::h263::Size;
use super::shape::{inside, shown_size};
use super::{VideoSettings, VideoTarget};
use crate::dimensions::Dimensions;
use crate::media::container::TrackInfo;
use crate::media::info::Codec;

/// The frame rate below which motion is a slide show, as long as there is a smaller size to go to.
const SLOWEST: u32 = 7_400;
/// The frame rate below which nothing is made.
const SLIDES: u32 = 4_900;
/// A longer side below which pictures are not made smaller.
const SMALLEST: u32 = 128;

/// The settings for a track; see [`choose`](super::choose).
pub(super) fn choose(
    source: &TrackInfo,
    millihertz: Option<u32>,
    target: &VideoTarget,
    duration_us: u64,
    max_bytes: Option<u64>,
) -> Option<VideoSettings> {
    let level = Level::highest(target.codec, target.max_level)?;
    let coded = source
        .size
        .filter(|size| size.width > 0 && size.height > 0)?;
    let shown = shown_size(coded, source.orientation, source.pixel_aspect);
    let budget = max_bytes.map(|max| rate(max, duration_us));
    let most = level
        .bits
        .min(target.max_bit_rate.unwrap_or(u64::MAX))
        .min(budget.unwrap_or(u64::MAX));
    let source_rate = millihertz.unwrap_or(30_000).clamp(1_000, 240_000);
    let wanted_rate = source_rate.min(target.max_millihertz.max(1));
    let mut last = None;
    for size in sizes(shown, target, level) {
        let picture = inside(shown, size);
        for rate in rates(wanted_rate, level.max_millihertz(size)) {
            let needs = |of: u64| {
                if rate < SLOWEST {
                    u64::MAX
                } else {
                    need(picture, rate, of)
                }
            };
            let settings = VideoSettings {
                codec: target.codec,
                level: level.number,
                size,
                millihertz: rate,
                bit_rate: most.min(need(picture, rate, finest(target.codec))).max(1),
                max_bytes,
                end_us: None,
            };
            if most >= needs(comfortable(target.codec)) {
                return Some(settings);
            }
            if most >= need(picture, rate, watchable(target.codec)) {
                last = Some(settings);
            }
        }
    }
    last
}

/// Bits per second of so many octets.
fn rate(octets: u64, duration_us: u64) -> u64 {
    let bits = u128::from(octets).saturating_mul(8_000_000) / u128::from(duration_us.max(1));
    u64::try_from(bits).unwrap_or(u64::MAX)
}

/// Bits per second that pictures need of which each pixel takes `of` 100,000ths of a bit at 15
/// frames a second. Half the frames need more than half the bits, since they differ more: the need
/// grows with the rate to the power of 0.6.
fn need(size: Dimensions, millihertz: u32, of: u64) -> u64 {
    // (rate / 15)^0.6 in 1024ths, from 4 to 60 frames a second, linear in between.
    const POWERS: [(u64, u64); 7] = [
        (1_000, 202),
        (5_000, 530),
        (7_500, 676),
        (10_000, 803),
        (15_000, 1_024),
        (30_000, 1_552),
        (60_000, 2_353),
    ];
    let rate = u64::from(millihertz).clamp(1_000, 60_000);
    let power = POWERS
        .iter()
        .zip(POWERS.iter().skip(1))
        .find(|(_, (end, _))| rate <= *end)
        .map_or(1_024, |((start, low), (end, high))| {
            let span = end.saturating_sub(*start).max(1);
            low.saturating_add(
                high.saturating_sub(*low)
                    .saturating_mul(rate.saturating_sub(*start))
                    / span,
            )
        });
    let pixels = u64::from(size.width).saturating_mul(u64::from(size.height));
    pixels
        .saturating_mul(15)
        .saturating_mul(of)
        .saturating_mul(power)
        / (1_024 * 100_000)
}

/// Bits below which a moving picture of the codec is not worth looking at, in 100,000ths of a bit
/// for a pixel at 15 frames a second. Measured on cyclists in a street at 176x100: with less, H.263
/// and MPEG-4 Visual leave out a quarter of the frames, and H.264 falls below 23 dB.
const fn watchable(codec: Codec) -> u64 {
    match codec {
        Codec::H264 | Codec::Av1 => 3_500,
        _ => 6_000,
    }
}

/// Bits at which more pixels or frames are worth more than more bits for each.
const fn comfortable(codec: Codec) -> u64 {
    match codec {
        Codec::H264 | Codec::Av1 => 7_500,
        _ => 11_000,
    }
}

/// Bits beyond which nobody sees a difference on a phone.
const fn finest(codec: Codec) -> u64 {
    match codec {
        Codec::H264 => 40_000,
        Codec::Av1 => 30_000,
        _ => 80_000,
    }
}

/// The sizes that could be coded, the largest first.
fn sizes(shown: Dimensions, target: &VideoTarget, level: Level) -> Vec<Dimensions> {
    let allowed = |size: &Dimensions| target.max_box.holds(*size) && level.holds(*size, SLIDES);
    if target.codec == Codec::H263 {
        // A size whose better part would be black is left out where a smaller one has room.
        let enough = Size::ALL
            .into_iter()
            .map(Size::dimensions)
            .filter(allowed)
            .find(|size| shown.width <= size.width && shown.height <= size.height);
        return Size::ALL
            .into_iter()
            .rev()
            .map(Size::dimensions)
            .filter(allowed)
            .filter(|size| enough.is_none_or(|enough| size.width <= enough.width))
            .collect();
    }
    let largest = inside(shown, target.max_box.oriented_like(shown));
    let mut sizes: Vec<Dimensions> = Vec::new();
    for eighths in (1..=8_u32).rev().filter(|eighths| *eighths != 7) {
        let part = |side: u32| side.saturating_mul(eighths) / 8;
        let outer = Dimensions::new(part(largest.width).max(2), part(largest.height).max(2));
        let size = inside(largest, outer);
        if eighths < 8 && size.width.max(size.height) < SMALLEST {
            break;
        }
        if allowed(&size) && sizes.last() != Some(&size) {
            sizes.push(size);
        }
    }
    sizes
}

/// The wanted frame rate and its parts, as far as the level has them, the highest first.
fn rates(wanted: u32, most: u64) -> Vec<u32> {
    let mut rates = Vec::new();
    for part in [1, 2, 3, 4, 6, 8] {
        let rate = wanted / part;
        // A thousandth is forgiven, as clocks of 30000/1001 Hz are called 30.
        if u64::from(rate) <= most && (rate >= SLIDES || part == 1) {
            rates.push(rate);
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::container::TrackCodec;

    fn source(width: u32, height: u32) -> TrackInfo {
        TrackInfo::video(1, TrackCodec::Vp8, 1_000, Dimensions::new(width, height))
    }

    fn target(codec: Codec, level: u16, width: u32, height: u32) -> VideoTarget {
        VideoTarget {
            codec,
            max_level: level,
            max_box: Dimensions::new(width, height),
            max_millihertz: 30_000,
            max_bit_rate: None,
        }
    }

    fn made(settings: Option<VideoSettings>) -> Option<(u32, u32, u32)> {
        settings.map(|made| (made.size.width, made.size.height, made.millihertz))
    }

    #[test]
    fn a_classic_phone_gets_qcif_at_half_the_rate() {
        let target = target(Codec::H263, 10, 176, 144);
        let settings = choose(&source(1920, 1080), Some(30_000), &target, 5_000_000, None);
        assert_eq!(made(settings.clone()), Some((176, 144, 15_000)));
        assert!(settings.is_some_and(|made| made.bit_rate <= 64_000 && made.level == 10));
    }

    #[test]
    fn the_rate_is_halved_before_the_size() {
        let target = target(Codec::H264, 30, 352, 288);
        let mut found = Vec::new();
        for octets in [2_000_000, 150_000, 90_000, 30_000, 2_000] {
            let settings = choose(
                &source(640, 480),
                Some(30_000),
                &target,
                10_000_000,
                Some(octets),
            );
            found.push(made(settings));
        }
        assert_eq!(found[0], Some((352, 264, 30_000)));
        assert_eq!(found[2], Some((352, 264, 7_500)));
        let sizes: Vec<u32> = found.iter().flatten().map(|made| made.0).collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{found:?}");
        assert_eq!(found[4], None);
    }

    #[test]
    fn what_is_small_stays_small_and_upright() {
        let mut portrait = source(640, 480);
        portrait.orientation = 6;
        let target = target(Codec::H264, 30, 320, 240);
        let settings = choose(&portrait, Some(15_000), &target, 1_000_000, None);
        assert_eq!(made(settings), Some((240, 320, 15_000)));
        let small = choose(&source(100, 80), Some(10_000), &target, 1_000_000, None);
        assert_eq!(made(small), Some((100, 80, 10_000)));
        let h263 = VideoTarget {
            codec: Codec::H263,
            ..target
        };
        let small = choose(&source(160, 120), Some(10_000), &h263, 1_000_000, None);
        assert_eq!(made(small), Some((176, 144, 10_000)));
    }

    #[test]
    fn a_codec_nobody_writes_is_no_choice() {
        let target = target(Codec::Vp8, 10, 176, 144);
        assert_eq!(
            choose(&source(176, 144), None, &target, 1_000_000, None),
            None
        );
    }
}
