//! How often each symbol of a file occurs, and how many octets that makes: the size of an encoding
//! that is not written.

use super::coefficients::{Block, Coefficients, components};
use super::lanes;
use super::lengths::Lengths;
use super::quantise::{Divisor, Tables};
use crate::media::picture::Chroma;

/// Occurrences of the symbols of luma and of colour.
#[derive(Clone)]
pub(super) struct Counts {
    /// Sizes of differences of DC coefficients.
    pub(super) dc: [[u32; 256]; 2],
    /// Runs and sizes of AC coefficients.
    pub(super) ac: [[u32; 256]; 2],
    /// Bits of the values that follow the symbols.
    values: u64,
}

/// The symbol of sixteen zeros.
pub(super) const ZEROS: u8 = 0xF0;

/// The symbol of the end of a block.
pub(super) const END: u8 = 0;

impl Counts {
    fn new() -> Self {
        Self {
            dc: [[0; 256]; 2],
            ac: [[0; 256]; 2],
            values: 0,
        }
    }

    /// Of the whole picture.
    pub(super) fn of(coefficients: &Coefficients, tables: &Tables) -> Self {
        let mut counts = Self::new();
        counts.add(
            coefficients,
            &coefficients.blocks,
            [0; 3],
            &tables.divisors(),
        );
        counts
    }

    /// Of one in `every` runs of units, all over the picture.
    pub(super) fn sampled(coefficients: &Coefficients, tables: &Tables, every: usize) -> Self {
        let divisors = tables.divisors();
        let unit = components(coefficients.chroma);
        let run = unit.len() * RUN;
        let mut counts = Self::new();
        for (index, blocks) in coefficients
            .blocks
            .chunks(run)
            .enumerate()
            .step_by(every.max(1))
        {
            let before = coefficients.blocks.get(..index * run).unwrap_or_default();
            let mut last = [0; 3];
            let unit_before = before.rchunks_exact(unit.len()).next().unwrap_or_default();
            for (block, &component) in unit_before.iter().zip(unit) {
                if let (Some(last), Some(divisor)) = (
                    last.get_mut(component),
                    divisors.get(usize::from(component > 0)),
                ) {
                    *last = divisor.levels(block).0.first().copied().unwrap_or(0).into();
                }
            }
            counts.add(coefficients, blocks, last, &divisors);
        }
        counts
    }

    fn add(
        &mut self,
        coefficients: &Coefficients,
        blocks: &[Block],
        mut before: [i32; 3],
        divisors: &[Divisor; 2],
    ) {
        let unit = components(coefficients.chroma);
        lanes::widest(
            #[inline(always)]
            || {
                let [luma, colour] = divisors;
                for blocks in blocks.chunks_exact(unit.len()) {
                    for (block, &component) in blocks.iter().zip(unit) {
                        let kind = usize::from(component > 0);
                        let divisor = if component > 0 { colour } else { luma };
                        let (levels, mask) = divisor.levels(block);
                        let (Some(before), Some(dc), Some(ac)) = (
                            before.get_mut(component),
                            self.dc.get_mut(kind),
                            self.ac.get_mut(kind),
                        ) else {
                            continue;
                        };
                        let mean = i32::from(levels[0]);
                        let size = bits_of(mean - *before);
                        *before = mean;
                        count(dc, size);
                        self.values += u64::from(size);
                        each(&levels, mask, |zeros, level| {
                            for _ in 0..zeros / 16 {
                                count(ac, u32::from(ZEROS));
                            }
                            let size = bits_of(level);
                            self.values += u64::from(size);
                            count(ac, ((zeros % 16) << 4) | size);
                        });
                        if mask >> 63 == 0 {
                            count(ac, u32::from(END));
                        }
                    }
                }
            },
        );
    }

    /// The best codes for these counts: DC and AC of luma, and of colour where there is some.
    pub(super) fn lengths(&self, chroma: Chroma) -> Vec<(Lengths, Lengths)> {
        let kinds = if chroma == Chroma::None { 1 } else { 2 };
        self.dc
            .iter()
            .zip(&self.ac)
            .take(kinds)
            .map(|(dc, ac)| (Lengths::best(dc), Lengths::best(ac)))
            .collect()
    }

    /// Octets of the file: `exact` but for the zeros that are stuffed behind octets FF, of which
    /// about as many as are usual are counted.
    pub(super) fn octets(&self, chroma: Chroma) -> Predicted {
        let lengths = self.lengths(chroma);
        let mut bits = self.values;
        let mut head = super::emit::head_octets(chroma);
        for ((dc, ac), (dc_counts, ac_counts)) in lengths.iter().zip(self.dc.iter().zip(&self.ac)) {
            bits += dc.bits(dc_counts) + ac.bits(ac_counts);
            head += dc.values.len() + ac.values.len();
        }
        let octets = real(bits) / 8.0;
        Predicted {
            octets: octets * (1.0 + STUFFED) + real_size(head),
            stuffed: octets * STUFFED,
        }
    }

