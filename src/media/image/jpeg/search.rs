//! The best encoding of a given number of octets, from coefficients alone.
//!
//! The size of an encoding is told from the counts of its symbols, without writing it. Where a
//! few octets decide, one in so many runs of units tells about where to look, and the whole
//! picture then exactly.

use super::coefficients::Coefficients;
use super::counts::{Counts, Predicted};
use super::emit;
use super::quantise::{Coarseness, Tables};

/// One way to encode coefficients, counted but not written.
pub(super) struct Choice {
    /// How coarse.
    pub(super) coarseness: Coarseness,
    /// What it comes to.
    pub(super) predicted: Predicted,
    tables: Tables,
    counts: Counts,
}

impl Choice {
    /// The encoding of a coarseness.
    pub(super) fn at(coefficients: &Coefficients, coarseness: Coarseness) -> Self {
        Self::of(coefficients, coarseness, Tables::new(coarseness))
    }

    fn of(coefficients: &Coefficients, coarseness: Coarseness, tables: Tables) -> Self {
        let counts = Counts::of(coefficients, &tables);
        Self {
            coarseness,
            predicted: counts.octets(coefficients.chroma),
            tables,
            counts,
        }
    }

    /// The file.
    pub(super) fn file(&self, coefficients: &Coefficients) -> Vec<u8> {
        emit::file(coefficients, &self.tables, &self.counts)
    }
}

/// The finest encoding of at most `budget` octets, no finer than `finest` and no coarser than
/// `coarsest`. `None` where not even that fits.
pub(super) fn finest_within(
    coefficients: &Coefficients,
    budget: f64,
    finest: Coarseness,
    coarsest: Coarseness,
) -> Option<Choice> {
    let mut guide = Guide::new(coefficients, finest, coarsest);
    let mut best: Option<Choice> = None;
    // Coarsenesses known to be too fine and to fit.
    let (mut over, mut fits) = (None::<Coarseness>, None::<Coarseness>);
    let mut too_fine: Option<Tables> = None;
    for look in 0..MOST_LOOKS {
        let wanted = guide.solve(budget * AIM);
        let mut next = wanted;
        if look >= SOON
            && best
                .as_ref()
                .is_some_and(|best| best.predicted.octets >= budget * LATE_ENOUGH)
        {
            break;
        }
        if let Some(over) = over
            && next <= over
        {
            next = fits.map_or_else(|| over.next(), |fits| between(over, fits));
        }
        if let Some(fits) = fits
            && next >= fits
        {
            next = over.map_or(finest, |over| between(over, fits));
        }
        let next = next.clamp(finest, coarsest);
        if over == Some(next) || fits == Some(next) {
            break;
        }
        // Fine quantisers are few: that of the next coarseness may be the same.
        let tables = Tables::new(next);
        if too_fine.as_ref() == Some(&tables) {
            over = Some(next);
            continue;
        }
        if let Some(best) = best.as_mut().filter(|best| best.tables == tables) {
            best.coarseness = next;
            fits = Some(next);
            continue;
        }
        let choice = Choice::of(coefficients, next, tables);
        let octets = choice.predicted.octets;
        guide.correct(next, octets);
        if choice.predicted.most() <= budget {
            fits = Some(next);
            best = Some(choice);
            let enough = if look < SOON { ENOUGH } else { LATE_ENOUGH };
            if octets >= budget * enough || next == finest {
                break;
            }
        } else {
            over = Some(next);
            too_fine = Some(choice.tables);
            if next == coarsest {
                return None;
            }
        }
    }
    best.or_else(|| {
        let choice = Choice::at(coefficients, coarsest);
        (choice.predicted.most() <= budget).then_some(choice)
    })
}

/// The share of a budget that is aimed at, and the share that is enough, at first and later: steps
/// of quantisers are whole, so that there may be nothing in between.
const AIM: f64 = 0.996;
const ENOUGH: f64 = 0.99;
const SOON: usize = 3;
const LATE_ENOUGH: f64 = 0.97;

/// Exact looks after which a search ends.
const MOST_LOOKS: usize = 14;

fn between(over: Coarseness, fits: Coarseness) -> Coarseness {
    Coarseness::nearest((over.real() * fits.real()).sqrt())
}

/// About the octets that a coarseness takes, told from a part of the picture.
pub(super) fn about(coefficients: &Coefficients, coarseness: Coarseness) -> f64 {
    Guide::new(coefficients, coarseness, coarseness)
        .told(coarseness.real().ln())
        .exp()
}

/// Tells about how many octets a coarseness takes, from a part of the picture. Everything is in
/// logarithms: octets fall about as a power of the coarseness.
struct Guide<'a> {
    coefficients: &'a Coefficients,
    every: usize,
    /// Units over units counted.
    share: f64,
    finest: f64,
    coarsest: f64,
    /// What the last exact look came to, over what was told.
    factor: f64,
    near: f64,
    /// Coarsenesses and what they were told to take, from the finest on.
    known: Vec<(f64, f64)>,
}

/// About as many blocks are counted for a guess.
const SAMPLE: usize = 600;

/// The most guesses for one solution, and how near to the goal one has to be for it: before an exact
/// look, and after one.
const GUESSES: usize = 8;
const NEAR: f64 = 0.01;
const NEARER: f64 = 0.003;

