//! Scaling of one plane with a Lanczos filter, row by row as it is decoded.
//!
//! Only as many rows are held as the filter reaches over. Down first, in floats; then across, in
//! whole numbers.

use super::lanes;

/// One dimension of a plane before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    /// Samples before.
    pub(super) from: usize,
    /// How much of them the picture takes: the last may reach beyond its edge.
    pub(super) from_extent: f64,
    /// Samples after.
    pub(super) to: usize,
    /// How much of them the picture takes.
    pub(super) to_extent: f64,
}

impl Span {
    /// Whether nothing changes.
    pub(super) fn is_same(&self) -> bool {
        // The last sample may reach beyond the edge before and after.
        self.from == self.to && (self.from_extent - self.to_extent).abs() < 1.0
    }
}

/// A plane while it is scaled.
pub(super) struct Scaler {
    across: Option<Fixed>,
    down: Option<Real>,
    width: usize,
    /// Samples of a row, rounded up to whole chunks.
    stride: usize,
    /// The last rows that came, `held` of them, in turn.
    ring: Vec<f32>,
    held: usize,
    came: usize,
    /// A row scaled down, and what the filter reads beyond it.
    line: Vec<i16>,
    /// Where in the ring the rows are that a filter down reads.
    rows: Vec<usize>,
    made: usize,
    /// The result, all of it from the start.
    plane: Vec<u8>,
}

/// Samples handled at a time.
const CHUNK: usize = 16;

/// Taps of a filter across are a multiple of this.
const TAPS: usize = 8;

/// Binary places of a row that is scaled down, and of the taps of a filter across.
const LINE_BITS: u32 = 6;
const TAP_BITS: u32 = 14;

impl Scaler {
    /// Of a plane of `across` by `down`.
    pub(super) fn new(across: Span, down: Span) -> Self {
        let stride = across.from.next_multiple_of(CHUNK);
        let fixed = (!across.is_same()).then(|| Fixed::new(&across));
        let real = (!(down.is_same() && fixed.is_none())).then(|| Real::new(&down));
        let held = real.as_ref().map_or(0, |real| real.taps);
        let beyond = fixed.as_ref().map_or(0, |fixed| fixed.taps);
        Self {
            across: fixed,
            down: real,
            width: across.to,
            stride,
            ring: vec![0.0; stride * held],
            held,
            came: 0,
            line: vec![0; stride + beyond],
            rows: vec![0; held],
            made: 0,
            plane: vec![128; across.to * down.to],
        }
    }

    /// Takes the next row; what is beyond the width of the plane is not looked at.
    pub(super) fn push(&mut self, row: &[u8]) {
        lanes::widest(
            #[inline(always)]
            || self.push_row(row),
        );
    }

    /// The scaled plane, once all rows came.
    pub(super) fn finish(self) -> Vec<u8> {
        self.plane
    }

    #[inline(always)]
    fn push_row(&mut self, row: &[u8]) {
        let Some(down) = &self.down else {
            let start = self.made * self.width;
            if let Some(to) = self.plane.get_mut(start..start + self.width) {
                for (to, from) in to.iter_mut().zip(row) {
                    *to = *from;
                }
            }
            self.made += 1;
            return;
        };
        let slot = self.came % self.held.max(1) * self.stride;
        if let Some(slot) = self.ring.get_mut(slot..slot + self.stride) {
            for (to, from) in slot.iter_mut().zip(row) {
                *to = f32::from(*from);
            }
        }
        self.came += 1;
        while let Some(taps) = down.of(self.made)
            && taps.start + taps.factors.len() <= self.came
        {
            for (row, y) in self.rows.iter_mut().zip(taps.start..) {
                *row = y % self.held.max(1) * self.stride;
            }
            let (line, _) = self.line.as_chunks_mut::<CHUNK>();
            for (chunk, at) in line.iter_mut().zip((0..self.stride).step_by(CHUNK)) {
                let mut sums = [0.0_f32; CHUNK];
                for (factor, row) in taps.factors.iter().zip(&self.rows) {
                    let samples = self
                        .ring
                        .get(row + at..)
                        .and_then(|rest| rest.first_chunk());
                    let samples: &[f32; CHUNK] = samples.unwrap_or(&[0.0; CHUNK]);
                    for (sum, sample) in sums.iter_mut().zip(samples) {
                        *sum += factor * sample;
                    }
                }
                for (to, sum) in chunk.iter_mut().zip(sums) {
                    *to = line_level(sum);
                }
            }
            let start = self.made * self.width;
            if let Some(to) = self.plane.get_mut(start..start + self.width) {
                match &self.across {
                    Some(across) => across.row(&self.line, to),
                    None => {
                        for (to, &level) in to.iter_mut().zip(&self.line) {
                            *to = octet(i32::from(level), LINE_BITS);
                        }
                    }
                }
            }
            self.made += 1;
        }
    }
}

