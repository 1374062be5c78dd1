//! The inverse DCT to 8, 4, 2 or 1 points a side.
//!
//! A picture at 1/2, 1/4 or 1/8 is made of the lowest frequencies of each block alone: an inverse
//! DCT of as many points as the block is to have. 8 and 4 points are computed in floating point,
//! lane by lane and without fused operations, so that every processor gives the same.

#![allow(
    clippy::indexing_slicing,
    clippy::needless_range_loop,
    reason = "every index is a constant or counts up to the length of a fixed array; one index \
              for several rows makes lanes of the columns"
)]

/// Quantisers as the transform of one component wants them, in zigzag order: multiplied with what
/// the transform leaves out.
pub(super) struct Dequantiser {
    real: [f32; 64],
    whole: [i32; 64],
    /// `real` in rows of eight.
    rows: [[f32; 8]; 8],
}

/// How many points a side are made of a block of eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Points {
    /// 1/8.
    One,
    /// 1/4.
    Two,
    /// 1/2.
    Four,
    /// All there are.
    Eight,
}

impl Points {
    /// The number.
    pub(super) const fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }
}

/// The row and column of each coefficient in zigzag order, as row × 8 + column.
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

impl Dequantiser {
    /// Of a table in zigzag order, for `points`.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "factors of single precision are wanted"
    )]
    pub(super) fn new(table: &[u16; 64], points: Points) -> Self {
        let mut real = [0.0; 64];
        let mut whole = [0; 64];
        let mut rows = [[0.0; 8]; 8];
        for (k, &step) in table.iter().enumerate() {
            let at = usize::from(ZIGZAG[k]);
            let factor = match points {
                Points::Eight => AAN[at / 8] * AAN[at % 8] / 8.0,
                // Orthonormal transforms of 8 and of 4 points differ by 2 in two dimensions.
                Points::Four => 0.5 * QUARTER[at / 8 % 4] * QUARTER[at % 8 % 4],
                _ => 1.0,
            };
            real[k] = (f64::from(step) * factor) as f32;
            whole[k] = i32::from(step);
            rows[at / 8][at % 8] = real[k];
        }
        Self { real, whole, rows }
    }

    /// The lowest coefficients of 8 or 4 points, in rows and columns.
    #[inline(always)]
    pub(super) fn rows<const N: usize>(&self, levels: &[[i16; N]; N]) -> [[f32; N]; N] {
        let mut block = [[0.0; N]; N];
        for ((to, from), factors) in block.iter_mut().zip(levels).zip(&self.rows) {
            for ((to, from), factor) in to.iter_mut().zip(from).zip(factors) {
                *to = f32::from(*from) * factor;
            }
        }
        block
    }

    /// Coefficient `k` of 8 or 4 points.
    #[inline(always)]
    pub(super) fn real(&self, k: usize, value: i32) -> f32 {
        small(value) * self.real[k & 63]
    }

    /// Coefficient `k` of 2 points or 1.
    #[inline(always)]
    pub(super) fn whole(&self, k: usize, value: i32) -> i32 {
        value.wrapping_mul(self.whole[k & 63])
    }
}

/// The factors of the transform of Arai, Agui and Nakajima.
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

/// The factors of an orthonormal transform of 4 points: 1/2, and 1/√2 for all but the first.
const QUARTER: [f64; 4] = [
    0.5,
    std::f64::consts::FRAC_1_SQRT_2,
    std::f64::consts::FRAC_1_SQRT_2,
    std::f64::consts::FRAC_1_SQRT_2,
];

/// The number as a float. Coefficients have 16 bits.
#[inline(always)]
#[allow(
    clippy::cast_precision_loss,
    reason = "coefficients have 16 bits and differences of them 17"
)]
fn small(value: i32) -> f32 {
    value as f32
}

/// A sample of a level that is 0 in the middle.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the lowest octet is wanted"
)]
fn sample(level: f32) -> u8 {
    // In this range the lowest bits of a float are whole numbers.
    const WHOLE: f32 = 8_388_608.0;
    ((level + 128.0).clamp(0.0, 255.0) + WHOLE).to_bits() as u8
}

