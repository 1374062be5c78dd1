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
        let tables = Tables::new(coarseness);
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
    for _ in 0..MOST_LOOKS {
        let wanted = guide.solve(budget * AIM);
        let mut next = wanted;
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
        let choice = Choice::at(coefficients, next);
        let octets = choice.predicted.octets;
        guide.correct(next, octets);
        if choice.predicted.most() <= budget {
            fits = Some(next);
            best = Some(choice);
            if octets >= budget * ENOUGH || next == finest {
                break;
            }
        } else {
            over = Some(next);
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

/// The share of a budget that is aimed at, and the share that is enough.
const AIM: f64 = 0.996;
const ENOUGH: f64 = 0.99;

/// Exact looks after which a search ends.
const MOST_LOOKS: usize = 12;

fn between(over: Coarseness, fits: Coarseness) -> Coarseness {
    Coarseness::nearest((over.real() * fits.real()).sqrt())
}

/// Tells about how many octets a coarseness takes, from a part of the picture.
struct Guide<'a> {
    coefficients: &'a Coefficients,
    every: usize,
    /// Units over units counted.
    share: f64,
    finest: f64,
    coarsest: f64,
    /// What exact looks came to over what was told.
    factor: f64,
    known: Vec<(Coarseness, f64)>,
}

/// About as many blocks are counted for a guess.
const SAMPLE: usize = 600;

impl<'a> Guide<'a> {
    fn new(coefficients: &'a Coefficients, finest: Coarseness, coarsest: Coarseness) -> Self {
        let every = (coefficients.blocks.len() / SAMPLE).max(1);
        Self {
            coefficients,
            every,
            share: real(every),
            finest: finest.real(),
            coarsest: coarsest.real(),
            factor: 1.0,
            known: Vec::new(),
        }
    }

    fn told(&mut self, coarseness: Coarseness) -> f64 {
        if let Some((_, octets)) = self.known.iter().find(|(known, _)| *known == coarseness) {
            return *octets;
        }
        let tables = Tables::new(coarseness);
        let counts = Counts::sampled(self.coefficients, &tables, self.every);
        let octets = counts.estimate(self.coefficients.chroma, self.share);
        self.known.push((coarseness, octets));
        octets
    }

    /// Learns what a coarseness really takes.
    fn correct(&mut self, coarseness: Coarseness, octets: f64) {
        self.factor = octets / self.told(coarseness).max(1.0);
    }

    /// The coarseness that should take so many octets.
    fn solve(&mut self, octets: f64) -> Coarseness {
        let goal = (octets / self.factor.max(1e-6)).max(1.0).ln();
        let (mut low, mut high) = (self.finest.ln(), self.coarsest.ln());
        let mut at = (low + high) / 2.0;
        let mut low_value = None;
        let mut high_value = None;
        for _ in 0..10 {
            let value = self.told(Coarseness::nearest(at.exp())).max(1.0).ln() - goal;
            if value.abs() < 0.002 {
                break;
            }
            if value > 0.0 {
                (low, low_value) = (at, Some(value));
            } else {
                (high, high_value) = (at, Some(value));
            }
            if high - low < 0.002 {
                at = high;
                break;
            }
            // Octets fall about as a power of the coarseness.
            at = match (low_value, high_value) {
                (Some(a), Some(b)) => {
                    let share = (a / (a - b)).clamp(0.05, 0.95);
                    low + (high - low) * share
                }
                (Some(a), None) => (at + a / SLOPE).min(high),
                (None, Some(b)) => (at + b / SLOPE).max(low),
                (None, None) => at,
            };
        }
        Coarseness::nearest(at.exp())
    }
}

/// By how much the logarithm of octets falls for the logarithm of coarseness, about.
const SLOPE: f64 = 0.7;

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
    fn no_finer_than_asked() {
        let coefficients = noise(100);
        let choice = within(&coefficients, 1e9).unwrap();
        assert_eq!(choice.coarseness.quality(), 100);
        assert!(within(&coefficients, 50.0).is_none());
    }
}
