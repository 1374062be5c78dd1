//! What a picture would come to, told from its header alone.

use super::target::ImageTarget;
use super::transform::fit_box;
use super::wbmp;
use super::{CEILING_QUALITY, DEFAULT_QUALITY};
use crate::dimensions::Dimensions;
use crate::media::fit::{HEAD_BYTES, SIDE_POWER, floor, rate, rounded_octets, scaled, utility};
use crate::media::info::{Format, MediaInfo};

/// One way a picture could come out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Predicted octets.
    pub bytes: u64,
    /// How good it looks, 0 to 1. It only ranks choices.
    pub quality: f32,
    /// Pixels.
    pub size: Dimensions,
    /// The quality to encode at, 1..=100; 100 for formats that have none.
    pub q: u8,
}

/// Points from the smallest that is still of use to the best that `target` allows, each larger
/// and better than the one before. Empty where the size is not known.
///
/// [`max_bytes`](ImageTarget::max_bytes) is not looked at: the points are what a budget is shared
/// out by. For a JPEG of *p* pixels at quality *q*
///
/// > octets = 350 + *k* · *p*^0.82 · exp(*r*(*q*))
///
/// where *r* is the common curve of [`fit`](crate::media::fit), 0 at quality 75, and *k* is 1.15
/// for a photograph and 0.75 for what comes with a palette. Over 13 photographs at 640x480 the
/// mean error is a third of the octets, and over 16 drawings, screenshots and animations a half:
/// a header does not show how much detail there is. Palettes and PNG are octets per pixel by kind
/// of picture, and no more exact; WBMP is exact.
#[must_use]
pub fn estimate(info: &MediaInfo, target: &ImageTarget) -> Vec<Point> {
    let Some(shown) = info.shown_size() else {
        return Vec::new();
    };
    let size = target.max_box.map_or(shown, |limit| fit_box(shown, limit));
    let mut points: Vec<Point> = match target.format {
        Format::Gif | Format::Png | Format::Webp => lossless_points(info, target, size),
        Format::Wbmp => sizes(size)
            .map(|(side, size)| point(wbmp::file_size(size), side, size, 100))
            .collect(),
        _ => jpeg_points(info, target, size),
    };
    points.sort_by(|a, b| a.bytes.cmp(&b.bytes).then(a.quality.total_cmp(&b.quality)));
    // A point that costs more and looks no better is of no use.
    let mut best = -1.0_f32;
    points.retain(|point| {
        let better = point.quality > best;
        best = best.max(point.quality);
        better
    });
    points.dedup_by_key(|point| point.bytes);
    points
}

/// Octets that a JPEG of colour is expected to take.
pub(super) fn expected_octets(size: Dimensions, q: u8) -> u64 {
    rounded_octets(jpeg_octets(size, q, PHOTOGRAPH, false))
}

fn jpeg_octets(size: Dimensions, q: u8, k: f64, grey: bool) -> f64 {
    let colour = if grey { 0.88 } else { 1.0 };
    HEAD_BYTES + k * colour * pixels(size).powf(SIDE_POWER / 2.0) * rate(q).exp()
}

/// Octets of a photograph's JPEG at quality 75 for each pixel to the power 0.82.
const PHOTOGRAPH: f64 = 1.15;

/// The same of a drawing.
const DRAWING: f64 = 0.75;

fn jpeg_points(info: &MediaInfo, target: &ImageTarget, size: Dimensions) -> Vec<Point> {
    let ceiling = target
        .quality
        .unwrap_or(if target.max_bytes.is_some() {
            CEILING_QUALITY
        } else {
            DEFAULT_QUALITY
        })
        .clamp(1, 100);
    let drawn = info.palette.is_some() || info.format == Format::Gif;
    let k = if drawn { DRAWING } else { PHOTOGRAPH };
    let mut points = Vec::new();
    for (side, size) in sizes(size) {
        for q in [40, 55, 65, 70, 75, 80, 85, 90, ceiling] {
            // Smaller pictures are made at the quality the search aims at.
            if q <= ceiling && (side >= 1.0 || q == 70.min(ceiling) || q == 40.min(ceiling)) {
                let octets = rounded_octets(jpeg_octets(size, q, k, info.grey));
                points.push(point(octets, side, size, q));
            }
        }
    }
    points
}

fn lossless_points(info: &MediaInfo, target: &ImageTarget, size: Dimensions) -> Vec<Point> {
    let frames = if target.format == Format::Gif && target.animation {
        f64::from(info.frames.unwrap_or(1).max(1))
    } else {
        1.0
    };
    // Few colours mean drawings, whose rows compress; the rest is taken for photographs.
    let drawn = info.palette.is_some() && info.format != Format::Gif;
    let per_pixel = match (target.format, drawn) {
        (Format::Png | Format::Webp, true) => 0.18,
        (Format::Png | Format::Webp, false) if info.grey => 0.5,
        (Format::Png | Format::Webp, false) => 1.45,
        (_, true) => 0.22,
        (_, false) => 0.62,
    };
    let moved = if frames > 1.0 { 0.25 } else { 1.0 };
    sizes(size)
        .map(|(side, size)| {
            let octets = 800.0 + pixels(size).powf(0.95) * 1.9 * per_pixel * frames * moved;
            point(rounded_octets(octets), side, size, 100)
        })
        .collect()
}

/// The sizes a ladder has: full size and down to the floor, each with its share of a side.
fn sizes(full: Dimensions) -> impl Iterator<Item = (f64, Dimensions)> {
    const SHARES: [f64; 8] = [1.0, 0.85, 0.7, 0.55, 0.4, 0.28, 0.2, 0.12];
    let least = floor(full);
    SHARES
        .into_iter()
        .map(move |share| (share, scaled(full, share, least)))
}

fn pixels(size: Dimensions) -> f64 {
    f64::from(size.width) * f64::from(size.height)
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "0 to 1 needs no more digits"
)]
fn point(bytes: u64, side: f64, size: Dimensions, q: u8) -> Point {
    Point {
        bytes,
        quality: utility(side, q) as f32,
        size,
        q,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::info::MediaKind;

    fn photo(width: u32, height: u32) -> MediaInfo {
        let mut info = MediaInfo::new(Format::Jpeg, MediaKind::Image);
        info.size = Some(Dimensions::new(width, height));
        info
    }

    #[test]
    fn points_ascend_and_stay_in_the_box() {
        for format in [Format::Jpeg, Format::Png, Format::Gif, Format::Wbmp] {
            let mut target = ImageTarget::new(format);
            target.max_box = Some(Dimensions::new(640, 480));
            let points = estimate(&photo(3000, 4000), &target);
            assert!(points.len() >= 4, "{format:?}: {points:?}");
            for pair in points.windows(2) {
                assert!(pair[0].bytes < pair[1].bytes && pair[0].quality < pair[1].quality);
            }
            let best = points.last().unwrap();
            assert_eq!(best.size, Dimensions::new(480, 640));
        }
    }

    #[test]
    fn quality_is_a_ceiling() {
        let mut target = ImageTarget::new(Format::Jpeg);
        target.quality = Some(60);
        let points = estimate(&photo(640, 480), &target);
        assert_eq!(points.last().unwrap().q, 60);
    }

    #[test]
    fn an_unknown_size_has_no_points() {
        let info = MediaInfo::new(Format::Jpeg, MediaKind::Image);
        assert!(estimate(&info, &ImageTarget::new(Format::Jpeg)).is_empty());
    }
}
