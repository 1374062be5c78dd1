//! Planes of samples, their half-pixel interpolation, and the block arithmetic on them.

use super::dct::Block;

/// Octets from one luma row to the next, for every size: a CIF row and some more, so that whole
/// sixteens can be interpolated with what is beside them.
pub(super) const LUMA: usize = 368;
/// Octets from one chroma row to the next.
pub(super) const CHROMA: usize = 192;

/// A rectangle of samples.
pub(super) type Pixels<const N: usize> = [[u8; N]; N];

/// One plane; only the first columns of a row are in use.
#[derive(Debug, Clone)]
pub(super) struct Plane<const STRIDE: usize> {
    /// One row more than the plane has, so that a window that starts within its last row is
    /// whole.
    rows: Vec<[u8; STRIDE]>,
    width: usize,
    height: usize,
}

impl<const STRIDE: usize> Plane<STRIDE> {
    /// A black plane of `width` x `height`; `width` is less than `STRIDE`.
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self {
            rows: vec![[0; STRIDE]; height + 1],
            width: width.min(STRIDE),
            height,
        }
    }

    /// All samples and the octets from one row to the next.
    pub(super) fn samples(&self) -> (&[u8], usize) {
        let rows = self.rows.get(..self.height).unwrap_or_default();
        (rows.as_flattened(), STRIDE)
    }

    /// `N` rows that begin at column `x` and row `y`, or `None` where they are not in the plane.
    fn window<const N: usize>(&self, x: usize, y: usize) -> Option<&[[u8; STRIDE]; N]> {
        let start = y.wrapping_mul(STRIDE).wrapping_add(x);
        let rest = self.rows.as_flattened().get(start..)?;
        rest.as_chunks().0.first_chunk()
    }

    /// Copies the `N` x `N` samples from column `x` and row `y`.
    fn copy<const N: usize>(&self, x: usize, y: usize, to: &mut Pixels<N>) {
        for (to, from) in to
            .iter_mut()
            .zip(self.window::<N>(x, y).into_iter().flatten())
        {
            if let Some(from) = from.first_chunk() {
                *to = *from;
            }
        }
    }

    /// Puts `N` x `N` samples at column `x` and row `y`.
    pub(super) fn put<const N: usize>(&mut self, x: usize, y: usize, from: &Pixels<N>) {
        let rows = self.rows.get_mut(y..y + N).unwrap_or_default();
        for (row, from) in rows.iter_mut().zip(from) {
            if let Some(to) = row.get_mut(x..).and_then(<[u8]>::first_chunk_mut::<N>) {
                *to = *from;
            }
        }
    }
}

/// A plane as motion vectors see it: as it is, and half a pixel to the right, below, and both
/// (clause 6.1.2).
#[derive(Debug, Clone)]
pub(super) struct Reference<const STRIDE: usize> {
    whole: Plane<STRIDE>,
    right: Plane<STRIDE>,
    below: Plane<STRIDE>,
    both: Plane<STRIDE>,
}

impl<const STRIDE: usize> Reference<STRIDE> {
    /// A black plane.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let plane = Plane::new(width, height);
        Self {
            whole: plane.clone(),
            right: plane.clone(),
            below: plane.clone(),
            both: plane,
        }
    }

    /// The plane itself.
    pub(super) fn whole(&self) -> &Plane<STRIDE> {
        &self.whole
    }

    /// Takes `plane`, leaves the old one in its place, and interpolates.
    pub(super) fn replace(&mut self, plane: &mut Plane<STRIDE>) {
        std::mem::swap(&mut self.whole, plane);
        let rows = self.whole.rows.get(..self.whole.height).unwrap_or_default();
        let width = self.whole.width.next_multiple_of(16);
        let next = rows.iter().skip(1).chain(rows.last());
        let targets = self
            .right
            .rows
            .iter_mut()
            .zip(&mut self.below.rows)
            .zip(&mut self.both.rows);
        for ((row, next), ((right, below), both)) in rows.iter().zip(next).zip(targets) {
            interpolate((row, next), width, right, below, both);
        }
    }

    /// The plane for a position in half pixels.
    fn plane(&self, x2: usize, y2: usize) -> &Plane<STRIDE> {
        match (x2 & 1, y2 & 1) {
            (0, 0) => &self.whole,
            (_, 0) => &self.right,
            (0, _) => &self.below,
            _ => &self.both,
        }
    }

    /// Copies the `N` x `N` samples at a position in half pixels.
    pub(super) fn predict<const N: usize>(&self, x2: usize, y2: usize, to: &mut Pixels<N>) {
        self.plane(x2, y2).copy(x2 >> 1, y2 >> 1, to);
    }

    /// The sum of absolute differences to the 16 x 16 samples at a position in half pixels; of the
    /// upper half alone where that reaches `limit`.
    pub(super) fn sad(&self, current: &Pixels<16>, x2: usize, y2: usize, limit: u32) -> u32 {
        let Some(window) = self.plane(x2, y2).window::<16>(x2 >> 1, y2 >> 1) else {
            return u32::MAX;
        };
        let mut sum = 0u32;
        for (current, window) in current.chunks_exact(8).zip(window.chunks_exact(8)) {
            for (a, row) in current.iter().zip(window) {
                if let Some(b) = row.first_chunk() {
                    sum = sum.wrapping_add(row_sad(a, b));
                }
            }
            if sum >= limit {
                break;
            }
        }
        sum
    }
}

