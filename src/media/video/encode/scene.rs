//! Where a scene ends, for encoders that do not look.

use crate::media::picture::Planes;

/// Tells frames that have little to do with the one before.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    /// The most frames from key frame to key frame.
    interval: u32,
    since: u32,
    /// Means of squares of luma of the last frame.
    last: Vec<u8>,
    /// A running mean of the differences, in 16ths.
    usual: u32,
}

/// The side of a square.
const SQUARE: usize = 8;
/// A mean difference of squares, in 16ths, below which nothing has changed enough.
const CHANGE: u32 = 16 * 12;

impl Scene {
    /// A key frame after `interval` frames at the latest.
    pub(super) const fn new(interval: u32) -> Self {
        Self {
            interval,
            since: 0,
            last: Vec::new(),
            usual: 0,
        }
    }

    /// Whether the frame begins a scene, or one is due.
    pub(super) fn is_new(&mut self, planes: &Planes) -> bool {
        let squares = squares(planes);
        let first = self.last.len() != squares.len();
        let count = u32::try_from(squares.len()).unwrap_or(u32::MAX).max(1);
        let sum = squares
            .iter()
            .zip(&self.last)
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .fold(0, u32::saturating_add);
        let change = sum.saturating_mul(16) / count;
        self.last = squares;
        // A cut differs from the motion before it, not only from the picture.
        let cut = change > CHANGE && change > self.usual.saturating_mul(3);
        let due = first || cut || self.since >= self.interval;
        self.usual = if cut || first {
            0
        } else {
            self.usual.saturating_mul(3).saturating_add(change) / 4
        };
        self.since = if due { 1 } else { self.since.saturating_add(1) };
        due
    }
}

/// The mean luma of each square that is whole.
fn squares(planes: &Planes) -> Vec<u8> {
    let width = usize::try_from(planes.size.width).unwrap_or(0);
    let across = width / SQUARE;
    let mut means = Vec::new();
    for band in planes.y.chunks_exact(width.saturating_mul(SQUARE).max(1)) {
        let mut sums = vec![0_u32; across];
        for row in band.chunks_exact(width.max(1)) {
            for (sum, samples) in sums.iter_mut().zip(row.chunks_exact(SQUARE)) {
                let row: u32 = samples.iter().map(|sample| u32::from(*sample)).sum();
                *sum = sum.saturating_add(row);
            }
        }
        means.extend(
            sums.iter()
                .map(|sum| u8::try_from(sum / 64).unwrap_or(u8::MAX)),
        );
    }
    means
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::picture::{Chroma, Matrix};

    fn flat(luma: u8) -> Planes {
        Planes {
            size: Dimensions::new(32, 16),
            chroma: Chroma::None,
            full_range: false,
            matrix: Matrix::Bt601,
            y: vec![luma; 32 * 16],
            cb: Vec::new(),
            cr: Vec::new(),
        }
    }

    #[test]
    fn key_frames_come_at_the_start_at_cuts_and_when_due() {
        let mut scene = Scene::new(5);
        let lumas = [50, 51, 52, 200, 201, 202, 203, 204, 205];
        let keys: Vec<bool> = lumas.map(|luma| scene.is_new(&flat(luma))).to_vec();
        let places: Vec<usize> = (0..keys.len()).filter(|place| keys[*place]).collect();
        assert_eq!(places, [0, 3, 8]);
    }
}
