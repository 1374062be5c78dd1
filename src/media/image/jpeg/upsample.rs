//! Planes of halved colour at their full size, and the way from planes to RGB and back.

use super::lanes;
use crate::dimensions::Dimensions;
use crate::media::error::MediaError;
use crate::media::picture::{Chroma, Layout, Matrix, Picture, Planes};

/// A plane of `from` samples at the size `to`, doubled across, down or both by the triangle filter
/// of common decoders: three parts the nearest sample, one part the next.
pub(super) fn doubled(
    plane: &[u8],
    from: (usize, usize),
    to: (usize, usize),
    across: bool,
    down: bool,
) -> Vec<u8> {
    let (width, height) = (from.0.max(1), from.1.max(1));
    let row = |y: usize| {
        let start = y.min(height - 1) * width;
        plane.get(start..start + width).unwrap_or_default()
    };
    let mut line = vec![0_u32; width];
    let mut out = Vec::with_capacity(to.0 * to.1);
    for y in 0..to.1 {
        // In sixteenths, or quarters where one direction is doubled, or whole.
        let (near, far) = if down {
            let near = y / 2;
            let far = if y % 2 == 0 {
                near.saturating_sub(1)
            } else {
                near + 1
            };
            (row(near), row(far))
        } else {
            (row(y), row(y))
        };
        for ((sum, near), far) in line.iter_mut().zip(near).zip(far) {
            *sum = if down {
                u32::from(*near) * 3 + u32::from(*far)
            } else {
                u32::from(*near)
            };
        }
        let unit = if down { 4 } else { 1 };
        if across {
            double_row(&line, to.0, unit, &mut out);
        } else {
            // Rounded up and down by turns, so that the mean stays.
            let bias = if y % 2 == 0 { 1 } else { 2 };
            let levels = line
                .iter()
                .map(|&sum| if down { (sum + bias) >> 2 } else { sum });
            out.extend(levels.map(octet).take(to.0));
        }
    }
    out
}

/// Doubles a row whose samples are in units of `unit` parts.
fn double_row(line: &[u32], to: usize, unit: u32, out: &mut Vec<u8>) {
    let last = line.len().saturating_sub(1);
    let at = |x: usize| line.get(x.min(last)).copied().unwrap_or(0);
    let (bits, low, high) = if unit == 4 { (4, 8, 7) } else { (2, 1, 2) };
    for x in 0..to {
        let near = at(x / 2) * 3;
        let level = if x % 2 == 0 {
            near + at((x / 2).saturating_sub(1)) + low
        } else {
            near + at(x / 2 + 1) + high
        };
        out.push(octet(level >> bits));
    }
}

fn octet(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(255)
}

/// Planes of a picture without alpha, its colour sampled as `chroma` says.
pub(in crate::media::image) fn of_picture(picture: &Picture, chroma: Chroma) -> Planes {
    lanes::widest(
        #[inline(always)]
        || of_pixels(picture, chroma),
    )
}

#[inline(always)]
fn of_pixels(picture: &Picture, chroma: Chroma) -> Planes {
    let size = picture.size();
    let mut planes = Planes {
        size,
        chroma: Chroma::None,
        full_range: true,
        matrix: Matrix::Bt601,
        y: Vec::new(),
        cb: Vec::new(),
        cr: Vec::new(),
    };
    if picture.layout() == Layout::Grey8 {
        planes.y = picture.data().to_vec();
        return planes;
    }
    let pixels = picture.pixels();
    planes.y.reserve(pixels.len());
    planes.cb.reserve(pixels.len());
    planes.cr.reserve(pixels.len());
    // T.871 section 7 in 1/65536; the weights of a row sum to a whole.
    for pixel in pixels {
        let (r, g, b) = match *pixel {
            [r, g, b, ..] => (i32::from(r), i32::from(g), i32::from(b)),
            _ => (0, 0, 0),
        };
        planes.y.push(level(19_595 * r + 38_470 * g + 7_471 * b));
        planes
            .cb
            .push(level(-11_059 * r - 21_709 * g + 32_768 * b + MIDDLE));
        planes
            .cr
            .push(level(32_768 * r - 27_439 * g - 5_329 * b + MIDDLE));
    }
    planes.chroma = Chroma::Full;
    if chroma == Chroma::Half {
        halve(&mut planes);
    }
    planes
}

/// 128.
const MIDDLE: i32 = 128 << 16;

/// A level of 65536 parts.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to 0..=255 first"
)]
fn level(parts: i32) -> u8 {
    ((parts + (1 << 15)) >> 16).clamp(0, 255) as u8
}

