//! The 8x8 transform and its inverse (H.263 clauses 6.2.4 and Annex A), in 16-bit lanes.
//!
//! Both are the defining sums split into even and odd halves, first along the columns, then along
//! the rows. Every step works on eight columns at once, which compilers turn into vector code.
//! Coefficients are kept *transposed*: the element at `[u][v]` has horizontal frequency `u` and
//! vertical frequency `v`. [`SCAN`](super::quant::SCAN) accounts for it.

use std::num::Wrapping;

/// Samples, differences or coefficients of a block, in rows.
pub(super) type Block = [[i16; 8]; 8];

/// cos(k π / 16) / 2 in units of 2⁻¹⁴, for k = 1..=7.
const COS: [i16; 7] = [8035, 7568, 6811, 5793, 4551, 3135, 1598];

/// Fraction bits between the two passes of the forward transform: the sum of four values of
/// 721 · 2³ still fits 16 bits.
const FORWARD_FRACTION: u32 = 3;
/// Fraction bits between the two passes of the inverse transform.
const INVERSE_FRACTION: u32 = 4;
/// Fraction bits of [`COS`].
const COS_FRACTION: u32 = 14;

/// The transform of differences in −255..=255, or of samples; coefficients come out transposed
/// and rounded to integers.
pub(super) fn forward(block: &Block) -> Block {
    let columns = forward_pass::<{ COS_FRACTION - FORWARD_FRACTION }>(block);
    forward_pass::<{ COS_FRACTION + FORWARD_FRACTION }>(&transpose(&columns))
}

/// The inverse transform of transposed coefficients in −2048..=2047, which meets Annex A.
pub(super) fn inverse(coefficients: &Block) -> Block {
    let rows = inverse_pass::<{ COS_FRACTION - INVERSE_FRACTION }>(coefficients);
    inverse_pass::<{ COS_FRACTION + INVERSE_FRACTION }>(&transpose(&rows))
}

/// The inverse transform of a block that has no coefficient but the first: one value for all.
pub(super) fn inverse_dc(dc: i16) -> i16 {
    let [.., cos, _, _, _] = COS;
    let pass = |value: i16, shift: u32| {
        saturate((i32::from(value) * i32::from(cos) + (1 << (shift - 1))) >> shift)
    };
    let row = pass(dc, COS_FRACTION - INVERSE_FRACTION);
    pass(row, COS_FRACTION + INVERSE_FRACTION)
}

/// The transpose: three times the rows of one half between those of the other.
#[inline(always)]
pub(super) fn transpose(block: &Block) -> Block {
    shuffle(&shuffle(&shuffle(block)))
}

#[inline(never)]
fn shuffle(block: &Block) -> Block {
    let [a, b, c, d, e, f, g, h] = block;
    let ([i, j], [k, l], [m, n], [o, p]) = (zip(a, e), zip(b, f), zip(c, g), zip(d, h));
    [i, j, k, l, m, n, o, p]
}

/// The elements of two rows by turns.
#[inline(always)]
fn zip(a: &[i16; 8], b: &[i16; 8]) -> [[i16; 8]; 2] {
    let [a0, a1, a2, a3, a4, a5, a6, a7] = *a;
    let [b0, b1, b2, b3, b4, b5, b6, b7] = *b;
    [
        [a0, b0, a1, b1, a2, b2, a3, b3],
        [a4, b4, a5, b5, a6, b6, a7, b7],
    ]
}

/// `a · k + b · l + c · m + d · n`.
#[inline(always)]
fn dot(values: [i16; 4], by: [i16; 4]) -> Wrapping<i32> {
    let [a, b, c, d] = values;
    let [k, l, m, n] = by;
    times(a, k) + times(b, l) + (times(c, m) + times(d, n))
}

#[inline(always)]
fn times(a: i16, k: i16) -> Wrapping<i32> {
    Wrapping(i32::from(a)) * Wrapping(i32::from(k))
}

/// Rounds away `SHIFT` bits and saturates to 16.
#[inline(always)]
fn narrow<const SHIFT: u32>(value: Wrapping<i32>) -> i16 {
    saturate(value.0.wrapping_add(1 << (SHIFT - 1)) >> SHIFT)
}

#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16; the form compilers know as a saturating pack"
)]
fn saturate(value: i32) -> i16 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