/// The three half-pixel rows between `row` and `next`, with the roundings of clause 6.1.2. What is
/// beyond the width comes out as it may: no vector of the baseline reaches it.
fn interpolate<const STRIDE: usize>(
    (row, next): (&[u8; STRIDE], &[u8; STRIDE]),
    width: usize,
    right: &mut [u8; STRIDE],
    below: &mut [u8; STRIDE],
    both: &mut [u8; STRIDE],
) {
    let (beside, next_beside) = (row.get(1..=width), next.get(1..=width));
    let (row, next) = (row.get(..width), next.get(..width));
    let (Some(row), Some(next), Some(beside), Some(next_beside)) = (row, next, beside, next_beside)
    else {
        return;
    };
    for ((below, a), c) in below.iter_mut().zip(row).zip(next) {
        *below = average(*a, *c);
    }
    for ((right, a), b) in right.iter_mut().zip(row).zip(beside) {
        *right = average(*a, *b);
    }
    let pairs = row.iter().zip(beside).zip(next.iter().zip(next_beside));
    for (both, ((a, b), (c, d))) in both.iter_mut().zip(pairs) {
        let sum = u16::from(*a)
            .wrapping_add(u16::from(*b))
            .wrapping_add(u16::from(*c))
            .wrapping_add(u16::from(*d));
        *both = low_octet(sum.wrapping_add(2) >> 2);
    }
}

fn average(a: u8, b: u8) -> u8 {
    low_octet(u16::from(a).wrapping_add(u16::from(b)).wrapping_add(1) >> 1)
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "an average or a clamped sample: below 256"
)]
fn low_octet(value: u16) -> u8 {
    value as u8
}

/// The sum of absolute differences of two rows.
pub(super) fn row_sad<const N: usize>(a: &[u8; N], b: &[u8; N]) -> u32 {
    a.iter().zip(b).fold(0, |sum: u32, (a, b)| {
        sum.wrapping_add(u32::from(a.abs_diff(*b)))
    })
}

/// The sum of absolute differences to one value.
pub(super) fn sad_to(luma: &Pixels<16>, value: u8) -> u32 {
    differences(luma.as_flattened(), &[value; 256])
}

/// The sum of absolute differences of whole sixteens of samples.
// Not inlined, where it would be taken apart for what is known.
#[inline(never)]
fn differences(a: &[u8], b: &[u8]) -> u32 {
    let mut sum = 0u32;
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        sum = sum.wrapping_add(row_sad(a, b));
    }
    sum
}

/// The sum of squared differences.
pub(super) fn ssd<const N: usize>(a: &Pixels<N>, b: &Pixels<N>) -> u32 {
    squares(a.as_flattened(), b.as_flattened())
}

/// The sum of squared differences of whole sixteens of samples.
#[inline(never)]
#[allow(
    clippy::indexing_slicing,
    reason = "the indices are below 8 and 16, the lengths of the arrays; written so, it becomes \
              vector code"
)]
fn squares(a: &[u8], b: &[u8]) -> u32 {
    let mut sums = [0i32; 8];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        let mut d = [0i16; 16];
        for ((d, a), b) in d.iter_mut().zip(a).zip(b) {
            *d = i16::from(a.abs_diff(*b));
        }
        for i in 0..8 {
            let (d, e) = (i32::from(d[i]), i32::from(d[i + 8]));
            let both = d.wrapping_mul(d).wrapping_add(e.wrapping_mul(e));
            sums[i] = sums[i].wrapping_add(both);
        }
    }
    let all = sums.iter().fold(0i32, |all, sum| all.wrapping_add(*sum));
    all.cast_unsigned()
}