/// Samples the colour of full planes at half the size, each sample the mean of four.
pub(super) fn halve(planes: &mut Planes) {
    if planes.chroma != Chroma::Full {
        return;
    }
    let width = usize::try_from(planes.size.width).unwrap_or(usize::MAX);
    planes.cb = halved(&planes.cb, width);
    planes.cr = halved(&planes.cr, width);
    planes.chroma = Chroma::Half;
}

/// A plane of rows of `width` at half the size, each sample the mean of four.
pub(super) fn halved(plane: &[u8], width: usize) -> Vec<u8> {
    lanes::widest(
        #[inline(always)]
        || means_of_four(plane, width.max(1)),
    )
}

#[inline(always)]
fn means_of_four(plane: &[u8], width: usize) -> Vec<u8> {
    let mut half = Vec::with_capacity(plane.len() / 4 + width);
    for rows in plane.chunks(width * 2) {
        let (upper, lower) = rows.split_at(width.min(rows.len()));
        let lower = if lower.is_empty() { upper } else { lower };
        // Sixteen at a time, in lanes; then what is left, and the one at the edge.
        let (wide_upper, upper) = upper.as_chunks::<32>();
        let (wide_lower, lower) = lower.as_chunks::<32>();
        for (upper, lower) in wide_upper.iter().zip(wide_lower) {
            let mut means = [0; 16];
            let pairs = upper
                .as_chunks::<2>()
                .0
                .iter()
                .zip(lower.as_chunks::<2>().0);
            for (mean, (&[a, b], &[c, d])) in means.iter_mut().zip(pairs) {
                *mean = mean_of(a, b, c, d);
            }
            half.extend_from_slice(&means);
        }
        let (upper, upper_last) = upper.as_chunks::<2>();
        let (lower, lower_last) = lower.as_chunks::<2>();
        let pairs = upper.iter().zip(lower);
        half.extend(pairs.map(|(&[a, b], &[c, d])| mean_of(a, b, c, d)));
        if let (Some(&a), Some(&b)) = (upper_last.first(), lower_last.first()) {
            half.push(mean_of(a, a, b, b));
        }
    }
    half
}

/// The mean of four, rounded half up.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the mean of octets is an octet"
)]
fn mean_of(a: u8, b: u8, c: u8, d: u8) -> u8 {
    let sum = u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d);
    ((sum + 2) >> 2) as u8
}

/// The same planes with colour at the full size.
pub(super) fn full(planes: &Planes) -> Planes {
    let mut full = planes.clone();
    let side = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    let to = (side(planes.size.width), side(planes.size.height));
    if let (Chroma::Half | Chroma::HalfWidth, Some(size)) =
        (planes.chroma, planes.chroma.plane(planes.size))
    {
        let from = (side(size.width), side(size.height));
        let down = planes.chroma == Chroma::Half;
        full.cb = doubled(&planes.cb, from, to, true, down);
        full.cr = doubled(&planes.cr, from, to, true, down);
        full.chroma = Chroma::Full;
    }
    full
}

/// Pixels of planes, grey or RGB.
pub(in crate::media::image) fn to_picture(planes: &Planes) -> Result<Picture, MediaError> {
    if planes.chroma == Chroma::None {
        return Picture::new(planes.size, Layout::Grey8, planes.y.clone());
    }
    let full = if planes.chroma == Chroma::Full {
        None
    } else {
        Some(full(planes))
    };
    let planes = full.as_ref().unwrap_or(planes);
    let data = lanes::widest(
        #[inline(always)]
        || pixels(planes),
    );
    Picture::new(planes.size, Layout::Rgb8, data)
}

#[inline(always)]
fn pixels(planes: &Planes) -> Vec<u8> {
    let mut data = vec![0; planes.y.len().saturating_mul(3)];
    let colour = planes.cb.iter().zip(&planes.cr);
    for ((pixel, &y), (&cb, &cr)) in data
        .as_chunks_mut::<3>()
        .0
        .iter_mut()
        .zip(&planes.y)
        .zip(colour)
    {
        let y = i32::from(y) << 16;
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        *pixel = [
            level(y + 91_881 * cr),
            level(y - 22_554 * cb - 46_802 * cr),
            level(y + 116_130 * cb),
        ];
    }
    data
}

/// Whether there is no colour in the planes.
pub(in crate::media::image) fn is_grey(planes: &Planes) -> bool {
    let plain = |plane: &[u8]| plane.iter().all(|&level| level == 128);
    plain(&planes.cb) && plain(&planes.cr)
}

