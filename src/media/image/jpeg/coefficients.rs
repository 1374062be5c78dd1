//! The forward DCT of planes, computed once for as many encodings as are looked at.

#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "every index is a constant or counts up to the length of a fixed array; one index \
              for several rows makes lanes of the columns"
)]

use super::idct::ZIGZAG;
use super::lanes;
use crate::dimensions::Dimensions;
use crate::media::picture::{Chroma, Planes};

/// The coefficients of a block in zigzag order, in eighths.
pub(super) type Block = [i16; 64];

/// A picture as coefficients, before they are quantised.
pub(super) struct Coefficients {
    /// Pixels.
    pub(super) size: Dimensions,
    /// How colour is sampled: [`Chroma::None`], [`Chroma::Half`] or [`Chroma::Full`].
    pub(super) chroma: Chroma,
    /// The blocks in the order of the file: unit by unit, in each those of luma and then one of
    /// each difference of colour.
    pub(super) blocks: Vec<Block>,
}

/// The component that each block of a unit belongs to.
pub(super) const fn components(chroma: Chroma) -> &'static [usize] {
    match chroma {
        Chroma::None => &[0],
        Chroma::Half => &[0, 0, 0, 0, 1, 2],
        Chroma::HalfWidth => &[0, 0, 1, 2],
        Chroma::Full => &[0, 1, 2],
    }
}

impl Coefficients {
    /// Of planes, which are repeated beyond their edges.
    pub(super) fn of(planes: &Planes) -> Self {
        let samples = [&planes.y, &planes.cb, &planes.cr].map(Vec::as_slice);
        Self::of_samples(planes.size, planes.chroma, samples)
    }

    /// Of luma and the two differences of colour of a picture of `size`.
    pub(super) fn of_samples(size: Dimensions, chroma: Chroma, samples: [&[u8]; 3]) -> Self {
        lanes::widest(
            #[inline(always)]
            || Self::transformed(size, chroma, samples),
        )
    }

    #[inline(always)]
    fn transformed(size: Dimensions, chroma: Chroma, [y, cb, cr]: [&[u8]; 3]) -> Self {
        let luma = Plane::new(y, size);
        let colour = chroma.plane(size);
        let colour = colour.map(|size| (Plane::new(cb, size), Plane::new(cr, size)));
        let (across, down) = match chroma {
            Chroma::None | Chroma::Full => (1, 1),
            Chroma::HalfWidth => (2, 1),
            Chroma::Half => (2, 2),
        };
        let (units_across, units_down) = (
            luma.width.div_ceil(8 * across),
            luma.height.div_ceil(8 * down),
        );
        let factors = factors();
        let each = components(chroma).len();
        let mut blocks = Vec::with_capacity(units_across * units_down * each);
        for unit_down in 0..units_down {
            for unit_across in 0..units_across {
                for y in 0..down {
                    for x in 0..across {
                        let at = (unit_across * across + x, unit_down * down + y);
                        blocks.push(luma.block(at, &factors));
                    }
                }
                if let Some((cb, cr)) = &colour {
                    blocks.push(cb.block((unit_across, unit_down), &factors));
                    blocks.push(cr.block((unit_across, unit_down), &factors));
                }
            }
        }
        Self {
            size,
            chroma,
            blocks,
        }
    }
}

/// What the transform of Arai, Agui and Nakajima leaves out, for coefficients in eighths.
#[allow(
    clippy::cast_possible_truncation,
    reason = "factors of single precision are wanted"
)]
fn factors() -> [f32; 64] {
    const AAN: [f64; 8] = [
        1.0,
        1.387_039_845_322_147_5,
        1.306_562_964_876_376_4,
        1.175_875_602_419_358_6,
        1.0,
        0.785_694_958_387_102_2,
        0.541_196_100_146_197,
        0.275_899_379_282_943_1,
    ];
    let mut factors = [0.0; 64];
    for (at, factor) in factors.iter_mut().enumerate() {
        *factor = (1.0 / (AAN[at / 8] * AAN[at % 8])) as f32;
    }
    factors
}

/// A plane with its size.
struct Plane<'a> {
    samples: &'a [u8],
    width: usize,
    height: usize,
}

impl<'a> Plane<'a> {
    fn new(samples: &'a [u8], size: Dimensions) -> Self {
        let side = |value: u32| usize::try_from(value).unwrap_or(usize::MAX).max(1);
        Self {
            samples,
            width: side(size.width),
            height: side(size.height),
        }
    }

    /// The coefficients of the block at a column and a row of blocks.
    #[inline(always)]
    fn block(&self, (across, down): (usize, usize), factors: &[f32; 64]) -> Block {
        let mut block = [[0.0_f32; 8]; 8];
        for (y, row) in block.iter_mut().enumerate() {
            let start = (down * 8 + y).min(self.height - 1) * self.width;
            let samples = self
                .samples
                .get(start..start + self.width)
                .unwrap_or_default();
            let samples = samples.get(across * 8..).unwrap_or_default();
            match samples.first_chunk::<8>() {
                Some(samples) => {
                    for (to, from) in row.iter_mut().zip(samples) {
                        *to = f32::from(*from) - 128.0;
                    }
                }
                None => {
                    let last = self.samples.get(start + self.width - 1);
                    let rest = samples
                        .iter()
                        .chain(std::iter::repeat(last.unwrap_or(&128)));
                    for (to, from) in row.iter_mut().zip(rest) {
                        *to = f32::from(*from) - 128.0;
                    }
                }
            }
        }
        columns(&mut block);
        let mut turned = [[0.0; 8]; 8];
        for y in 0..8 {
            for x in 0..8 {
                turned[x][y] = block[y][x];
            }
        }
        columns(&mut turned);
        // It lies on its side now, and so do the numbers in zigzag order.
        let mut levels = [0_i16; 64];
        for (level, (value, factor)) in levels
            .iter_mut()
            .zip(turned.as_flattened().iter().zip(factors))
        {
            *level = rounded(value * factor);
        }
        let mut zigzag = [0; 64];
        for (to, from) in zigzag.iter_mut().zip(&ON_ITS_SIDE) {
            *to = levels[usize::from(*from & 63)];
        }
        zigzag
    }
}

