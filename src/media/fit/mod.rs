//! Fitting a picture to a number of octets.
//!
//! A search tries encodings, keeps the best that fits and never returns one that does not. What
//! it tries next is predicted from what the tries before came to, so four are usually enough:
//!
//! * with a quality (JPEG): the full size at quality 75 first. Where that fits, quality rises
//!   until the octets are used. Where it does not and quality 70 would not either, the picture
//!   shrinks until quality 70 fits: below that, fewer sharp pixels look better than many blurred
//!   ones.
//! * with a palette (GIF, PNG): all colours at full size, then fewer colours, then a smaller
//!   picture, then fewer frames.
//! * with neither (WBMP): the size follows from the octets.

mod curve;
mod palette;
mod quality;

pub(crate) use curve::{
    HEAD_BYTES, SIDE_POWER, floor, rate, rounded_octets, scaled, side_ratio, utility,
};

use curve::real;

use super::error::MediaError;
use crate::dimensions::Dimensions;

/// One way to encode a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Pixels.
    pub size: Dimensions,
    /// Quality, 1..=100, for formats that have one.
    pub quality: u8,
    /// Entries of the palette; `None` leaves it to the format.
    pub colours: Option<u16>,
    /// Whether colours that the palette lacks are dithered.
    pub dither: bool,
    /// One frame in so many is kept, the first one always.
    pub keep_every: u32,
}

/// What a format can give up to become smaller.
#[derive(Debug, Clone, Copy)]
pub enum Strategy {
    /// Quality, then pixels.
    Quality {
        /// Octets that the best quality is expected to take.
        expected: u64,
    },
    /// Colours, then pixels, then frames.
    Palette {
        /// Frames there are to give up.
        frames: usize,
        /// How much of its octets a picture keeps when all its colours become a palette.
        first_step: f64,
        /// Whether the picture is a drawing of few colours, which scaling blurs into many: then
        /// frames go before pixels.
        drawn: bool,
    },
    /// Pixels alone; the function gives the octets of a file of so many.
    Size(fn(Dimensions) -> u64),
}

/// The best that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// How it was encoded.
    pub attempt: Attempt,
    /// The file.
    pub bytes: Vec<u8>,
    /// How often the encoder ran.
    pub encodes: u32,
}

/// Runs an encoder.
pub type Run<'a> = &'a mut dyn FnMut(&Attempt) -> Result<Vec<u8>, MediaError>;

/// Encodes once, with no bound on octets.
///
/// # Errors
///
/// What the encoder says.
pub fn once(attempt: Attempt, run: Run<'_>) -> Result<Found, MediaError> {
    Ok(Found {
        attempt,
        bytes: run(&attempt)?,
        encodes: 1,
    })
}

/// Looks for the best encoding of at most `budget` octets, none better than `start`.
///
/// # Errors
///
/// [`MediaError::TargetTooSmall`] where a picture of [`FLOOR_SIDE`] pixels at [`FLOOR_QUALITY`]
/// is still too large; else what the encoder says.
pub fn search(
    strategy: Strategy,
    start: Attempt,
    budget: u64,
    run: Run<'_>,
) -> Result<Found, MediaError> {
    let mut search = Search {
        start,
        budget,
        run,
        best: None,
        smallest: u64::MAX,
        encodes: 0,
    };
    match strategy {
        Strategy::Quality { expected } => search.by_quality(expected)?,
        Strategy::Palette {
            frames,
            first_step,
            drawn,
        } => search.by_palette(frames, first_step, drawn)?,
        Strategy::Size(file_size) => search.by_size(file_size)?,
    }
    match search.best {
        Some((_, attempt, bytes)) => Ok(Found {
            attempt,
            bytes,
            encodes: search.encodes,
        }),
        None => Err(MediaError::TargetTooSmall {
            smallest: search.smallest,
        }),
    }
}

/// The longer side, in pixels, below which nothing is shrunk.
pub const FLOOR_SIDE: u32 = 16;

/// The quality below which nothing is encoded.
pub const FLOOR_QUALITY: u8 = 10;

/// Encodes after which a search with a result ends.
const ENOUGH: u32 = 7;

/// Encodes after which a search goes straight to the smallest picture.
const TOO_MANY: u32 = 10;

struct Search<'a> {
    start: Attempt,
    budget: u64,
    run: Run<'a>,
    best: Option<(f64, Attempt, Vec<u8>)>,
    smallest: u64,
    encodes: u32,
}

