//! Quantisation (H.263 clause 6.2).

use super::dct::Block;
use super::levels::Levels;
use super::vlc::tcoef_bits;

/// The zigzag of figure 14 over a block that is transposed, as [`dct`](super::dct) keeps it.
pub(super) const SCAN: [u8; 64] = [
    0, 8, 1, 2, 9, 16, 24, 17, 10, 3, 4, 11, 18, 25, 32, 40, 33, 26, 19, 12, 5, 6, 13, 20, 27, 34,
    41, 48, 56, 49, 42, 35, 28, 21, 14, 7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30, 23, 31,
    38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
];

/// The inverse of [`SCAN`]: the place of each coefficient in the zigzag, by rows.
const PLACES: [[u8; 8]; 8] = [
    [0, 2, 3, 9, 10, 20, 21, 35],
    [1, 4, 8, 11, 19, 22, 34, 36],
    [5, 7, 12, 18, 23, 33, 37, 48],
    [6, 13, 17, 24, 32, 38, 47, 49],
    [14, 16, 25, 31, 39, 46, 50, 57],
    [15, 26, 30, 40, 45, 51, 56, 58],
    [27, 29, 41, 44, 52, 55, 59, 62],
    [28, 42, 43, 53, 54, 60, 61, 63],
];

/// For each column and each half of it, the bits of [`PLACES`] of every subset of its four rows.
static PLACE_SETS: [[[u64; 16]; 2]; 8] = place_sets();

#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, where a wrong index is an error"
)]
const fn place_sets() -> [[[u64; 16]; 2]; 8] {
    let mut sets = [[[0; 16]; 2]; 8];
    let mut index = 0;
    while index < 8 * 2 * 16 * 4 {
        let (column, half, subset, row) = (index >> 7, index >> 6 & 1, index >> 2 & 15, index & 3);
        if subset >> row & 1 == 1 {
            sets[column][half][subset] |= 1 << PLACES[half * 4 + row][column];
        }
        index += 1;
    }
    sets
}

/// All that depends on QUANT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quantiser {
    /// QUANT, 1..=31.
    step: u8,
    /// 2¹⁶ / (2 QUANT), rounded up.
    reciprocal: u16,
    /// What a bit may cost in squared error.
    lambda: i32,
}

/// A block quantised to the nearest levels.
#[derive(Debug)]
pub(super) struct Quantised<'a> {
    pub(super) quantiser: &'a Quantiser,
    /// Transposed, as all here.
    pub(super) coefficients: &'a Block,
    /// Magnitudes of the levels.
    pub(super) levels: [[u16; 8]; 8],
    /// The places in the zigzag that have one, the first in bit 0.
    pub(super) places: u64,
}

/// What a level costs in bits and saves in squared error, weighed, against leaving it out: with
/// others to follow, or as the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighed {
    /// The magnitude.
    pub(super) level: u16,
    pub(super) more: i32,
    pub(super) last: i32,
}

impl Quantised<'_> {
    /// The coefficient at a place in the zigzag and the magnitude of its level.
    #[inline(always)]
    pub(super) fn at(&self, position: u8) -> (i16, u16) {
        let place = SCAN.get(usize::from(position & 63)).copied().unwrap_or(0);
        let place = usize::from(place & 63);
        let coefficient = self.coefficients.as_flattened().get(place).copied();
        let level = self.levels.as_flattened().get(place).copied();
        (coefficient.unwrap_or(0), level.unwrap_or(1))
    }

    /// Whether the next lower level may be better for a coefficient, for its bits: not in the
    /// upper half of what the nearest level stands for.
    #[inline(always)]
    pub(super) fn lower_is_worth_a_try(&self, coefficient: i16, nearest: u16) -> bool {
        let middle = u16::from(self.quantiser.step).wrapping_mul(nearest.wrapping_mul(2) | 1);
        nearest > 1 && coefficient.unsigned_abs() < middle
    }

    /// Weighs a coefficient sent with the magnitude `level` after `run` zeros.
    #[inline(always)]
    pub(super) fn weigh(&self, coefficient: i16, level: u16, run: u8) -> Weighed {
        let Quantiser { step, lambda, .. } = *self.quantiser;
        let magnitude = i32::from(coefficient.unsigned_abs());
        let most = if coefficient < 0 { 2048 } else { 2047 };
        let rebuilt = i32::from(rebuild(step, level)).min(most);
        let saved = rebuilt.wrapping_mul(magnitude.wrapping_mul(2).wrapping_sub(rebuilt));
        let [more, last] = tcoef_bits(level);
        let cost = |table: &[u8; 64]| {
            let bits = table.get(usize::from(run & 63)).copied().unwrap_or(0);
            lambda.wrapping_mul(bits.into()).wrapping_sub(saved)
        };
        Weighed {
            level,
            more: cost(more),
            last: cost(last),
        }
    }
}

