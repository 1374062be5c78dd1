//! Which macroblocks stay as they are, for how long, and what that is worth.
//!
//! What is coded of a part of the scene that does not move is seen until it moves. Its error
//! counts in every picture until then, so that QUANT is to be finer by the root of their number:
//! the squared error that a bit buys off is then the same everywhere.

/// For each frame pushed, the macroblocks that were still against the picture before it; `None`
/// where the frame was left out.
pub(super) type Stills = Vec<Option<Vec<bool>>>;

/// For each frame, how many later pictures show each macroblock as it is, at most 255.
#[derive(Debug, Clone, Default)]
pub(super) struct Lasting(Vec<Vec<u8>>);

impl Lasting {
    /// Out of what an earlier pass has seen.
    pub(super) fn new(stills: &Stills) -> Self {
        let macroblocks = stills.iter().flatten().map(Vec::len).max().unwrap_or(0);
        let mut run = vec![0u8; macroblocks];
        let mut frames = Vec::with_capacity(stills.len());
        for stills in stills.iter().rev() {
            frames.push(run.clone());
            for (run, still) in run.iter_mut().zip(stills.iter().flatten()) {
                *run = if *still { run.saturating_add(1) } else { 0 };
            }
        }
        frames.reverse();
        Self(frames)
    }

    /// The macroblocks of frame `index`, `None` where nothing is known.
    pub(super) fn of(&self, index: usize) -> Option<&[u8]> {
        self.0.get(index).map(Vec::as_slice)
    }

    /// How much finer frame `index` is worth to be for what stays of it: the factor for QUANT in
    /// 256ths.
    pub(super) fn share_256(&self, index: usize) -> u64 {
        let Some(lasting) = self.of(index).filter(|lasting| !lasting.is_empty()) else {
            return 256;
        };
        let root = |lasts: &u8| (0x1_0000 / (1 + u64::from(*lasts))).isqrt();
        let sum: u64 = lasting.iter().map(root).sum();
        sum / u64::try_from(lasting.len()).unwrap_or(u64::MAX)
    }
}

/// The weight of an error that is seen in one picture.
pub(super) const ONCE: u32 = 16;

/// How many pictures a macroblock that was still for longer is trusted to stay so. Found by trial,
/// as the next two.
pub(super) const TRUST: u8 = 4;

/// How many pictures count where they are known: later ones may have reasons of their own to code
/// the macroblock again.
pub(super) const FORESIGHT: u8 = 10;

/// The squared error between the sources of two pictures, in QUANT², up to which a macroblock is
/// still.
const STILL: i32 = 32;

/// Whether a macroblock whose source changed by the squared error `change` is still, for QUANT
/// `base`.
pub(super) fn is_still(change: i32, base: u8) -> bool {
    change <= i32::from(base) * i32::from(base) * STILL
}

/// The weight of an `error` of which `lasting` will be there in `expected` later pictures.
pub(super) fn weight(expected: u8, lasting: i32, error: i32) -> u32 {
    let once = i64::from(ONCE);
    let later = once * i64::from(expected) * i64::from(lasting) / i64::from(error.max(1));
    ONCE.saturating_add(u32::try_from(later).unwrap_or(0))
}

/// The QUANT for an error of that weight, where `base` is the one for an error that is seen once.
/// Never so fine that the levels of `error` could not be coded (127 · 2 · QUANT).
pub(super) fn finer(base: u8, weight: u32, error: i32) -> u8 {
    let square = u32::from(base) * u32::from(base) * ONCE / weight.max(ONCE);
    let finest = error.max(0).cast_unsigned().isqrt() / 254 + 1;
    u8::try_from(square.isqrt().max(finest))
        .unwrap_or(u8::MAX)
        .min(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_counts_until_the_next_change() {
        let stills: Stills = vec![
            Some(vec![false, false]),
            Some(vec![true, true]),
            None,
            Some(vec![true, false]),
            Some(vec![true, true]),
        ];
        let lasting = Lasting::new(&stills);
        let all: Vec<&[u8]> = (0..5).map(|index| lasting.of(index).unwrap()).collect();
        assert_eq!(all, [[3, 1], [2, 0], [2, 0], [1, 1], [0, 0]]);
        assert_eq!(lasting.of(5), None);
        assert_eq!(lasting.share_256(0), (128 + 181) / 2);
        assert_eq!(Lasting::default().share_256(0), 256);
    }

    #[test]
    fn what_stays_is_coded_finer_and_noise_is_not() {
        // Seen four times: half of QUANT.
        let four = weight(3, 1_000, 1_000);
        assert_eq!((four, finer(8, four, 1_000)), (64, 4));
        // All of the error is new with this picture.
        assert_eq!(weight(10, 0, 1_000), ONCE);
        assert_eq!(finer(8, ONCE, 1_000), 8);
        // A level of 127 at QUANT 1 does not reach 900, the greatest coefficient there may be.
        assert_eq!(finer(2, weight(200, 1, 1), 900 * 900), 2);
        assert_eq!(finer(31, weight(200, 1, 1), 900 * 900), 4);
        assert_eq!(finer(2, weight(200, 1, 1), 900), 1);
    }

    #[test]
    fn a_change_is_measured_by_what_would_be_coded() {
        assert!(is_still(0, 1) && is_still(32 * 25, 5) && !is_still(32 * 25 + 1, 5));
        assert!(!is_still(i32::MAX, 31));
    }
}