/// The 8 x 8 quarter `index` of a macroblock's luma, in the order of figure 5: left to right,
/// then down.
pub(super) fn quarter(luma: &Pixels<16>, index: usize) -> Pixels<8> {
    let mut out = [[0; 8]; 8];
    let rows = luma.iter().skip((index & 2) * 4);
    for (out, row) in out.iter_mut().zip(rows) {
        if let Some(part) = row.as_chunks::<8>().0.get(index & 1) {
            *out = *part;
        }
    }
    out
}

/// Puts a quarter back.
pub(super) fn put_quarter(luma: &mut Pixels<16>, index: usize, from: &Pixels<8>) {
    let rows = luma.iter_mut().skip((index & 2) * 4);
    for (from, row) in from.iter().zip(rows) {
        if let Some(part) = row.as_chunks_mut::<8>().0.get_mut(index & 1) {
            *part = *from;
        }
    }
}

/// `a − b`.
pub(super) fn difference(a: &Pixels<8>, b: &Pixels<8>) -> Block {
    let mut out = [[0; 8]; 8];
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = i16::from(*a).wrapping_sub(i16::from(*b));
        }
    }
    out
}

/// The samples of a block as a transform's input.
pub(super) fn widen(a: &Pixels<8>) -> Block {
    a.map(|row| row.map(i16::from))
}

/// `prediction + residual`, clipped to 0..=255 (clause 6.3.2).
pub(super) fn reconstruct(prediction: &Pixels<8>, residual: &Block) -> Pixels<8> {
    let mut out = [[0; 8]; 8];
    for ((out, a), b) in out.iter_mut().zip(prediction).zip(residual) {
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            let sum = i16::from(*a).saturating_add(*b).clamp(0, 255);
            *out = low_octet(sum.cast_unsigned());
        }
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

    #[test]
    fn half_pixels_round_as_the_recommendation_says() {
        let mut plane: Plane<CHROMA> = Plane::new(16, 16);
        let mut square = [[10; 16]; 16];
        square[0][1] = 11;
        square[1][0] = 20;
        square[1][1] = 22;
        plane.put(0, 0, &square);
        let mut reference = Reference::new(16, 16);
        reference.replace(&mut plane);
        let at = |x2, y2| {
            let mut out = [[0; 8]; 8];
            reference.predict(x2, y2, &mut out);
            out[0][0]
        };
        assert_eq!(at(0, 0), 10);
        assert_eq!(at(1, 0), 11); // (10 + 11 + 1) / 2
        assert_eq!(at(0, 1), 15);
        assert_eq!(at(1, 1), 16); // (10 + 11 + 20 + 22 + 2) / 4
        assert_eq!(at(2, 0), 11);
    }

    #[test]
    fn quarters_go_out_and_in() {
        let mut luma = [[0; 16]; 16];
        for (index, sample) in luma.as_flattened_mut().iter_mut().enumerate() {
            *sample = index as u8;
        }
        let mut copy = [[0; 16]; 16];
        for index in 0..4 {
            put_quarter(&mut copy, index, &quarter(&luma, index));
        }
        assert_eq!(copy, luma);
        assert_eq!(quarter(&luma, 1)[0][0], 8);
        assert_eq!(quarter(&luma, 2)[0][0], 128);
        assert_eq!(ssd(&luma, &copy), 0);
        copy[3][3] ^= 1;
        assert_eq!(ssd(&luma, &copy), 1);
        let residual = difference(&quarter(&luma, 0), &quarter(&copy, 0));
        assert_eq!(
            reconstruct(&quarter(&copy, 0), &residual),
            quarter(&luma, 0)
        );
        assert_eq!(widen(&quarter(&luma, 3))[0][0], 136);
    }

    #[test]
    fn sad_counts_every_sample() {
        let reference: Reference<LUMA> = Reference::new(176, 144);
        assert_eq!(
            reference.sad(&[[255; 16]; 16], 320, 256, u32::MAX),
            255 * 256
        );
        assert_eq!(reference.whole().samples().0.len(), 144 * LUMA);
    }
}