/// Turns and mirrors planes stored with an EXIF `orientation` so that the picture is upright.
pub(in crate::media::image) fn upright(planes: Planes, orientation: u8) -> Planes {
    if !(2..=8).contains(&orientation) {
        return planes;
    }
    let turn = |plane: &[u8], size: Dimensions| turned(plane, size, orientation);
    let colour = planes.chroma.plane(planes.size).unwrap_or(planes.size);
    let size = super::super::transform::turned(planes.size, orientation);
    Planes {
        size,
        y: turn(&planes.y, planes.size),
        cb: turn(&planes.cb, colour),
        cr: turn(&planes.cr, colour),
        ..planes
    }
}

fn turned(plane: &[u8], stored: Dimensions, orientation: u8) -> Vec<u8> {
    let width = usize::try_from(stored.width).unwrap_or(usize::MAX).max(1);
    let height = plane.len() / width;
    let rows = || plane.chunks_exact(width);
    let column =
        |x: usize| (0..height).map(move |y| plane.get(y * width + x).copied().unwrap_or(128));
    match orientation {
        2 => rows().flat_map(|row| row.iter().rev().copied()).collect(),
        3 => plane.iter().rev().copied().collect(),
        4 => rows().rev().flat_map(|row| row.iter().copied()).collect(),
        _ if plane.is_empty() => Vec::new(),
        5 => (0..width).flat_map(column).collect(),
        6 => (0..width).flat_map(|x| column(x).rev()).collect(),
        7 => (0..width).rev().flat_map(|x| column(x).rev()).collect(),
        _ => (0..width).rev().flat_map(column).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::image::transform;

    fn noise(count: usize) -> Vec<u8> {
        let mut state = 5_u32;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                u8::try_from(state >> 24).unwrap()
            })
            .collect()
    }

    fn picture(width: u32, height: u32) -> Picture {
        let count = usize::try_from(width * height * 3).unwrap();
        Picture::new(Dimensions::new(width, height), Layout::Rgb8, noise(count)).unwrap()
    }

    #[test]
    fn colours_come_back() {
        let picture = picture(31, 9);
        let planes = of_picture(&picture, Chroma::Full);
        let back = to_picture(&planes).unwrap();
        for (a, b) in picture.data().iter().zip(back.data()) {
            assert!(a.abs_diff(*b) <= 2, "{a} {b}");
        }
    }

    #[test]
    fn grey_has_no_colour() {
        let data = [7, 7, 7, 200, 200, 200];
        let grey = Picture::new(Dimensions::new(2, 1), Layout::Rgb8, data.to_vec()).unwrap();
        let planes = of_picture(&grey, Chroma::Half);
        assert!(is_grey(&planes));
        assert_eq!(planes.y, [7, 200]);
        assert!(!is_grey(&of_picture(&picture(3, 3), Chroma::Half)));
    }

    #[test]
    fn halving_and_doubling_keep_what_is_flat() {
        for (width, height) in [(1, 1), (2, 2), (3, 5), (16, 7)] {
            let size = Dimensions::new(width, height);
            let count = usize::try_from(width * height).unwrap();
            let data: Vec<u8> = [200, 90, 30].repeat(count);
            let flat = Picture::new(size, Layout::Rgb8, data).unwrap();
            let planes = of_picture(&flat, Chroma::Half);
            let colour = Chroma::Half.plane(size).unwrap();
            let colour = usize::try_from(colour.width * colour.height).unwrap();
            assert_eq!(planes.cb.len(), colour);
            let back = full(&planes);
            assert_eq!(back.cb, vec![planes.cb[0]; count]);
        }
    }

    #[test]
    fn doubling_is_three_parts_to_one() {
        let out = doubled(&[0, 100], (2, 1), (4, 1), true, false);
        assert_eq!(out, [0, 25, 75, 100]);
        let out = doubled(&[0, 100], (1, 2), (1, 4), false, true);
        assert_eq!(out, [0, 25, 75, 100]);
    }

    #[test]
    fn planes_turn_as_pictures_do() {
        for orientation in 1..=8 {
            let picture = Picture::new(Dimensions::new(7, 4), Layout::Grey8, noise(28)).unwrap();
            let planes = upright(of_picture(&picture, Chroma::Half), orientation);
            let turned = transform::upright(picture, orientation).unwrap();
            assert_eq!(
                (planes.size, planes.y.as_slice()),
                (turned.size(), turned.data())
            );
        }
    }
}
