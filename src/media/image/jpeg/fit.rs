//! Size, quality and sampling of colour for a number of octets.
//!
//! Everything is decided on sizes that are told from coefficients; a file is written once, when
//! all is decided. The rules are those of [`fit`](crate::media::fit): the size stays while a
//! quality around 70 fits, since below it fewer sharp pixels look better than many blurred ones;
//! above a quality of 88 colour gets its full resolution before finer steps.

use super::coefficients::Coefficients;
use super::quantise::Coarseness;
use super::resize::{Scaler, Span};
use super::search::{self, Choice, finest_within};
use super::upsample;
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::Fitted;
use crate::media::error::MediaError;
use crate::media::fit::{
    FLOOR_QUALITY, HEAD_BYTES, SIDE_POWER, floor, rounded_octets, scaled, side_ratio, utility,
};
use crate::media::picture::{Chroma, Planes};

/// The quality from which colour keeps its full resolution where octets do not matter: above it
/// halving the colour costs more than coarser steps would.
pub(super) const FULL_CHROMA: u8 = 95;

/// The quality at half the colour from which a search looks at full colour, and the lowest it then
/// takes.
pub(super) const FINE: u8 = 88;
const FINE_ENOUGH: u8 = 84;

/// The share of the octets that [`FINE`] at half the colour is told to take where that is surely met.
const SURELY: f64 = 0.95;

/// The quality at which the size stays, the one a picture is shrunk for, and the lowest that a
/// shrunk picture is left at.
const KEEP: u8 = 70;
const AIM: u8 = 70;
const BLURRED: u8 = 60;

/// Encodes `planes` at `quality` or below, in at most `budget` octets where there is a budget.
pub(super) fn fit(
    planes: &Planes,
    quality: u8,
    budget: Option<u64>,
    cancel: &Cancel,
) -> Result<Fitted, MediaError> {
    cancel.check()?;
    let finest = Coarseness::of_quality(quality);
    let Some(budget) = budget else {
        let full = planes.chroma == Chroma::Full && quality >= FULL_CHROMA;
        let coefficients = if full {
            Coefficients::of(planes)
        } else {
            halved(planes)
        };
        let choice = Choice::at(&coefficients, finest);
        return Ok(Fitted {
            bytes: choice.file(&coefficients),
            size: planes.size,
            frames: 1,
            quality: Some(quality),
            encodes: 1,
        });
    };
    let fitting = Fitting {
        planes,
        finest,
        budget: real(budget),
        cancel,
    };
    let (coefficients, choice) = fitting.best()?;
    written(&coefficients, choice, budget, quality)
}

/// Writes a choice; where the zeros stuffed into it take more octets than was to be expected, a
/// coarser one.
fn written(
    coefficients: &Coefficients,
    mut choice: Choice,
    budget: u64,
    quality: u8,
) -> Result<Fitted, MediaError> {
    let mut encodes = 1;
    loop {
        let bytes = choice.file(coefficients);
        let octets = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if octets <= budget {
            return Ok(Fitted {
                bytes,
                size: coefficients.size,
                frames: 1,
                quality: Some(choice.coarseness.quality().min(quality)),
                encodes,
            });
        }
        let coarser = choice.coarseness.next();
        if coarser.quality() <= 1 {
            return Err(MediaError::TargetTooSmall { smallest: octets });
        }
        choice = Choice::at(coefficients, coarser);
        encodes += 1;
    }
}

struct Fitting<'a> {
    planes: &'a Planes,
    finest: Coarseness,
    budget: f64,
    cancel: &'a Cancel,
}