/// A level of a row that is scaled down.
#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the filter sums less than 2 × 255 × 64, and the lowest bits are wanted"
)]
fn line_level(level: f32) -> i16 {
    // In this range the lowest bits of a float are whole numbers, negative ones too.
    const WHOLE: f32 = 12_582_912.0;
    (level * 64.0 + WHOLE).to_bits() as i16
}

#[inline(always)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to 0..=255 first"
)]
fn octet(value: i32, bits: u32) -> u8 {
    ((value + (1 << (bits - 1))) >> bits).clamp(0, 255) as u8
}

/// The taps of one sample.
struct Taps<'a> {
    start: usize,
    factors: &'a [f32],
}

/// A filter of floats.
struct Real {
    starts: Vec<usize>,
    factors: Vec<f32>,
    /// Taps of a sample.
    taps: usize,
}

impl Real {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "factors of single precision are wanted"
    )]
    fn new(span: &Span) -> Self {
        let kernel = Kernel::new(span);
        let (mut starts, mut factors) = (Vec::new(), Vec::new());
        for sample in 0..span.to {
            let (start, weights) = kernel.weights(sample);
            starts.push(start);
            factors.extend(weights.iter().map(|&weight| weight as f32));
        }
        Self {
            starts,
            factors,
            taps: kernel.taps,
        }
    }

    fn of(&self, sample: usize) -> Option<Taps<'_>> {
        let start = *self.starts.get(sample)?;
        let factors = self.factors.get(sample * self.taps..)?.get(..self.taps)?;
        Some(Taps { start, factors })
    }
}

/// A filter of whole numbers, [`TAP_BITS`] behind the point.
struct Fixed {
    starts: Vec<usize>,
    factors: Vec<[i16; TAPS]>,
    /// Taps of a sample, whole chunks.
    taps: usize,
}

impl Fixed {
    fn new(span: &Span) -> Self {
        let kernel = Kernel::new(span);
        let taps = kernel.taps.next_multiple_of(TAPS);
        let (mut starts, mut factors) = (Vec::new(), Vec::new());
        let mut whole = vec![0_i16; taps];
        for sample in 0..span.to {
            let (start, weights) = kernel.weights(sample);
            whole.fill(0);
            let mut left = 1_i32 << TAP_BITS;
            let mut most = (0, 0);
            for (at, (to, &weight)) in whole.iter_mut().zip(&weights).enumerate() {
                *to = nearest(weight);
                left -= i32::from(*to);
                if *to > most.1 {
                    most = (at, *to);
                }
            }
            // What rounding left over goes where it shows least.
            if let Some(largest) = whole.get_mut(most.0) {
                *largest = largest.saturating_add(i16::try_from(left).unwrap_or(0));
            }
            starts.push(start);
            factors.extend_from_slice(whole.as_chunks::<TAPS>().0);
        }
        Self {
            starts,
            factors,
            taps,
        }
    }

    #[inline(always)]
    fn row(&self, line: &[i16], to: &mut [u8]) {
        match self.taps / TAPS {
            1 => self.samples::<1>(line, to),
            2 => self.samples::<2>(line, to),
            3 => self.samples::<3>(line, to),
            _ => self.many_samples(line, to),
        }
    }