impl Search<'_> {
    /// Encodes, keeps the result if it is the best that fits, and gives its octets.
    fn attempt(&mut self, attempt: Attempt) -> Result<u64, MediaError> {
        self.encodes = self.encodes.saturating_add(1);
        let bytes = (self.run)(&attempt)?;
        let octets = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.smallest = self.smallest.min(octets);
        if octets <= self.budget {
            let worth = self.worth(&attempt);
            if self.best.as_ref().is_none_or(|(best, _, _)| worth > *best) {
                self.best = Some((worth, attempt, bytes));
            }
        }
        Ok(octets)
    }

    fn worth(&self, attempt: &Attempt) -> f64 {
        let colours = f64::from(attempt.colours.unwrap_or(512).min(512));
        utility(side_ratio(attempt.size, self.start.size), attempt.quality) * (colours.log2() / 9.0)
            / f64::from(attempt.keep_every.max(1)).sqrt()
    }

    fn fill(&self, octets: u64) -> f64 {
        self.fill_real(real(octets))
    }

    fn fill_real(&self, octets: f64) -> f64 {
        octets / real(self.budget.max(1))
    }

    fn by_size(&mut self, file_size: fn(Dimensions) -> u64) -> Result<(), MediaError> {
        let floor = floor(self.start.size);
        let longest = self.start.size.width.max(self.start.size.height);
        let at = |side: u32| scaled(self.start.size, f64::from(side) / f64::from(longest), floor);
        let (mut low, mut high) = (0, longest);
        while low < high {
            let middle = high - (high - low) / 2;
            if file_size(at(middle)) <= self.budget {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let size = at(low);
        self.attempt(Attempt { size, ..self.start })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A made-up encoder whose octets follow sides, quality, colours and frames.
    fn model(detail: f64, frames: f64) -> impl FnMut(&Attempt) -> Result<Vec<u8>, MediaError> {
        move |attempt| {
            let pixels = f64::from(attempt.size.width) * f64::from(attempt.size.height);
            let colours = f64::from(attempt.colours.unwrap_or(512)).log2() / 9.0;
            let octets = 350.0
                + detail
                    * pixels.powf(0.85)
                    * (1.15 * rate(attempt.quality)).exp()
                    * colours
                    * (frames / f64::from(attempt.keep_every)).ceil();
            Ok(vec![0; usize::try_from(rounded_octets(octets)).unwrap()])
        }
    }

    fn start() -> Attempt {
        Attempt {
            size: Dimensions::new(640, 480),
            quality: 90,
            colours: None,
            dither: false,
            keep_every: 1,
        }
    }

    #[test]
    fn quality_never_exceeds_and_fills_well() {
        let strategy = Strategy::Quality { expected: 60_000 };
        for detail in [0.1, 0.5, 1.2, 3.0] {
            for budget in [1_500, 4_000, 15_000, 30_000, 100_000, 300_000] {
                let found = search(strategy, start(), budget, &mut model(detail, 1.0)).unwrap();
                let octets = u64::try_from(found.bytes.len()).unwrap();
                assert!(octets <= budget);
                assert!(
                    found.encodes <= 8,
                    "{detail} {budget}: {} encodes",
                    found.encodes
                );
                let best = found.attempt.quality == 90 && found.attempt.size == start().size;
                assert!(
                    best || octets * 10 >= budget * 9,
                    "{detail} {budget}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn size_stays_while_quality_is_good() {
        let strategy = Strategy::Quality { expected: 60_000 };
        let whole = search(strategy, start(), 60_000, &mut model(1.2, 1.0)).unwrap();
        assert_eq!(whole.attempt.size, start().size);
        let small = search(strategy, start(), 15_000, &mut model(1.2, 1.0)).unwrap();
        assert!(small.attempt.size.width < 640 && small.attempt.quality >= 55);
    }

    #[test]
    fn palettes_never_exceed() {
        for frames in [1_u16, 40] {
            let strategy = Strategy::Palette {
                frames: frames.into(),
                first_step: 1.0,
                drawn: false,
            };
            for budget in [2_500, 8_000, 30_000, 400_000] {
                let mut run = model(2.0, f64::from(frames));
                let found = search(strategy, start(), budget, &mut run).unwrap();
                let octets = u64::try_from(found.bytes.len()).unwrap();
                let filled = found.attempt == start() || octets * 10 >= budget * 7;
                assert!(octets <= budget && filled, "{budget}: {octets}");
                assert!(found.encodes <= 8, "{budget}: {} encodes", found.encodes);
            }
        }
    }

    #[test]
    fn a_hopeless_budget_names_the_smallest() {
        for strategy in [
            Strategy::Quality { expected: 60_000 },
            Strategy::Palette {
                frames: 3,
                first_step: 1.0,
                drawn: true,
            },
            Strategy::Size(|_| 351),
        ] {
            let error = search(strategy, start(), 300, &mut model(1.0, 1.0)).unwrap_err();
            let MediaError::TargetTooSmall { smallest } = error else {
                panic!("{error:?}")
            };
            assert!((351..2_000).contains(&smallest), "{strategy:?}: {smallest}");
        }
    }

    #[test]
    fn the_curve_and_the_utility_rise() {
        for quality in 1..100 {
            assert!(rate(quality) < rate(quality + 1));
            assert!(utility(0.5, quality) < utility(0.5, quality + 1));
            assert!(utility(0.5, quality) < utility(1.0, quality));
        }
    }
}