impl Fitting<'_> {
    fn best(&self) -> Result<(Coefficients, Choice), MediaError> {
        let keep = Coarseness::of_quality(KEEP).max(self.finest);
        let whole = halved(self.planes);
        let fine = Coarseness::of_quality(FINE);
        let has_full = self.planes.chroma == Chroma::Full && self.finest <= fine;
        // Far above it needs no exact look to see that colour gets its full resolution.
        let surely = has_full && search::about(&whole, fine) < SURELY * self.budget;
        if surely && let Some(full) = self.in_full_colour() {
            return Ok(full);
        }
        if let Some(choice) = finest_within(&whole, self.budget, self.finest, keep) {
            if !surely
                && has_full
                && choice.coarseness.quality() >= FINE
                && let Some(full) = self.in_full_colour()
            {
                return Ok(full);
            }
            return Ok((whole, choice));
        }
        self.smaller(whole)
    }

    fn in_full_colour(&self) -> Option<(Coefficients, Choice)> {
        let full = Coefficients::of(self.planes);
        let enough = Coarseness::of_quality(FINE_ENOUGH).max(self.finest);
        let choice = finest_within(&full, self.budget, self.finest, enough)?;
        Some((full, choice))
    }

    /// Shrinks until a quality around [`AIM`] fits.
    fn smaller(&self, whole: Coefficients) -> Result<(Coefficients, Choice), MediaError> {
        let floor = floor(whole.size);
        let full_size = whole.size;
        let aim = Coarseness::of_quality(AIM).max(self.finest);
        let lowest = Coarseness::of_quality(FLOOR_QUALITY).max(self.finest);
        let mut coefficients = whole;
        let mut best: Option<(f64, Coefficients, Choice)> = None;
        for _ in 0..TRIES {
            self.cancel.check()?;
            let at_aim = Choice::at(&coefficients, aim).predicted.octets;
            let size = self.rescaled(coefficients.size, full_size, at_aim, floor);
            if size != coefficients.size {
                coefficients = halved(&resized(self.planes, size));
            }
            let Some(choice) = finest_within(&coefficients, self.budget, self.finest, lowest)
            else {
                if size == floor {
                    let least = Choice::at(&coefficients, lowest).predicted.most();
                    return best
                        .map(|(_, coefficients, choice)| (coefficients, choice))
                        .ok_or(MediaError::TargetTooSmall {
                            smallest: rounded_octets(least),
                        });
                }
                continue;
            };
            let quality = choice.coarseness.quality();
            let worth = utility(side_ratio(size, full_size), quality);
            let done = (BLURRED..=GOOD).contains(&quality) || size == floor || size == full_size;
            if done || best.as_ref().is_none_or(|(most, _, _)| worth > *most) {
                if done {
                    return Ok((coefficients, choice));
                }
                // What it looks at next starts from the same size.
                let again = halved(&resized(self.planes, size));
                best = Some((worth, coefficients, choice));
                coefficients = again;
            }
        }
        best.map(|(_, coefficients, choice)| (coefficients, choice))
            .ok_or(MediaError::TargetTooSmall {
                smallest: rounded_octets(self.budget) + 1,
            })
    }

    /// The size at which what takes `octets` at `size` would nearly fill the budget.
    fn rescaled(
        &self,
        size: Dimensions,
        full: Dimensions,
        octets: f64,
        floor: Dimensions,
    ) -> Dimensions {
        let want = (0.99 * self.budget - HEAD_BYTES).max(1.0);
        let have = (octets - HEAD_BYTES).max(1.0);
        let ratio = side_ratio(size, full) * (want / have).powf(1.0 / SIDE_POWER);
        scaled(full, ratio, floor)
    }
}

/// Sizes tried before the best of them is taken.
const TRIES: usize = 5;

/// The quality above which a shrunk picture was shrunk too far.
const GOOD: u8 = 80;

/// The coefficients of planes with half the colour.
fn halved(planes: &Planes) -> Coefficients {
    if planes.chroma == Chroma::Full {
        let width = usize::try_from(planes.size.width).unwrap_or(usize::MAX);
        let [cb, cr] = [&planes.cb, &planes.cr].map(|plane| upsample::halved(plane, width));
        Coefficients::of_samples(planes.size, Chroma::Half, [&planes.y, &cb, &cr])
    } else {
        Coefficients::of(planes)
    }
}

/// Planes of another size.
pub(super) fn resized(planes: &Planes, size: Dimensions) -> Planes {
    if planes.size == size {
        return planes.clone();
    }
    let luma = |plane: &[u8]| resized_plane(plane, planes.size, planes.size, size, size, 1.0);
    let colour = |plane: &[u8]| {
        let from = planes.chroma.plane(planes.size);
        let to = planes.chroma.plane(size);
        let part = if planes.chroma == Chroma::Half {
            2.0
        } else {
            1.0
        };
        match (from, to) {
            (Some(from), Some(to)) => resized_plane(plane, from, planes.size, to, size, part),
            _ => Vec::new(),
        }
    };
    Planes {
        size,
        y: luma(&planes.y),
        cb: colour(&planes.cb),
        cr: colour(&planes.cr),
        ..*planes
    }
}

/// A plane of `from` samples, one for `part` pixels of a picture of `whole` a side.
fn resized_plane(
    plane: &[u8],
    from: Dimensions,
    whole: Dimensions,
    to: Dimensions,
    whole_to: Dimensions,
    part: f64,
) -> Vec<u8> {
    let side = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    let span = |from: u32, whole: u32, to: u32, whole_to: u32| Span {
        from: side(from),
        from_extent: f64::from(whole) / part,
        to: side(to),
        to_extent: f64::from(whole_to) / part,
    };
    let mut scaler = Scaler::new(
        span(from.width, whole.width, to.width, whole_to.width),
        span(from.height, whole.height, to.height, whole_to.height),
    );
    for row in plane.chunks_exact(side(from.width).max(1)) {
        scaler.push(row);
    }
    scaler.finish()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "octets of one picture are far below 2^52"
)]
fn real(value: u64) -> f64 {
    value as f64
}
