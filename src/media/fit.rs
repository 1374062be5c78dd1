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

use crate::dimensions::Dimensions;

use super::error::MediaError;

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

/// The quality tried first: where it fits at full size, the size stays.
const PIVOT: u8 = 75;

/// The quality a picture is shrunk for.
const AIM: u8 = 70;

/// The quality at which a shrunk picture is shrunk again rather than blurred.
const BLURRED: u8 = 55;

/// Encodes after which a search with a result ends.
const ENOUGH: u32 = 7;

/// Encodes after which a search goes straight to the smallest picture.
const TOO_MANY: u32 = 10;

/// Octets of a JPEG that do not depend on its pixels: headers and tables.
pub(crate) const HEAD_BYTES: f64 = 350.0;

/// How octets follow the length of a side: halving both sides leaves more than a quarter, since
/// small pictures hold more detail per pixel.
pub(crate) const SIDE_POWER: f64 = 1.64;

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

    fn by_quality(&mut self, expected: u64) -> Result<(), MediaError> {
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

    fn by_palette(
        &mut self,
        frames: usize,
        first_step: f64,
        drawn: bool,
    ) -> Result<(), MediaError> {
        let first = self.attempt(self.start)?;
        if first <= self.budget {
            return Ok(());
        }
        let most = self.start.colours.unwrap_or(256).min(256);
        let spare = u32::try_from(frames / 2).unwrap_or(u32::MAX).max(1);
        let over = self.fill(first);
        let mut rung = Attempt {
            colours: Some(most),
            dither: false,
            ..self.start
        };
        if drawn && spare > 1 && over <= 4.0 {
            rung.keep_every = rounded((over * 1.05).ceil()).min(spare);
            if self.attempt(rung)? <= self.budget {
                return Ok(());
            }
            rung.keep_every = 1;
        }
        // What the same picture would take with a palette, and with a smaller one.
        let mut predicted = real(first) * first_step;
        if self.fill_real(predicted) > 0.95 {
            rung.colours = Some(most.min(64));
            predicted *= 0.75;
        }
        if self.fill_real(predicted) <= 1.0 {
            let octets = self.attempt(rung)?;
            if octets <= self.budget {
                return Ok(());
            }
            predicted = real(octets);
        }
        rung.keep_every = match self.fill_real(predicted) {
            over if over <= 6.0 => 1,
            over if over <= 16.0 => 2_u32.min(spare),
            over if over <= 40.0 => 3_u32.min(spare),
            _ => 4_u32.min(spare),
        };
        predicted /= f64::from(rung.keep_every);
        self.shrink_palette(rung, predicted)?;
        if self.best.is_none() {
            self.last_palettes(rung.keep_every, frames)?;
        }
        Ok(())
    }

    /// Shrinks until the budget is nearly filled; at full size it would take `predicted` octets.
    fn shrink_palette(&mut self, mut rung: Attempt, predicted: f64) -> Result<(), MediaError> {
        let whole = self.start.size;
        let floor = floor(whole);
        let longest = |size: Dimensions| size.width.max(size.height);
        let (mut fitted, mut over) = (0, longest(whole).saturating_add(1));
        let mut octets = predicted;
        loop {
            let share = (0.93 * real(self.budget) / octets.max(1.0)).powf(1.0 / 1.8);
            let guess = scaled(whole, side_ratio(rung.size, whole) * share, floor);
            let inside = longest(guess) > fitted && longest(guess) < over;
            rung.size = if inside || over.saturating_sub(fitted) < 2 {
                guess
            } else {
                let middle = f64::from(fitted.saturating_add(over)) / 2.0;
                scaled(whole, middle / f64::from(longest(whole)), floor)
            };
            let bytes = self.attempt(rung)?;
            octets = real(bytes);
            if bytes <= self.budget {
                fitted = longest(rung.size);
                if self.fill(bytes) >= 0.8 || rung.size == whole || self.encodes >= ENOUGH {
                    return Ok(());
                }
            } else {
                over = longest(rung.size);
            }
            let done = over.saturating_sub(fitted) <= 2 || rung.size == floor && fitted == 0;
            if done || self.encodes >= TOO_MANY {
                return Ok(());
            }
        }
    }

    /// The smallest pictures there are: thumbnails of ever fewer frames and colours.
    fn last_palettes(&mut self, keep_every: u32, frames: usize) -> Result<(), MediaError> {
        let still = u32::try_from(frames).unwrap_or(u32::MAX).max(1);
        let most = self.start.colours.unwrap_or(256);
        for (keep_every, colours) in [(keep_every.max(4).min(still), 16), (still, 16), (still, 2)] {
            let last = Attempt {
                size: floor(self.start.size),
                colours: Some(most.min(colours)),
                dither: false,
                keep_every,
                ..self.start
            };
            if self.attempt(last)? <= self.budget {
                break;
            }
        }
        Ok(())
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

/// The logarithm of a JPEG's octets at a quality, over that at quality 75. Measured over
/// photographs and screenshots; a single picture is steeper or flatter by a factor that two tries
/// show.
pub(crate) fn rate(quality: u8) -> f64 {
    const CURVE: [(f64, f64); 14] = [
        (1.0, -2.25),
        (5.0, -1.95),
        (10.0, -1.45),
        (20.0, -0.97),
        (30.0, -0.72),
        (40.0, -0.55),
        (50.0, -0.41),
        (60.0, -0.27),
        (70.0, -0.10),
        (75.0, 0.0),
        (80.0, 0.13),
        (85.0, 0.31),
        (90.0, 0.58),
        (100.0, 1.75),
    ];
    let quality = f64::from(quality);
    CURVE
        .windows(2)
        .find_map(|pair| match *pair {
            [(from, low), (to, high)] if quality <= to => {
                Some(low + (high - low) * (quality - from).max(0.0) / (to - from))
            }
            _ => None,
        })
        .unwrap_or(1.75)
}

/// How good a picture looks, 0 to 1, whose sides were scaled by `side` and that is encoded at
/// `quality`. It only ranks choices: of two that take the same octets, the one around quality 70
/// wins, as comparisons by eye-like metrics found.
pub(crate) fn utility(side: f64, quality: u8) -> f64 {
    let sharp = (1.0 - (-f64::from(quality) / 30.0).exp()) / (1.0 - (-100.0_f64 / 30.0).exp());
    side.clamp(0.0, 1.0).powf(0.4) * sharp
}

/// The length of the longer side over that of `whole`.
pub(crate) fn side_ratio(size: Dimensions, whole: Dimensions) -> f64 {
    f64::from(size.width.max(size.height)) / f64::from(whole.width.max(whole.height).max(1))
}

/// `whole` with its sides multiplied by `ratio`, between `floor` and `whole`.
pub(crate) fn scaled(whole: Dimensions, ratio: f64, floor: Dimensions) -> Dimensions {
    let side = |length: u32, least: u32| {
        rounded(f64::from(length) * ratio).clamp(least.min(length), length)
    };
    Dimensions::new(
        side(whole.width, floor.width),
        side(whole.height, floor.height),
    )
}

/// The smallest size a picture is shrunk to.
pub(crate) fn floor(whole: Dimensions) -> Dimensions {
    let longest = whole.width.max(whole.height).max(1);
    let ratio = (f64::from(FLOOR_SIDE) / f64::from(longest)).min(1.0);
    let one = Dimensions::new(1, 1);
    scaled(whole, ratio, one)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is a length in pixels; out of range saturates"
)]
fn rounded(value: f64) -> u32 {
    value.round() as u32
}

#[allow(
    clippy::cast_precision_loss,
    reason = "octets of one picture are far below 2^52"
)]
fn real(value: u64) -> f64 {
    value as f64
}

/// A predicted number of octets as a whole one.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "predictions are positive and far below 2^64; out of range saturates"
)]
pub(crate) fn rounded_octets(value: f64) -> u64 {
    value.round() as u64
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
        assert!(small.attempt.size.width < 640 && small.attempt.quality >= BLURRED);
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
                assert!(
                    octets <= budget && octets * 10 >= budget * 5,
                    "{budget}: {octets}"
                );
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