/// [`ZIGZAG`] with rows and columns exchanged.
const ON_ITS_SIDE: [u8; 64] = {
    let mut table = [0; 64];
    let mut k = 0;
    while k < 64 {
        table[k] = ZIGZAG[k] % 8 * 8 + ZIGZAG[k] / 8;
        k += 1;
    }
    table
};

#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "coefficients in eighths are less than 2^14, and the lowest bits are wanted"
)]
fn rounded(value: f32) -> i16 {
    // In this range the lowest bits of a float are whole numbers, negative ones too.
    const WHOLE: f32 = 12_582_912.0;
    (value + WHOLE).to_bits() as i16
}

/// One dimension of the transform, for each column.
#[inline(always)]
fn columns(b: &mut [[f32; 8]; 8]) {
    for x in 0..8 {
        let (s0, d0) = (b[0][x] + b[7][x], b[0][x] - b[7][x]);
        let (s1, d1) = (b[1][x] + b[6][x], b[1][x] - b[6][x]);
        let (s2, d2) = (b[2][x] + b[5][x], b[2][x] - b[5][x]);
        let (s3, d3) = (b[3][x] + b[4][x], b[3][x] - b[4][x]);
        let (t0, t3) = (s0 + s3, s0 - s3);
        let (t1, t2) = (s1 + s2, s1 - s2);
        b[0][x] = t0 + t1;
        b[4][x] = t0 - t1;
        let z1 = (t2 + t3) * std::f32::consts::FRAC_1_SQRT_2;
        b[2][x] = t3 + z1;
        b[6][x] = t3 - z1;
        let (u0, u1, u2) = (d3 + d2, d2 + d1, d1 + d0);
        let z5 = (u0 - u2) * 0.382_683_43;
        let z2 = u0 * 0.541_196_1 + z5;
        let z4 = u2 * 1.306_563 + z5;
        let z3 = u1 * std::f32::consts::FRAC_1_SQRT_2;
        let (z11, z13) = (d0 + z3, d0 - z3);
        b[5][x] = z13 + z2;
        b[3][x] = z13 - z2;
        b[1][x] = z11 + z4;
        b[7][x] = z11 - z4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::picture::Matrix;
    use std::f64::consts::PI;

    fn planes(width: u32, height: u32, chroma: Chroma) -> Planes {
        let size = Dimensions::new(width, height);
        let mut state = 3_u32;
        let mut noise = |size: Option<Dimensions>| {
            let size = size.unwrap_or(Dimensions::new(0, 0));
            (0..size.width * size.height)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    u8::try_from(state >> 24).unwrap()
                })
                .collect()
        };
        Planes {
            size,
            chroma,
            full_range: true,
            matrix: Matrix::Bt601,
            y: noise(Some(size)),
            cb: noise(chroma.plane(size)),
            cr: noise(chroma.plane(size)),
        }
    }

    #[test]
    fn it_is_the_transform_in_eighths() {
        let planes = planes(8, 8, Chroma::None);
        let block = Coefficients::of(&planes).blocks[0];
        let real = |value: usize| f64::from(u32::try_from(value).unwrap());
        let c = |u: usize| if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
        for (k, &level) in block.iter().enumerate() {
            let (v, u) = (usize::from(ZIGZAG[k]) / 8, usize::from(ZIGZAG[k]) % 8);
            let mut sum = 0.0;
            for y in 0..8 {
                for x in 0..8 {
                    let angle =
                        |i: usize, f: usize| ((2.0 * real(i) + 1.0) * real(f) * PI / 16.0).cos();
                    sum += (f64::from(planes.y[y * 8 + x]) - 128.0) * angle(x, u) * angle(y, v);
                }
            }
            let exact = sum * c(u) * c(v) / 4.0 * 8.0;
            assert!(
                (f64::from(level) - exact).abs() < 0.6,
                "{k}: {level} {exact}"
            );
        }
    }

    #[test]
    fn blocks_are_in_the_order_of_the_file() {
        for (chroma, count) in [
            (Chroma::None, 6),
            (Chroma::Half, 2 * 6),
            (Chroma::Full, 6 * 3),
        ] {
            let coefficients = Coefficients::of(&planes(17, 9, chroma));
            assert_eq!(coefficients.blocks.len(), count, "{chroma:?}");
        }
    }

    #[test]
    fn edges_are_repeated() {
        let mut planes = planes(3, 2, Chroma::None);
        planes.y = vec![200; 6];
        let block = Coefficients::of(&planes).blocks[0];
        assert_eq!(block[0], 72 * 8 * 8);
        assert!(block[1..].iter().all(|&level| level == 0));
    }

    #[test]
    fn wide_and_narrow_instructions_agree() {
        let planes = planes(100, 75, Chroma::Half);
        let wide = Coefficients::of(&planes).blocks;
        assert_eq!(wide, lanes::narrowly(|| Coefficients::of(&planes).blocks));
    }
}