    /// About the octets of the file where only one in `every` runs was counted.
    pub(super) fn estimate(&self, chroma: Chroma, every: f64) -> f64 {
        let mut bits = real(self.values);
        let mut kinds = 0;
        for counts in self.dc.iter().chain(&self.ac) {
            let sum: u64 = counts.iter().map(|&count| u64::from(count)).sum();
            for &count in counts.iter().filter(|&&count| count > 0) {
                bits += f64::from(count) * (real(sum) / f64::from(count)).log2();
                kinds += 1;
            }
        }
        bits * every / 8.0 * (1.01 + STUFFED) + real_size(super::emit::head_octets(chroma) + kinds)
    }
}

/// Units side by side that are counted together.
const RUN: usize = 4;

/// Zeros stuffed for each octet of a scan, over many pictures.
const STUFFED: f64 = 0.0035;

/// A size that is told without writing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Predicted {
    /// Octets of the file.
    pub(super) octets: f64,
    /// How many of them are stuffed zeros, which is a guess.
    stuffed: f64,
}

impl Predicted {
    /// Octets that the file will all but never exceed: three deviations of a rare event above.
    pub(super) fn most(&self) -> f64 {
        self.octets + 3.0 * self.stuffed.max(1.0).sqrt() + 1.0
    }
}

#[inline(always)]
fn count(counts: &mut [u32; 256], symbol: u32) {
    if let Some(count) = counts.get_mut((symbol & 0xFF) as usize) {
        *count = count.wrapping_add(1);
    }
}

/// Calls `symbol` for each AC coefficient that is not zero, with the zeros before it.
#[inline(always)]
pub(super) fn each(levels: &[i16; 64], mask: u64, mut symbol: impl FnMut(u32, i32)) {
    let mut left = mask & !1;
    let mut last = 0_u32;
    while left != 0 {
        let k = left.trailing_zeros();
        left &= left - 1;
        let level = levels.get((k & 63) as usize).copied().unwrap_or(0);
        symbol(k.wrapping_sub(last).wrapping_sub(1), i32::from(level));
        last = k;
    }
}

/// Bits of the size of a value (F.1.2.1).
#[inline(always)]
pub(super) const fn bits_of(value: i32) -> u32 {
    32 - value.unsigned_abs().leading_zeros()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "bits of one picture are far below 2^52"
)]
fn real(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss, reason = "octets of one header are few")]
fn real_size(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bits() {
        let sizes = [0, 1, -1, 2, 3, -4, 255, -256, 1023].map(bits_of);
        assert_eq!(sizes, [0, 1, 1, 2, 2, 3, 8, 9, 10]);
    }

    #[test]
    fn each_coefficient_comes_with_the_zeros_before_it() {
        let mut levels = [0; 64];
        (levels[0], levels[1], levels[5], levels[63]) = (9, 2, -3, 1);
        let mask = levels
            .iter()
            .enumerate()
            .fold(0, |mask, (k, &level)| mask | u64::from(level != 0) << k);
        let mut seen = Vec::new();
        each(&levels, mask, |zeros, level| seen.push((zeros, level)));
        assert_eq!(seen, [(0, 2), (3, -3), (57, 1)]);
    }

    #[test]
    fn symbols_are_counted_as_they_are_written() {
        let mut block = [0; 64];
        // Sixteen zeros and one more, then a level of two bits.
        (block[0], block[18]) = (5 * 8 * 16, 3 * 8);
        let coefficients = Coefficients {
            size: crate::dimensions::Dimensions::new(8, 8),
            chroma: Chroma::None,
            blocks: vec![block],
        };
        let mut tables = Tables::new(super::super::quantise::Coarseness::of_quality(100));
        tables.steps[0][0] = 16;
        let counts = Counts::of(&coefficients, &tables);
        assert_eq!(counts.dc[0][3], 1);
        let ac = &counts.ac[0];
        assert_eq!(
            (ac[usize::from(ZEROS)], ac[0x12], ac[usize::from(END)]),
            (1, 1, 1)
        );
        assert_eq!(counts.values, 3 + 2);
    }

    #[test]
    fn what_is_told_has_room_for_chance() {
        let predicted = Predicted {
            octets: 1_000.0,
            stuffed: 4.0,
        };
        assert!((predicted.most() - 1_007.0).abs() < 1e-9);
    }
}