impl<'a> Guide<'a> {
    fn new(coefficients: &'a Coefficients, finest: Coarseness, coarsest: Coarseness) -> Self {
        let every = (coefficients.blocks.len() / SAMPLE).max(1);
        Self {
            coefficients,
            every,
            share: real(every),
            finest: finest.real().ln(),
            coarsest: coarsest.real().ln(),
            factor: 0.0,
            near: NEAR,
            known: Vec::new(),
        }
    }

    fn told(&mut self, at: f64) -> f64 {
        let tables = Tables::new(Coarseness::nearest(at.exp()));
        let counts = Counts::sampled(self.coefficients, &tables, self.every);
        let octets = counts.estimate(self.coefficients.chroma, self.share);
        octets.max(1.0).ln()
    }

    /// Learns what a coarseness really takes.
    fn correct(&mut self, coarseness: Coarseness, octets: f64) {
        let at = coarseness.real().ln();
        let told = self.know(at);
        self.factor = octets.max(1.0).ln() - told;
        self.near = NEARER;
    }

    /// What a coarseness is told to take, looked at if it is not known.
    fn know(&mut self, at: f64) -> f64 {
        let place = self.known.partition_point(|&(c, _)| c < at);
        if let Some(&(c, told)) = self.known.get(place)
            && c <= at
        {
            return told;
        }
        let told = self.told(at);
        self.known.insert(place, (at, told));
        told
    }

    /// The coarseness that should take so many octets.
    fn solve(&mut self, octets: f64) -> Coarseness {
        let goal = octets.max(1.0).ln() - self.factor;
        let mut at = f64::midpoint(self.finest, self.coarsest);
        for _ in 0..GUESSES {
            let turned: Vec<(f64, f64)> = self.known.iter().map(|&(c, o)| (-o, c)).collect();
            let found = line(&turned, -goal, 1.0 / SLOPE).unwrap_or(at);
            at = found.clamp(self.finest, self.coarsest);
            let known = |&(c, _): &(f64, f64)| (c - at).abs() < 5e-4;
            if self.known.iter().any(known) || (self.know(at) - goal).abs() < self.near {
                break;
            }
        }
        Coarseness::nearest(at.exp())
    }
}

/// By how much the logarithm of octets falls for the logarithm of coarseness, about.
const SLOPE: f64 = 0.7;

/// The value at `at` of the lines from point to point, which are in their order; beyond the first
/// and the last it goes on by `slope`.
fn line(points: &[(f64, f64)], at: f64, slope: f64) -> Option<f64> {
    let behind = points.partition_point(|&(x, _)| x < at);
    let before = behind.checked_sub(1).and_then(|index| points.get(index));
    match (before, points.get(behind)) {
        (Some(&(x0, y0)), Some(&(x1, y1))) if x1 > x0 => {
            Some(y0 + (y1 - y0) * (at - x0) / (x1 - x0))
        }
        (Some(&(x, y)), _) | (None, Some(&(x, y))) => Some(y + (at - x) * slope),
        (None, None) => None,
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "numbers of blocks are far below 2^52"
)]
fn real(value: usize) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dimensions::Dimensions;
    use crate::media::picture::Chroma;

    /// Blocks of noise that falls with the number of the coefficient.
    fn noise(blocks: usize) -> Coefficients {
        let mut state = 11_u32;
        let blocks = (0..blocks)
            .map(|_| {
                let mut block = [0_i16; 64];
                for (level, k) in block.iter_mut().zip(1..) {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *level = i16::try_from(state >> 20).unwrap() / (k * 2) - 1_024 / k;
                }
                block
            })
            .collect();
        Coefficients {
            size: Dimensions::new(8, 8),
            chroma: Chroma::None,
            blocks,
        }
    }

    fn within(coefficients: &Coefficients, budget: f64) -> Option<Choice> {
        let (fine, coarse) = (Coarseness::of_quality(100), Coarseness::of_quality(5));
        finest_within(coefficients, budget, fine, coarse)
    }

    #[test]
    fn more_octets_are_finer() {
        let coefficients = noise(2_000);
        let mut before = Coarseness::of_quality(1);
        for budget in [12_000.0, 25_000.0, 40_000.0, 60_000.0] {
            let choice = within(&coefficients, budget).unwrap();
            assert!(choice.predicted.most() <= budget);
            assert!(choice.predicted.octets >= budget * 0.97);
            assert!(choice.coarseness < before);
            before = choice.coarseness;
        }
    }

    #[test]
    fn lines_go_through_their_points_and_on() {
        let points = [(1.0, 10.0), (2.0, 8.0), (4.0, 7.0)];
        for (at, expected) in [(1.0, 10.0), (1.5, 9.0), (3.0, 7.5), (0.0, 11.0), (5.0, 6.0)] {
            assert_eq!(line(&points, at, -1.0), Some(expected), "{at}");
        }
        assert_eq!(line(&[], 1.0, -1.0), None);
    }

    #[test]
    fn a_part_tells_what_the_whole_takes() {
        let coefficients = noise(6_000);
        let coarseness = Coarseness::of_quality(60);
        let whole = Choice::at(&coefficients, coarseness).predicted.octets;
        assert!((about(&coefficients, coarseness) / whole - 1.0).abs() < 0.05);
    }

    #[test]
    fn no_finer_than_asked() {
        let coefficients = noise(100);
        let choice = within(&coefficients, 1e9).unwrap();
        assert_eq!(choice.coarseness.quality(), 100);
        assert!(within(&coefficients, 50.0).is_none());
    }
}