/// The transform of every column.
#[inline(never)]
#[allow(
    clippy::indexing_slicing,
    reason = "the index is below 8, the length of the arrays; one loop over all eight becomes \
              vector code"
)]
fn forward_pass<const SHIFT: u32>(block: &Block) -> Block {
    let [c1, c2, c3, c4, c5, c6, c7] = COS;
    let [x0, x1, x2, x3, x4, x5, x6, x7] = block;
    let mut out = [[0; 8]; 8];
    let [y0, y1, y2, y3, y4, y5, y6, y7] = &mut out;
    for i in 0..8 {
        let (s0, d0) = (x0[i].wrapping_add(x7[i]), x0[i].wrapping_sub(x7[i]));
        let (s1, d1) = (x1[i].wrapping_add(x6[i]), x1[i].wrapping_sub(x6[i]));
        let (s2, d2) = (x2[i].wrapping_add(x5[i]), x2[i].wrapping_sub(x5[i]));
        let (s3, d3) = (x3[i].wrapping_add(x4[i]), x3[i].wrapping_sub(x4[i]));
        let (outer, inner) = (s0.wrapping_add(s3), s1.wrapping_add(s2));
        let (outwards, inwards) = (s0.wrapping_sub(s3), s1.wrapping_sub(s2));
        let odd = [d0, d1, d2, d3];
        y0[i] = narrow::<SHIFT>(times(outer, c4) + times(inner, c4));
        y1[i] = narrow::<SHIFT>(dot(odd, [c1, c3, c5, c7]));
        y2[i] = narrow::<SHIFT>(times(outwards, c2) + times(inwards, c6));
        y3[i] = narrow::<SHIFT>(dot(odd, [c3, -c7, -c1, -c5]));
        y4[i] = narrow::<SHIFT>(times(outer, c4) - times(inner, c4));
        y5[i] = narrow::<SHIFT>(dot(odd, [c5, -c1, c7, c3]));
        y6[i] = narrow::<SHIFT>(times(outwards, c6) - times(inwards, c2));
        y7[i] = narrow::<SHIFT>(dot(odd, [c7, -c5, c3, -c1]));
    }
    out
}

/// The inverse transform of every column.
#[inline(never)]
#[allow(clippy::indexing_slicing, reason = "as in the forward transform")]
fn inverse_pass<const SHIFT: u32>(block: &Block) -> Block {
    let [c1, c2, c3, c4, c5, c6, c7] = COS;
    let [x0, x1, x2, x3, x4, x5, x6, x7] = block;
    let mut out = [[0; 8]; 8];
    let [y0, y1, y2, y3, y4, y5, y6, y7] = &mut out;
    for i in 0..8 {
        let sum = times(x0[i], c4) + times(x4[i], c4);
        let difference = times(x0[i], c4) - times(x4[i], c4);
        let outer = times(x2[i], c2) + times(x6[i], c6);
        let inner = times(x2[i], c6) - times(x6[i], c2);
        let odd = [x1[i], x3[i], x5[i], x7[i]];
        let (e0, o0) = (sum + outer, dot(odd, [c1, c3, c5, c7]));
        let (e1, o1) = (difference + inner, dot(odd, [c3, -c7, -c1, -c5]));
        let (e2, o2) = (difference - inner, dot(odd, [c5, -c1, c7, c3]));
        let (e3, o3) = (sum - outer, dot(odd, [c7, -c5, c3, -c1]));
        y0[i] = narrow::<SHIFT>(e0 + o0);
        y1[i] = narrow::<SHIFT>(e1 + o1);
        y2[i] = narrow::<SHIFT>(e2 + o2);
        y3[i] = narrow::<SHIFT>(e3 + o3);
        y4[i] = narrow::<SHIFT>(e3 - o3);
        y5[i] = narrow::<SHIFT>(e2 - o2);
        y6[i] = narrow::<SHIFT>(e1 - o1);
        y7[i] = narrow::<SHIFT>(e0 - o0);
    }
    out
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::needless_range_loop,
    reason = "the small numbers of a test"
)]
mod tests {
    use super::*;
    use std::f64::consts::PI;

    /// The definition in double precision; not transposed.
    fn reference(block: &[[f64; 8]; 8], inverse: bool) -> [[f64; 8]; 8] {
        let basis = |k: usize, n: usize| {
            let scale = if k == 0 { 0.125f64.sqrt() } else { 0.5 };
            scale * ((2 * n + 1) as f64 * k as f64 * PI / 16.0).cos()
        };
        let kernel = |a: usize, b: usize| if inverse { basis(b, a) } else { basis(a, b) };
        let mut half = [[0.0; 8]; 8];
        for y in 0..8 {
            for u in 0..8 {
                half[y][u] = (0..8).map(|x| block[y][x] * kernel(u, x)).sum();
            }
        }
        let mut out = [[0.0; 8]; 8];
        for v in 0..8 {
            for u in 0..8 {
                out[v][u] = (0..8).map(|y| half[y][u] * kernel(v, y)).sum();
            }
        }
        out
    }