/// The magnitude of the coefficient a decoder finds for a level (clause 6.2.1), before clipping.
#[inline(always)]
fn rebuild(step: u8, level: u16) -> u16 {
    // Below 2¹³, so that nothing wraps.
    let odd = level.wrapping_mul(2) | 1;
    odd.wrapping_mul(step.into())
        .wrapping_sub(u16::from(step & 1 == 0))
}

/// The greatest magnitude of LEVEL (table 17).
pub(super) const MAX_LEVEL: u16 = 127;

impl Quantiser {
    /// For QUANT `step`, which is brought into 1..=31.
    pub(super) fn new(step: u8) -> Self {
        let step = step.clamp(1, 31);
        let square = i32::from(step) * i32::from(step);
        Self {
            step,
            reciprocal: u16::try_from(0xffff / (2 * u32::from(step)) + 1).unwrap_or(u16::MAX),
            lambda: (square * LAMBDA_128 / 128).max(1),
        }
    }

    /// As [`new`](Self::new), with what a bit may cost for QUANT `base`, where the error of what
    /// is coded counts `weight` / 16 times.
    pub(super) fn weighed(step: u8, base: u8, weight: u32) -> Self {
        let weight = i32::try_from(weight.max(16)).unwrap_or(i32::MAX);
        let lambda = Self::new(base).lambda.saturating_mul(16) / weight;
        Self {
            lambda: lambda.max(1),
            ..Self::new(step)
        }
    }

    /// The cost of `bits` in squared error.
    pub(super) fn cost(&self, bits: u32) -> i32 {
        self.lambda
            .saturating_mul(i32::try_from(bits).unwrap_or(i32::MAX))
    }

    /// The sum of absolute differences up to which a predicted block is not transformed: spread
    /// evenly, it makes a coefficient of 2 QUANT, which is just not worth its bits.
    pub(super) fn zero_block_sad(&self) -> u32 {
        16 * u32::from(self.step)
    }

    /// The squared error up to which no block reaches [`zero_block_sad`](Self::zero_block_sad).
    pub(super) fn zero_error(&self) -> i32 {
        let sad = self.zero_block_sad();
        (sad * sad / 64).cast_signed()
    }

    /// Chooses the levels of a predicted block. Returns what sending them saves in squared error
    /// and bits, weighed, against sending none; never negative.
    pub(super) fn inter(&self, coefficients: &Block, levels: &mut Levels) -> i32 {
        self.choose(coefficients, 0, levels)
    }

    /// Chooses the levels of an INTRA block, INTRADC apart, as [`inter`](Self::inter) does.
    pub(super) fn intra(&self, coefficients: &Block, levels: &mut Levels) -> i32 {
        self.choose(coefficients, 1, levels)
    }

    /// The coefficient a decoder finds for `level` (clause 6.2.1).
    fn reconstruct(&self, level: i16) -> i16 {
        let magnitude = rebuild(self.step, level.unsigned_abs()).cast_signed();
        if level < 0 {
            magnitude.wrapping_neg().max(-2048)
        } else {
            magnitude.min(2047)
        }
    }

    /// All coefficients a decoder finds, transposed.
    pub(super) fn dequantise(&self, levels: &Levels) -> Block {
        let mut block = [[0; 8]; 8];
        for event in levels.events() {
            let index = SCAN.get(usize::from(event.position)).copied().unwrap_or(0);
            if let Some(to) = block.as_flattened_mut().get_mut(usize::from(index)) {
                *to = self.reconstruct(event.level);
            }
        }
        block
    }

    /// Quantises to the nearest level, 1 from 7/4 QUANT on, and leaves `levels` with the cheapest
    /// choice out of those.
    fn choose(&self, coefficients: &Block, first: u8, levels: &mut Levels) -> i32 {
        levels.clear();
        let nearest = quantise(coefficients, u16::from(self.step) / 4, self.reciprocal);
        let mut places = 0u64;
        for (rows, [low, high]) in occupied(&nearest).iter().zip(&PLACE_SETS) {
            places |= set_of(low, *rows) | set_of(high, *rows >> 4);
        }
        places &= u64::MAX << first;
        if places == 0 {
            return 0;
        }
        let quantised = Quantised {
            quantiser: self,
            coefficients,
            levels: nearest,
            places,
        };
        levels.choose(&quantised, first)
    }
}

/// λ in units of QUANT² / 128.
const LAMBDA_128: i32 = 97;

/// (|coefficient| + `offset`) · `reciprocal` / 2¹⁶ of all coefficients.
// By itself, this and the next become vector code; in the midst of `choose` they do not.
#[inline(never)]
#[allow(
    clippy::cast_possible_truncation,
    reason = "the upper half of a product of 16 bits by 16"
)]
fn quantise(coefficients: &Block, offset: u16, reciprocal: u16) -> [[u16; 8]; 8] {
    let mut magnitudes = [[0; 8]; 8];
    let flat = magnitudes.as_flattened_mut().iter_mut();
    for (to, from) in flat.zip(coefficients.as_flattened()) {
        let rounded = from.unsigned_abs().wrapping_add(offset);
        *to = (u32::from(rounded).wrapping_mul(reciprocal.into()) >> 16) as u16;
    }
    magnitudes
}