    /// A row by a filter of so many chunks of taps.
    #[inline(always)]
    fn samples<const N: usize>(&self, line: &[i16], to: &mut [u8]) {
        let filters = self.starts.iter().zip(self.factors.as_chunks::<N>().0);
        for (to, (start, factors)) in to.iter_mut().zip(filters) {
            let samples = line.get(*start..).unwrap_or_default().as_chunks::<TAPS>().0;
            if let Some(samples) = samples.first_chunk::<N>() {
                *to = Self::sample(samples, factors);
            }
        }
    }

    #[inline(always)]
    fn many_samples(&self, line: &[i16], to: &mut [u8]) {
        let filters = self
            .starts
            .iter()
            .zip(self.factors.chunks_exact(self.taps / TAPS));
        for (to, (start, factors)) in to.iter_mut().zip(filters) {
            let samples = line.get(*start..).unwrap_or_default().as_chunks::<TAPS>().0;
            *to = Self::sample(samples, factors);
        }
    }

    #[inline(always)]
    fn sample(samples: &[[i16; TAPS]], factors: &[[i16; TAPS]]) -> u8 {
        let mut sums = [0_i32; TAPS / 2];
        for (samples, factors) in samples.iter().zip(factors) {
            let pairs = samples
                .as_chunks::<2>()
                .0
                .iter()
                .zip(factors.as_chunks::<2>().0);
            // Two products in one lane: what processors have an instruction for.
            for (sum, (&[a, b], &[c, d])) in sums.iter_mut().zip(pairs) {
                let both = (i32::from(a) * i32::from(c)).wrapping_add(i32::from(b) * i32::from(d));
                *sum = sum.wrapping_add(both);
            }
        }
        let sum = sums.iter().fold(0_i32, |sum, &part| sum.wrapping_add(part));
        octet(sum, LINE_BITS + TAP_BITS)
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a weight is less than 2 and has 14 binary places"
)]
fn nearest(weight: f64) -> i16 {
    (weight * 16_384.0).round() as i16
}

/// The weights of a Lanczos filter of three lobes.
struct Kernel {
    span: Span,
    /// Samples before for one after.
    scale: f64,
    /// The same, but not below 1: what is enlarged is not blurred.
    reach: f64,
    taps: usize,
}

impl Kernel {
    fn new(span: &Span) -> Self {
        let scale = span.from_extent / span.to_extent;
        let reach = scale.max(1.0);
        let taps = floor(2.0 * 3.0 * reach).saturating_add(2).min(span.from);
        Self {
            span: *span,
            scale,
            reach,
            taps,
        }
    }

    /// The first sample that counts for sample `to`, and the weights from it on.
    fn weights(&self, to: usize) -> (usize, Vec<f64>) {
        let centre = (real(to) + 0.5) * self.scale;
        let first = floor((centre - 3.0 * self.reach).max(0.0));
        let start = first.min(self.span.from.saturating_sub(self.taps));
        let mut weights: Vec<f64> = (0..self.taps)
            .map(|tap| lanczos((real(start + tap) + 0.5 - centre) / self.reach))
            .collect();
        let sum: f64 = weights.iter().sum();
        if sum.abs() < 1e-9 {
            // Nothing near: the nearest there is.
            let nearest = weights.len().saturating_sub(1);
            weights.fill(0.0);
            if let Some(last) = weights.get_mut(nearest) {
                *last = 1.0;
            }
        } else {
            for weight in &mut weights {
                *weight /= sum;
            }
        }
        (start, weights)
    }
}

/// sin(πx) sin(πx/3) / (πx · πx/3), from -3 to 3.
fn lanczos(x: f64) -> f64 {
    let x = x.abs();
    if x >= 3.0 {
        return 0.0;
    }
    if x < 1e-6 {
        return 1.0;
    }
    let angle = std::f64::consts::PI * x / 3.0;
    let sine = sine(angle);
    // sin(3a) = 3 sin(a) - 4 sin³(a)
    sine * sine * (3.0 - 4.0 * sine * sine) / (3.0 * angle * angle)
}

