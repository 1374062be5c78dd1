//! The search where the lever is a quality.

use super::curve::{HEAD_BYTES, SIDE_POWER, floor, rate, real, scaled, side_ratio};
use super::{Attempt, ENOUGH, FLOOR_QUALITY, Search, TOO_MANY};
use crate::dimensions::Dimensions;
use crate::media::error::MediaError;

/// The quality tried first: where it fits at full size, the size stays.
const PIVOT: u8 = 75;

/// The quality a picture is shrunk for.
const AIM: u8 = 70;

/// The quality at which a shrunk picture is shrunk again rather than blurred.
const BLURRED: u8 = 55;

impl Search<'_> {
    pub(super) fn by_quality(&mut self, expected: u64) -> Result<(), MediaError> {
        let ceiling = self.start.quality.clamp(1, 100);
        let floor = floor(self.start.size);
        let mut tries = Tries::default();
        let mut size = self.start.size;
        let mut quality = if self.fill(expected) < 0.6 {
            ceiling
        } else {
            PIVOT.min(ceiling)
        };
        loop {
            let octets = self.attempt(Attempt {
                size,
                quality,
                ..self.start
            })?;
            tries.add(quality, octets, self.budget);
            let fits = octets <= self.budget;
            if self.best.is_some() && self.encodes >= ENOUGH || self.encodes >= TOO_MANY {
                break;
            }
            if fits && (self.fill(octets) >= 0.96 || quality >= ceiling) {
                break;
            }
            let next = tries.predict(self.budget, ceiling);
            let whole = size == self.start.size;
            let lowest = if size == floor {
                FLOOR_QUALITY
            } else if whole {
                AIM
            } else {
                BLURRED
            }
            .min(ceiling);
            // Far off at a size that was guessed: guess again.
            let guessed_small = fits && !whole && self.fill(octets) < 0.7 && quality <= AIM;
            match next {
                Some(next) if next >= lowest && !guessed_small => quality = next,
                None if fits || self.best.is_some() => break,
                _ if size == floor => {
                    if tries.lowest() <= FLOOR_QUALITY {
                        break;
                    }
                    quality = FLOOR_QUALITY;
                }
                _ => {
                    let aim = AIM.min(ceiling);
                    let at_aim = real(octets) * (rate(aim) - rate(quality)).exp();
                    let smaller = self.rescaled(size, at_aim, floor);
                    if smaller == size {
                        break;
                    }
                    size = smaller;
                    quality = aim;
                    tries = Tries::default();
                }
            }
        }
        if self.best.is_none() {
            let last = Attempt {
                size: floor,
                quality: FLOOR_QUALITY.min(ceiling),
                ..self.start
            };
            self.attempt(last)?;
        }
        Ok(())
    }

    /// The size at which what takes `octets` at `size` would nearly fill the budget.
    fn rescaled(&self, size: Dimensions, octets: f64, floor: Dimensions) -> Dimensions {
        let want = (0.95 * real(self.budget) - HEAD_BYTES).max(1.0);
        let have = (octets - HEAD_BYTES).max(1.0);
        scaled(
            self.start.size,
            side_ratio(size, self.start.size) * (want / have).powf(1.0 / SIDE_POWER),
            floor,
        )
    }
}

/// What was tried at one size.
#[derive(Default)]
struct Tries {
    /// The highest quality that fitted, with its octets.
    fitted: Option<(u8, u64)>,
    /// The lowest quality that did not.
    over: Option<(u8, u64)>,
    last: Option<(u8, u64)>,
    before: Option<(u8, u64)>,
}

impl Tries {
    fn add(&mut self, quality: u8, octets: u64, budget: u64) {
        let try_ = (quality, octets);
        if octets <= budget {
            if self.fitted.is_none_or(|(best, _)| quality > best) {
                self.fitted = Some(try_);
            }
        } else if self.over.is_none_or(|(worst, _)| quality < worst) {
            self.over = Some(try_);
        }
        self.before = self.last.replace(try_);
    }

    fn lowest(&self) -> u8 {
        let quality = |entry: Option<(u8, u64)>| entry.map_or(u8::MAX, |(quality, _)| quality);
        quality(self.fitted).min(quality(self.over))
    }

    /// The highest quality that should fit and was not tried; `None` where there is none between
    /// what fitted and what did not.
    fn predict(&self, budget: u64, ceiling: u8) -> Option<u8> {
        let (quality, octets) = self.last?;
        let above = self
            .fitted
            .map_or(1, |(fitted, _)| fitted.saturating_add(1));
        let below = self
            .over
            .map_or(ceiling, |(over, _)| over.saturating_sub(1))
            .min(ceiling);
        if above > below {
            return None;
        }
        // Two tries tell how steeply this picture follows the common curve.
        let steepness = self.before.map_or(1.0, |(other, other_octets)| {
            let rates = rate(quality) - rate(other);
            let logs = (real(octets.max(1)) / real(other_octets.max(1))).ln();
            if rates.abs() < 0.01 {
                1.0
            } else {
                (logs / rates).clamp(0.4, 2.5)
            }
        });
        let want = (0.985 * real(budget) / real(octets.max(1))).ln() / steepness + rate(quality);
        let wanted = (1..=100)
            .rev()
            .find(|&candidate| rate(candidate) <= want)
            .unwrap_or(1);
        Some(wanted.clamp(above, below))
    }
}