    /// The generator of Annex A.
    fn random(seed: &mut u32, low: i32, high: i32) -> i32 {
        *seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12345);
        let x = f64::from(*seed & 0x7fff_fffe) / f64::from(0x7fff_ffff) * f64::from(low + high + 1);
        x as i32 - low
    }

    fn as_f64(block: &Block) -> [[f64; 8]; 8] {
        block.map(|row| row.map(f64::from))
    }

    /// Annex A: 10 000 blocks in each of six ranges.
    #[test]
    fn inverse_meets_annex_a() {
        for (low, high, sign) in [
            (256, 255, 1),
            (5, 5, 1),
            (300, 300, 1),
            (256, 255, -1),
            (5, 5, -1),
            (300, 300, -1),
        ] {
            let mut seed = 1;
            let mut error = [[0i64; 8]; 8];
            let mut square = [[0i64; 8]; 8];
            for _ in 0..10_000 {
                let mut samples = [[0.0; 8]; 8];
                for sample in samples.as_flattened_mut() {
                    *sample = f64::from(sign * random(&mut seed, low, high));
                }
                let coefficients = reference(&samples, false)
                    .map(|row| row.map(|x| x.round().clamp(-2048.0, 2047.0)));
                let ideal = reference(&coefficients, true);
                let ours = inverse(&transpose(&coefficients.map(|row| row.map(|x| x as i16))));
                for y in 0..8 {
                    for x in 0..8 {
                        let clip = |v: i64| v.clamp(-256, 255);
                        let e = clip(i64::from(ours[y][x])) - clip(ideal[y][x].round() as i64);
                        assert!(e.abs() <= 1);
                        error[y][x] += e;
                        square[y][x] += e * e;
                    }
                }
            }
            let flat = |a: &[[i64; 8]; 8]| a.as_flattened().to_vec();
            let worst = flat(&square).into_iter().max().unwrap() as f64 / 1e4;
            let mean = flat(&square).into_iter().sum::<i64>() as f64 / 64e4;
            let worst_bias = flat(&error).into_iter().map(i64::abs).max().unwrap() as f64 / 1e4;
            let bias = flat(&error).into_iter().sum::<i64>() as f64 / 64e4;
            println!("-{low}..={high} x{sign}: {worst:.4} {mean:.4} {worst_bias:.4} {bias:.5}");
            assert!(worst <= 0.06 && mean <= 0.02);
            assert!(worst_bias <= 0.015 && bias.abs() <= 0.0015);
        }
        assert_eq!(inverse(&[[0; 8]; 8]), [[0; 8]; 8]);
    }

    #[test]
    fn forward_is_within_a_rounding_of_the_definition() {
        let mut seed = 7;
        for range in [3, 40, 255] {
            for _ in 0..500 {
                let mut block = [[0; 8]; 8];
                for sample in block.as_flattened_mut() {
                    *sample = random(&mut seed, range, range) as i16;
                }
                let ideal = reference(&as_f64(&block), false);
                let ours = transpose(&forward(&block));
                for (ours, ideal) in ours.as_flattened().iter().zip(ideal.as_flattened()) {
                    assert!((f64::from(*ours) - ideal).abs() < 0.75, "{ours} {ideal}");
                }
            }
        }
    }

    #[test]
    fn extremes_do_not_wrap() {
        for value in [-255, 255] {
            let flat = [[value; 8]; 8];
            assert_eq!(forward(&flat)[0][0], value * 8);
            assert_eq!(inverse(&forward(&flat)), flat);
        }
        for dc in -2048..2048 {
            let mut block = [[0; 8]; 8];
            block[0][0] = dc;
            assert_eq!(inverse(&block), [[inverse_dc(dc); 8]; 8]);
        }
        let mut checks = [[0; 8]; 8];
        for (index, sample) in checks.as_flattened_mut().iter_mut().enumerate() {
            *sample = if (index / 8 + index) % 2 == 0 {
                255
            } else {
                -255
            };
        }
        let ideal = reference(&as_f64(&checks), false);
        assert!((f64::from(forward(&checks)[7][7]) - ideal[7][7]).abs() < 0.75);
    }
}