/// The samples of eight points a side; `block` holds rows of coefficients.
#[inline(always)]
pub(super) fn eight(block: &mut [[f32; 8]; 8]) -> [[u8; 8]; 8] {
    columns(block);
    *block = turned(block);
    columns(block);
    let mut samples = [[0; 8]; 8];
    for y in 0..8 {
        for x in 0..8 {
            samples[y][x] = sample(block[x][y]);
        }
    }
    samples
}

/// The samples of eight points a side of a block that is the same all over.
#[inline(always)]
pub(super) fn flat(level: f32) -> [[u8; 8]; 8] {
    [[sample(level); 8]; 8]
}

/// One dimension of the transform, for each column.
#[inline(always)]
fn columns(b: &mut [[f32; 8]; 8]) {
    const ROOT: f32 = std::f32::consts::SQRT_2;
    for x in 0..8 {
        let (t10, t11) = (b[0][x] + b[4][x], b[0][x] - b[4][x]);
        let t13 = b[2][x] + b[6][x];
        let t12 = (b[2][x] - b[6][x]) * ROOT - t13;
        let (e0, e3) = (t10 + t13, t10 - t13);
        let (e1, e2) = (t11 + t12, t11 - t12);
        let (z13, z10) = (b[5][x] + b[3][x], b[5][x] - b[3][x]);
        let (z11, z12) = (b[1][x] + b[7][x], b[1][x] - b[7][x]);
        let o7 = z11 + z13;
        let z5 = (z10 + z12) * 1.847_759_1;
        let o6 = z5 - z10 * 2.613_126 - o7;
        let o5 = (z11 - z13) * ROOT - o6;
        let o4 = z5 - z12 * 1.082_392_2 - o5;
        b[0][x] = e0 + o7;
        b[7][x] = e0 - o7;
        b[1][x] = e1 + o6;
        b[6][x] = e1 - o6;
        b[2][x] = e2 + o5;
        b[5][x] = e2 - o5;
        b[3][x] = e3 + o4;
        b[4][x] = e3 - o4;
    }
}

#[inline(always)]
fn turned(b: &[[f32; 8]; 8]) -> [[f32; 8]; 8] {
    let mut t = [[0.0; 8]; 8];
    for y in 0..8 {
        for x in 0..8 {
            t[x][y] = b[y][x];
        }
    }
    t
}

/// The samples of four points a side; `block` holds the low quarter of coefficients.
#[inline(always)]
pub(super) fn four(block: &[[f32; 4]; 4]) -> [[u8; 4]; 4] {
    let half = four_columns(block);
    let mut turned = [[0.0; 4]; 4];
    for y in 0..4 {
        for x in 0..4 {
            turned[x][y] = half[y][x];
        }
    }
    let whole = four_columns(&turned);
    let mut samples = [[0; 4]; 4];
    for y in 0..4 {
        for x in 0..4 {
            samples[y][x] = sample(whole[x][y]);
        }
    }
    samples
}

#[inline(always)]
fn four_columns(b: &[[f32; 4]; 4]) -> [[f32; 4]; 4] {
    // cos(π/8) and sin(π/8), and 1/√2 that the odd ones share is in the dequantiser.
    const COS: f32 = 0.923_879_5;
    const SIN: f32 = 0.382_683_43;
    const ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;
    let mut t = [[0.0; 4]; 4];
    for x in 0..4 {
        let second = b[2][x] * ROOT;
        let (e0, e1) = (b[0][x] + second, b[0][x] - second);
        let o0 = b[1][x] * COS + b[3][x] * SIN;
        let o1 = b[1][x] * SIN - b[3][x] * COS;
        t[0][x] = e0 + o0;
        t[1][x] = e1 + o1;
        t[2][x] = e1 - o1;
        t[3][x] = e0 - o0;
    }
    t
}