/// For each column the rows that are not zero, the first one in bit 0.
#[inline(never)]
fn occupied(magnitudes: &[[u16; 8]; 8]) -> [u16; 8] {
    let mut columns = [0; 8];
    let mut bit = 1u16;
    for row in magnitudes {
        for (column, magnitude) in columns.iter_mut().zip(row) {
            *column |= if *magnitude == 0 { 0 } else { bit };
        }
        bit = bit.wrapping_add(bit);
    }
    columns
}

fn set_of(sets: &[u64; 16], rows: u16) -> u64 {
    let set = sets.get(usize::from(rows & 15));
    set.copied().unwrap_or(0)
}

/// INTRADC (table 15) for the first coefficient of an INTRA block: the code and what a decoder
/// makes of it.
pub(super) fn intra_dc(coefficient: i16) -> (u8, i16) {
    let level = (coefficient.saturating_add(4) >> 3).clamp(1, 254);
    let code = if level == 128 { 255 } else { level };
    (u8::try_from(code).unwrap_or(1), level * 8)
}

#[cfg(test)]
mod tests {
    use super::super::bits::BitWriter;
    use super::*;

    #[test]
    fn scan_walks_the_diagonals() {
        let mut seen = [false; 64];
        let mut diagonal = 0;
        for (index, place) in SCAN.iter().map(|p| usize::from(*p)).enumerate() {
            let (horizontal, vertical) = (place / 8, place % 8);
            assert!(horizontal + vertical >= diagonal, "{index}");
            diagonal = horizontal + vertical;
            seen[place] = true;
            assert_eq!(usize::from(PLACES.as_flattened()[place]), index);
        }
        assert!(seen.iter().all(|seen| *seen));
        // The second place is the first horizontal frequency.
        assert_eq!(SCAN[1], 8);
    }

    #[test]
    fn reconstruction_follows_clause_6_2_1() {
        assert_eq!(Quantiser::new(5).reconstruct(1), 15);
        assert_eq!(Quantiser::new(6).reconstruct(1), 17);
        assert_eq!(Quantiser::new(6).reconstruct(-3), -41);
        assert_eq!(Quantiser::new(31).reconstruct(127), 2047);
        assert_eq!(Quantiser::new(31).reconstruct(-127), -2048);
    }

    #[test]
    fn intra_dc_avoids_its_two_forbidden_codes() {
        assert_eq!(intra_dc(0), (1, 8));
        assert_eq!(intra_dc(1024), (255, 1024));
        assert_eq!(intra_dc(1016), (127, 1016));
        assert_eq!(intra_dc(2040), (254, 2032));
        assert!((0..2040).all(|dc| !matches!(intra_dc(dc).0, 0 | 128)));
    }

    #[test]
    fn choice_beats_plain_quantisation_and_nothing() {
        let mut block = [[0; 8]; 8];
        let mut seed = 3u32;
        for quant in [2u8, 5, 10, 20, 31] {
            let quantiser = Quantiser::new(quant);
            for _ in 0..200 {
                for (index, value) in block.as_flattened_mut().iter_mut().enumerate() {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = i16::try_from(seed >> 20).unwrap() - 2048;
                    *value = noise / (1 + i16::try_from(index).unwrap() * 4);
                }
                let mut levels = Levels::EMPTY;
                let gain = quantiser.inter(&block, &mut levels);
                let rebuilt = quantiser.dequantise(&levels);
                let error = |with: &Block| -> i32 {
                    block
                        .as_flattened()
                        .iter()
                        .zip(with.as_flattened())
                        .map(|(a, b)| (i32::from(*a) - i32::from(*b)).pow(2))
                        .sum()
                };
                let mut writer = BitWriter::default();
                levels.write(&mut writer);
                let bits = u32::try_from(writer.bits()).unwrap();
                let nothing = error(&[[0; 8]; 8]);
                assert_eq!(gain, nothing - error(&rebuilt) - quantiser.cost(bits));
                assert!(gain >= 0);
                assert_eq!(levels.is_empty(), bits == 0);
            }
        }
    }

    #[test]
    fn small_differences_are_not_worth_their_bits() {
        let mut sent = 0;
        for quant in 1..=31u8 {
            let quantiser = Quantiser::new(quant);
            let sad = i16::try_from(quantiser.zero_block_sad()).unwrap();
            // Spread over all samples, and over half of them.
            for (samples, share) in [(64, 64), (32, 32)] {
                let mut block = [[0; 8]; 8];
                for sample in block.as_flattened_mut().iter_mut().take(samples) {
                    *sample = (sad / share).min(255);
                }
                let mut levels = Levels::EMPTY;
                quantiser.inter(&super::super::dct::forward(&block), &mut levels);
                sent += usize::from(!levels.is_empty());
            }
        }
        assert_eq!(sent, 0);
    }
}
