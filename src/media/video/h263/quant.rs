//! Quantisation (H.263 clause 6.2) and the choice of levels by rate and distortion.

use super::bits::BitWriter;
use super::dct::Block;
use super::vlc::{tcoef_bits, write_tcoef};

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

/// The greatest magnitude of LEVEL (table 17).
const MAX_LEVEL: u16 = 127;

/// How far back an event may look for the one before it: the most coefficients in a row that
/// are given up for their cost in bits.
const REACH: u8 = 2;

/// One coefficient of a block as it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Event {
    /// Place in the zigzag.
    position: u8,
    /// −127..=127, not 0.
    level: i16,
}

/// The quantised coefficients of a block, INTRADC apart.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    events: [Event; 64],
    count: usize,
    /// The zigzag's first place that is coded so: 1 for INTRA blocks, else 0.
    first: u8,
    /// Room for the choice, kept since filling it anew takes longer than the choice.
    candidates: [Candidate; 64],
    nodes: [Node; 64],
}

impl Levels {
    /// No coefficient.
    pub(super) const EMPTY: Self = Self {
        events: [Event {
            position: 0,
            level: 0,
        }; 64],
        count: 0,
        first: 0,
        candidates: [Candidate {
            position: 0,
            level: 0,
            value: 0,
        }; 64],
        nodes: [Node {
            cost: 0,
            level: 0,
            next: 0,
            back: NO_NODE,
        }; 64],
    };

    /// Forgets all coefficients.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Whether no coefficient is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn events(&self) -> &[Event] {
        self.events.get(..self.count).unwrap_or_default()
    }

    /// Appends all events.
    pub(super) fn write(&self, to: &mut BitWriter) {
        let mut next = self.first;
        for (index, event) in self.events().iter().enumerate() {
            let run = event.position - next;
            write_tcoef(to, index + 1 == self.count, run, event.level);
            next = event.position + 1;
        }
    }
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