/// The samples of two points a side, of the first coefficients: the mean, and the first of a row,
/// of a column and of both.
#[inline(always)]
pub(super) fn two(mean: i32, across: i32, down: i32, both: i32) -> [[u8; 2]; 2] {
    let mean = mean.wrapping_add(HALF_UP);
    let (top, bottom) = (mean.wrapping_add(down), mean.wrapping_sub(down));
    let (upper, lower) = (across.wrapping_add(both), across.wrapping_sub(both));
    [
        [
            eighth(top.wrapping_add(upper)),
            eighth(top.wrapping_sub(upper)),
        ],
        [
            eighth(bottom.wrapping_add(lower)),
            eighth(bottom.wrapping_sub(lower)),
        ],
    ]
}

/// The sample of one point.
#[inline(always)]
pub(super) fn one(mean: i32) -> u8 {
    eighth(mean.wrapping_add(HALF_UP))
}

/// 128 and a half, in eighths.
const HALF_UP: i32 = 128 * 8 + 4;

#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to 0..=255 first"
)]
fn eighth(value: i32) -> u8 {
    (value >> 3).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// Coefficients in zigzag order, most of them small.
    fn noise(seed: u32) -> [i32; 64] {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            i32::try_from(state >> 24).unwrap() - 128
        };
        let mut block = [0; 64];
        for (k, value) in (0..).zip(&mut block) {
            *value = next() / (1 + k);
        }
        block
    }

    fn exact(block: &[i32; 64], points: usize) -> Vec<f64> {
        let c = |u: usize| if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let n = f64::from(u32::try_from(points).unwrap());
        let real = |value: usize| f64::from(u32::try_from(value).unwrap());
        let mut samples = Vec::new();
        for y in 0..points {
            for x in 0..points {
                let mut sum = 0.0;
                for (k, &value) in block.iter().enumerate() {
                    let (v, u) = (usize::from(ZIGZAG[k]) / 8, usize::from(ZIGZAG[k]) % 8);
                    if v < points && u < points {
                        let angle = |i: usize, f: usize| {
                            ((2.0 * real(i) + 1.0) * real(f) * PI / (2.0 * n)).cos()
                        };
                        sum += c(u) * c(v) * f64::from(value) * angle(x, u) * angle(y, v);
                    }
                }
                // 2/n of an orthonormal transform, and n/8 for the size.
                samples.push((sum / 4.0 + 128.0).clamp(0.0, 255.0));
            }
        }
        samples
    }

    fn ours(block: &[i32; 64], points: Points) -> Vec<u8> {
        let table = [1; 64];
        let q = Dequantiser::new(&table, points);
        match points {
            Points::Eight => {
                let mut b = [[0.0; 8]; 8];
                for (k, &value) in block.iter().enumerate() {
                    let at = usize::from(ZIGZAG[k]);
                    b[at / 8][at % 8] = q.real(k, value);
                }
                eight(&mut b).concat()
            }
            Points::Four => {
                let mut b = [[0.0; 4]; 4];
                for (k, &value) in block.iter().enumerate() {
                    let at = usize::from(ZIGZAG[k]);
                    if at / 8 < 4 && at % 8 < 4 {
                        b[at / 8][at % 8] = q.real(k, value);
                    }
                }
                four(&b).concat()
            }
            Points::Two => two(block[0], block[1], block[2], block[4]).concat(),
            Points::One => vec![one(block[0])],
        }
    }

    #[test]
    fn every_number_of_points_is_the_transform() {
        for points in [Points::One, Points::Two, Points::Four, Points::Eight] {
            for seed in 0..50 {
                let block = noise(seed);
                let expected = exact(&block, points.count());
                for (a, b) in ours(&block, points).iter().zip(expected) {
                    assert!(
                        (f64::from(*a) - b).abs() < 0.51 + f64::from(points == Points::Two) * 0.1,
                        "{points:?} {a} {b}"
                    );
                }
            }
        }
    }

    #[test]
    fn samples_stay_in_range() {
        let mut block = [0; 64];
        block[0] = 4_000;
        assert!(
            ours(&block, Points::Eight)
                .iter()
                .all(|&level| level == 255)
        );
        block[0] = -4_000;
        assert!(ours(&block, Points::Two).iter().all(|&level| level == 0));
    }
}