/// The sine of an angle from 0 to π: the same on every machine, which that of a library is not.
fn sine(angle: f64) -> f64 {
    // 1/3!, 1/5! and so on, by turns less and more, the last first.
    const TERMS: [f64; 8] = [
        1.0 / 355_687_428_096_000.0,
        -1.0 / 1_307_674_368_000.0,
        1.0 / 6_227_020_800.0,
        -1.0 / 39_916_800.0,
        1.0 / 362_880.0,
        -1.0 / 5_040.0,
        1.0 / 120.0,
        -1.0 / 6.0,
    ];
    let angle = angle.min(std::f64::consts::PI - angle);
    let square = angle * angle;
    let sum = TERMS.iter().fold(0.0, |sum, term| (sum + term) * square);
    angle + angle * sum
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths of a picture; out of range saturates"
)]
fn floor(value: f64) -> usize {
    value as usize
}

#[allow(
    clippy::cast_precision_loss,
    reason = "lengths of a picture are far below 2^52"
)]
fn real(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: usize, to: usize) -> Span {
        Span {
            from,
            from_extent: real(from),
            to,
            to_extent: real(to),
        }
    }

    fn scaled(plane: &[u8], across: Span, down: Span) -> Vec<u8> {
        let mut scaler = Scaler::new(across, down);
        for row in plane.chunks(across.from) {
            scaler.push(row);
        }
        scaler.finish()
    }

    fn noise(count: usize) -> Vec<u8> {
        let mut state = 9_u32;
        (0..count)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                u8::try_from(state >> 24).unwrap()
            })
            .collect()
    }

    #[test]
    fn the_same_size_is_the_same() {
        let plane = noise(37 * 11);
        assert_eq!(scaled(&plane, span(37, 37), span(11, 11)), plane);
    }

    #[test]
    fn flat_stays_flat_at_any_size() {
        for (from, to) in [(1, 1), (2, 1), (1, 2), (5, 3), (33, 7), (100, 99), (17, 40)] {
            for level in [0, 3, 128, 255] {
                let plane = vec![level; from * from];
                let out = scaled(&plane, span(from, to), span(from, to));
                assert_eq!(out, vec![level; to * to], "{from} to {to}");
            }
        }
    }

    #[test]
    fn it_is_the_filter_of_the_library() {
        use fast_image_resize as fir;
        let (w, h, to_w, to_h) = (201_u32, 155_u32, 128_u32, 99_u32);
        // Not so contrasty that the library clips between its two passes.
        let plane: Vec<u8> = noise(201 * 155)
            .iter()
            .map(|level| 64 + level / 2)
            .collect();
        let ours = scaled(&plane, span(201, 128), span(155, 99));
        let source = fir::images::ImageRef::new(w, h, &plane, fir::PixelType::U8).unwrap();
        let mut target = fir::images::Image::new(to_w, to_h, fir::PixelType::U8);
        let options = fir::ResizeOptions::new()
            .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3));
        fir::Resizer::new()
            .resize(&source, &mut target, &options)
            .unwrap();
        // The library rounds in between.
        for (ours, theirs) in ours.iter().zip(target.buffer()) {
            assert!(ours.abs_diff(*theirs) <= 2, "{ours} {theirs}");
        }
    }

    #[test]
    fn wide_and_narrow_instructions_agree() {
        let plane = noise(301 * 200);
        let run = || scaled(&plane, span(301, 77), span(200, 150));
        assert_eq!(run(), lanes::narrowly(run));
    }

    #[test]
    fn a_ramp_stays_one() {
        let plane: Vec<u8> = (0..200_u8).collect();
        let out = scaled(&plane, span(200, 50), span(1, 1));
        for (i, level) in out.iter().enumerate().skip(3).take(44) {
            let expected = i * 4 + 2;
            assert!(
                usize::from(*level).abs_diff(expected) <= 1,
                "{level} {expected}"
            );
        }
    }
}