/// The decision about one block, against sending no coefficient of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Gain {
    /// Squared error and bits, weighed, that sending the events saves; never negative.
    pub(super) cost: i32,
}

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

    /// Chooses the levels of a predicted block.
    pub(super) fn inter(&self, coefficients: &Block, levels: &mut Levels) -> Gain {
        levels.first = 0;
        self.choose(coefficients, levels)
    }

    /// Chooses the levels of an INTRA block, INTRADC apart.
    pub(super) fn intra(&self, coefficients: &Block, levels: &mut Levels) -> Gain {
        levels.first = 1;
        self.choose(coefficients, levels)
    }

    /// The coefficient a decoder finds for `level` (clause 6.2.1).
    fn reconstruct(&self, level: i16) -> i16 {
        let step = i16::from(self.step);
        let magnitude = step * (2 * level.abs() + 1) - (1 - step % 2);
        if level < 0 {
            (-magnitude).max(-2048)
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

    /// Quantises to the nearest level, 1 from 7/4 QUANT on, and leaves
    /// `levels` with the cheapest choice among those levels, the next lower ones, and none.
    fn choose(&self, coefficients: &Block, levels: &mut Levels) -> Gain {
        levels.count = 0;
        let offset = u16::from(self.step) / 4;
        let magnitudes = quantise(coefficients, offset, self.reciprocal);
        let columns = occupied(&magnitudes);
        if columns == [0; 8] {
            return Gain::default();
        }
        // Places in the zigzag that have a level.
        let mut places = 0u64;
        for (rows, [low, high]) in columns.iter().zip(&PLACE_SETS) {
            places |= set_of(low, *rows) | set_of(high, *rows >> 4);
        }
        places &= u64::MAX << levels.first;
        if places == 0 {
            return Gain::default();
        }
        let Levels {
            events,
            candidates,
            nodes,
            ..
        } = levels;
        let mut count = 0;
        for candidate in candidates.iter_mut() {
            if places == 0 {
                break;
            }
            let place = places.trailing_zeros();
            places &= places - 1;
            let position = u8::try_from(place).unwrap_or(0) & 63;
            let index = SCAN.get(usize::from(position)).copied().unwrap_or(0);
            let index = usize::from(index & 63);
            let level = magnitudes.as_flattened().get(index).copied();
            let value = coefficients.as_flattened().get(index).copied();
            *candidate = Candidate {
                position,
                level: level.unwrap_or(0).min(MAX_LEVEL).cast_signed(),
                value: value.unwrap_or(0),
            };
            count += 1;
        }
        let candidates = candidates.get(..count).unwrap_or_default();
        let (gain, kept) = self.cheapest(candidates, levels.first, nodes, events);
        levels.count = kept;
        gain
    }

    /// What a level of magnitude `level` saves in squared error against leaving the coefficient
    /// out.
    fn saved(&self, value: i16, level: i16) -> i32 {
        let rebuilt = self.reconstruct(if value < 0 { -level } else { level });
        let error = i32::from(value) - i32::from(rebuilt);
        i32::from(value) * i32::from(value) - error * error
    }

    /// The lowest level worth a try: the next lower one, unless its error is far greater.
    fn lowest(&self, candidate: &Candidate) -> i16 {
        let Candidate { level, value, .. } = *candidate;
        let middle = u16::from(self.step) * (2 * level.unsigned_abs() + 1);
        if level > 1 && value.unsigned_abs() < middle {
            level - 1
        } else {
            level
        }
    }

    /// The shortest path through the candidates: each is kept with its level, kept with the next
    /// lower one, or left out, and one of those kept is the last. Returns what it gains and how
    /// many events were written.
    #[inline(never)]
    fn cheapest(
        &self,
        candidates: &[Candidate],
        first: u8,
        nodes: &mut [Node; 64],
        events: &mut [Event; 64],
    ) -> (Gain, usize) {
        let mut end = Choice::NOTHING;
        for (index, candidate) in (0u8..).zip(candidates) {
            let reach = index.saturating_sub(REACH);
            let mut best = Choice::NONE;
            let lowest = self.lowest(candidate);
            for level in lowest..=candidate.level {
                let saved = self.saved(candidate.value, level);
                let [more, last] = tcoef_bits(level.unsigned_abs());
                let mut step = |cost: i32, next: u8, back: u8| {
                    let run = usize::from(candidate.position.wrapping_sub(next) & 63);
                    let rate = |table: &[u8; 64]| {
                        let bits = table.get(run).copied().unwrap_or(0);
                        self.lambda.wrapping_mul(bits.into())
                    };
                    let cost = cost.wrapping_sub(saved);
                    let choice = |rate| Choice::new(cost.wrapping_add(rate), index, level, back);
                    best = best.min(choice(rate(more)));
                    end = end.min(choice(rate(last)));
                };
                if reach == 0 {
                    step(0, first, NO_NODE);
                }
                let before = nodes.get(usize::from(reach)..usize::from(index));
                let mut back = reach;
                for node in before.unwrap_or_default() {
                    step(node.cost, node.next, back);
                    back = back.wrapping_add(1);
                }
            }
            if let Some(node) = nodes.get_mut(usize::from(index)) {
                let (_, level, back) = best.parts();
                *node = Node {
                    cost: best.cost(),
                    level,
                    next: candidate.position + 1,
                    back,
                };
            }
        }
        let cost = end.cost();
        let kept = if cost < 0 {
            collect(candidates, nodes, end, events)
        } else {
            0
        };
        (Gain { cost: -cost }, kept)
    }
}

/// A cost and what leads to it, in one number so that the cheaper is the smaller: from the top,
/// the cost, the candidate, its level, and the candidate before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Choice(i64);

impl Choice {
    /// Sending nothing.
    const NOTHING: Self = Self(0);
    /// Dearer than any.
    const NONE: Self = Self(i64::MAX);

    #[inline]
    fn new(cost: i32, index: u8, level: i16, back: u8) -> Self {
        let rest = (i64::from(index) << 16) | (i64::from(level) << 8) | i64::from(back);
        Self((i64::from(cost) << 24) | rest)
    }

    fn cost(self) -> i32 {
        i32::try_from(self.0 >> 24).unwrap_or(i32::MAX)
    }

    /// The candidate, its level and the candidate before.
    fn parts(self) -> (u8, i16, u8) {
        let [.., index, level, back] = self.0.to_be_bytes();
        (index, i16::from(level), back)
    }
}

/// λ in units of QUANT² / 128.
const LAMBDA_128: i32 = 97;

/// A coefficient that plain quantisation keeps.
#[derive(Debug, Clone, Copy, Default)]
struct Candidate {
    position: u8,
    /// Magnitude of the level.
    level: i16,
    /// The coefficient.
    value: i16,
}

/// The cheapest way to code everything up to and including a candidate.
#[derive(Debug, Clone, Copy, Default)]
struct Node {
    cost: i32,
    /// Magnitude of the level.
    level: i16,
    /// The place after the candidate.
    next: u8,
    /// The candidate kept before this, or [`NO_NODE`].
    back: u8,
}

/// The beginning of the block.
const NO_NODE: u8 = u8::MAX;

/// Writes the path that ends in `last` and returns its length.
fn collect(
    candidates: &[Candidate],
    nodes: &[Node; 64],
    last: Choice,
    events: &mut [Event; 64],
) -> usize {
    let (mut index, mut level, mut back) = last.parts();
    let mut count = 0;
    for event in events.iter_mut() {
        let Some(candidate) = candidates.get(usize::from(index)) else {
            break;
        };
        let negative = candidate.value < 0;
        *event = Event {
            position: candidate.position,
            level: if negative { -level } else { level },
        };
        count += 1;
        if back == NO_NODE {
            break;
        }
        index = back;
        let Some(node) = nodes.get(usize::from(index)) else {
            break;
        };
        (level, back) = (node.level, node.back);
    }
    if let Some(events) = events.get_mut(..count) {
        events.reverse();
    }
    count
}

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
                assert_eq!(gain.cost, nothing - error(&rebuilt) - quantiser.cost(bits));
                assert!(gain.cost >= 0);
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
