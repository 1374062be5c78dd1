//! Colours: to those that encoders write, and to red, green and blue.

use crate::media::error::MediaError;
use crate::media::picture::{Chroma, Layout, Matrix, Picture, Planes};

/// One in the fixed-point numbers here.
const ONE: i32 = 1 << 16;

/// Makes BT.601 in limited range of 4:2:0 planes: what a player takes a stream for that says
/// nothing, as H.263 cannot and MPEG-4 Simple seldom does.
pub(super) fn to_video(planes: &mut Planes) {
    if planes.full_range {
        for sample in &mut planes.y {
            *sample = octet(scaled(i32::from(*sample), 56_284) + 16);
        }
        for sample in planes.cb.iter_mut().chain(&mut planes.cr) {
            *sample = octet(scaled(i32::from(*sample) - 128, 57_569) + 128);
        }
        planes.full_range = false;
    }
    let Some(weights) = to_bt601(planes.matrix) else {
        return;
    };
    let width = usize::try_from(planes.size.width).unwrap_or(1).max(1);
    let half = width.div_ceil(2);
    let colours = planes.cb.chunks(half).zip(planes.cr.chunks(half));
    for (pair, (cb, cr)) in planes.y.chunks_mut(width * 2).zip(colours) {
        for row in pair.chunks_mut(width) {
            for (luma, (cb, cr)) in row.chunks_mut(2).zip(cb.iter().zip(cr)) {
                let (u, v) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
                let more = (u * weights.luma.0 + v * weights.luma.1 + ONE / 2) >> 16;
                for sample in luma {
                    *sample = octet(i32::from(*sample) + more);
                }
            }
        }
    }
    for (cb, cr) in planes.cb.iter_mut().zip(&mut planes.cr) {
        let (u, v) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
        let mixed = |(a, b): (i32, i32)| octet(((u * a + v * b + ONE / 2) >> 16) + 128);
        (*cb, *cr) = (mixed(weights.cb), mixed(weights.cr));
    }
    planes.matrix = Matrix::Bt601;
}

/// How much of Cb and Cr goes into each component of BT.601, in limited range.
struct Weights {
    luma: (i32, i32),
    cb: (i32, i32),
    cr: (i32, i32),
}

/// From the luma coefficients of H.273 table 4: RGB of the one, then luma and differences of the
/// other. Grey stays as it is, so that luma keeps its own weight of one.
const fn to_bt601(matrix: Matrix) -> Option<Weights> {
    match matrix {
        Matrix::Bt601 => None,
        Matrix::Bt709 => Some(Weights {
            luma: (6_508, 12_563),
            cb: (64_871, -7_252),
            cr: (-4_748, 64_448),
        }),
        Matrix::Bt2020 => Some(Weights {
            luma: (7_553, 6_761),
            cb: (65_222, -3_903),
            cr: (-5_511, 63_997),
        }),
    }
}

/// Red, green and blue of planes of any sampling.
///
/// # Errors
///
/// [`MediaError::Unsupported`] for planes that are not of their size.
pub(crate) fn to_rgb(planes: &Planes) -> Result<Picture, MediaError> {
    let length = |side: u32| usize::try_from(side).unwrap_or(usize::MAX);
    let (width, height) = (length(planes.size.width), length(planes.size.height));
    let (across, down) = match planes.chroma {
        Chroma::Half => (1, 1),
        Chroma::HalfWidth => (1, 0),
        Chroma::None | Chroma::Full => (0, 0),
    };
    let stride = planes
        .chroma
        .plane(planes.size)
        .map_or(1, |size| length(size.width))
        .max(1);
    // Red of Cr, green of Cb and of Cr, blue of Cb.
    let (rv, gu, gv, bu) = match planes.matrix {
        Matrix::Bt601 => (91_881, 22_554, 46_802, 116_130),
        Matrix::Bt709 => (103_206, 12_276, 30_679, 121_609),
        Matrix::Bt2020 => (96_639, 10_784, 37_445, 123_299),
    };
    let (black, luma_gain, colour_gain) = if planes.full_range {
        (0, ONE, ONE)
    } else {
        (16, 76_309, 74_606)
    };
    let mut data = Vec::with_capacity(width.saturating_mul(height).saturating_mul(3));
    for (y, row) in planes.y.chunks(width.max(1)).take(height).enumerate() {
        let start = (y >> down).saturating_mul(stride);
        let colour = |plane: &'_ [u8], x: usize| {
            let sample = plane.get(start.saturating_add(x >> across)).copied();
            scaled(i32::from(sample.unwrap_or(128)) - 128, colour_gain)
        };
        for (x, luma) in row.iter().enumerate() {
            let (u, v) = (colour(&planes.cb, x), colour(&planes.cr, x));
            let grey = scaled(i32::from(*luma) - black, luma_gain);
            data.push(octet(grey + scaled(v, rv)));
            data.push(octet(grey - scaled(u, gu) - scaled(v, gv)));
            data.push(octet(grey + scaled(u, bu)));
        }
    }
    Picture::new(planes.size, Layout::Rgb8, data)
}

/// A product with a fixed-point number, rounded. Samples have nine bits and weights eighteen.
const fn scaled(value: i32, by: i32) -> i32 {
    (value * by + ONE / 2) >> 16
}

fn octet(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;

    fn flat(luma: u8, cb: u8, cr: u8, matrix: Matrix, full_range: bool) -> Planes {
        Planes {
            size: Dimensions::new(4, 2),
            chroma: Chroma::Half,
            full_range,
            matrix,
            y: vec![luma; 8],
            cb: vec![cb; 2],
            cr: vec![cr; 2],
        }
    }

    /// The first pixel in red, green and blue.
    fn pixel(planes: &Planes) -> Vec<u8> {
        to_rgb(planes).unwrap().data()[..3].to_vec()
    }

    #[test]
    fn primaries_come_out_as_the_tables_say() {
        // Red of BT.601 and of BT.709 in limited range.
        let red = flat(81, 90, 240, Matrix::Bt601, false);
        assert!(
            pixel(&red)
                .iter()
                .zip([254, 0, 0])
                .all(|(a, b)| a.abs_diff(b) <= 2)
        );
        let red = flat(63, 102, 240, Matrix::Bt709, false);
        assert!(
            pixel(&red)
                .iter()
                .zip([255, 0, 0])
                .all(|(a, b)| a.abs_diff(b) <= 2)
        );
        assert_eq!(
            pixel(&flat(77, 128, 128, Matrix::Bt601, true)),
            [77, 77, 77]
        );
    }

    #[test]
    fn the_colour_stays_where_the_matrix_changes() {
        for matrix in [Matrix::Bt709, Matrix::Bt2020] {
            for (luma, cb, cr) in [(63, 102, 220), (120, 160, 100), (200, 128, 128)] {
                let before = flat(luma, cb, cr, matrix, false);
                let mut after = before.clone();
                to_video(&mut after);
                assert_eq!(after.matrix, Matrix::Bt601);
                let (a, b) = (pixel(&before), pixel(&after));
                assert!(
                    a.iter().zip(&b).all(|(a, b)| a.abs_diff(*b) <= 3),
                    "{a:?} {b:?}"
                );
            }
        }
    }

    #[test]
    fn full_range_becomes_limited() {
        let mut planes = flat(255, 255, 0, Matrix::Bt601, true);
        to_video(&mut planes);
        assert_eq!((planes.y[0], planes.cb[0], planes.cr[0]), (235, 240, 16));
        let mut black = flat(0, 128, 128, Matrix::Bt601, true);
        to_video(&mut black);
        assert_eq!((black.y[0], black.cb[0]), (16, 128));
    }
}
