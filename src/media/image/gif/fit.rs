//! An animation under a number of octets.
//!
//! What changes between frames is written and nothing else; that alone is exact. What is then
//! given up, in this order, came out of a search by brute force over sizes, palettes and
//! tolerances with an eye-like metric:
//!
//! 1. pixels that hardly changed stay as they are (the tolerance rises in steps),
//! 2. colours, where the picture is a drawing,
//! 3. pixels, at a tolerance that nobody minds in a smaller picture,
//! 4. frames, where there are enough in a second; what is left is shown longer.
//!
//! Octets are told beforehand by coding the first frame and a few others without writing them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::super::palette::{IndexOptions, Indexed, has_few_colours, index_frames};
use super::super::transform::resized;
use super::lzw::Coder;
use super::movie::{Movie, Tolerance};
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::codec::{Fitted, Fitting};
use crate::media::error::MediaError;
use crate::media::fit::{floor, scaled};
use crate::media::picture::Frame;

/// Frames coded to tell the octets of all.
const SAMPLE: usize = 5;

/// The highest tolerance at full size, and the range of it in smaller pictures, in halves of a
/// level.
const FULL: u16 = 28;
const SMALL: std::ops::RangeInclusive<u16> = 14..=30;

/// How octets follow the length of a side.
const SIDE_POWER: f64 = 1.75;

/// Files written at one size, and sizes tried, before what there is has to do.
const WRITES: u32 = 4;
const SIZES: u32 = 5;

/// Milliseconds a frame may be shown before none is dropped any more.
const SLOW_MS: u64 = 260;

/// Looks for the best file of at most [`Fitting::max_bytes`] octets.
pub(super) fn fit(
    frames: &[Frame],
    fitting: &Fitting,
    cancel: &Cancel,
) -> Result<Fitted, MediaError> {
    let mut search = Search {
        frames,
        fitting,
        cancel,
        coder: Coder::new(),
        encodes: 0,
        smallest: u64::MAX,
    };
    let most = fitting.colours.unwrap_or(256).min(256);
    let whole = Shape {
        size: fitting.size,
        keep: frames.len(),
        colours: most,
    };
    let over = match search.settle(whole, 0..=FULL)? {
        Outcome::Fits(fitted) => return Ok(fitted),
        Outcome::Over(octets) => octets,
    };
    if frames
        .first()
        .is_some_and(|first| first.picture.size() == fitting.size)
        && has_few_colours(frames)
        && let Some(fitted) = search.drawing(whole, over)?
    {
        return Ok(fitted);
    }
    match search.smaller(whole, over)? {
        Some(fitted) => Ok(fitted),
        None => search.last(whole),
    }
}

/// How the frames are prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    size: Dimensions,
    /// Frames that are kept, evenly spread.
    keep: usize,
    colours: u16,
}

enum Outcome {
    /// A file that fits.
    Fits(Fitted),
    /// About how many octets there are at the highest tolerance.
    Over(u64),
}

struct Search<'a> {
    frames: &'a [Frame],
    fitting: &'a Fitting,
    cancel: &'a Cancel,
    coder: Coder,
    encodes: u32,
    smallest: u64,
}

impl Search<'_> {
    /// Looks for the lowest tolerance at which a shape fits.
    fn settle(
        &mut self,
        shape: Shape,
        tolerances: std::ops::RangeInclusive<u16>,
    ) -> Result<Outcome, MediaError> {
        let indexed = self.index(shape)?;
        let movie = Movie {
            size: shape.size,
            indexed: &indexed,
            delays: self.delays(shape.keep),
            plays: self.fitting.plays,
        };
        let budget = self.fitting.max_bytes;
        let (mut low, mut high) = tolerances.into_inner();
        let mut told = BTreeMap::new();
        let mut share = 1.0;
        let mut best = None;
        let mut least = None;
        for _ in 0..WRITES {
            // The lowest tolerance that should do, by what was told and how true it proved.
            let (mut from, mut to) = (low, high);
            let mut tell = |at: u16, coder: &mut Coder| match told.get(&at) {
                Some(&octets) => Ok(octets),
                None => {
                    let octets = movie.measure(tolerance(at), SAMPLE, coder, self.cancel)?;
                    told.insert(at, octets);
                    Ok::<u64, MediaError>(octets)
                }
            };
            while from < to {
                let middle = from + (to - from) / 2;
                if real(tell(middle, &mut self.coder)?) * share <= real(budget) * 0.985 {
                    to = middle;
                } else {
                    from = middle + 1;
                }
            }
            let expected = tell(from, &mut self.coder)?;
            let last = shape.keep == 1;
            if best.is_none() && !last && real(expected) * share > real(budget) * 1.6 {
                return Ok(Outcome::Over(whole(real(expected) * share)));
            }
            self.encodes = self.encodes.saturating_add(1);
            let enough = if last {
                u64::MAX
            } else {
                budget.saturating_mul(3)
            };
            let Some(bytes) = movie.write(tolerance(from), enough, &mut self.coder, self.cancel)?
            else {
                return Ok(Outcome::Over(enough));
            };
            let octets = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            self.smallest = self.smallest.min(octets);
            share = real(octets) / real(expected.max(1));
            if octets <= budget {
                best = Some(bytes);
                if from == low || real(octets) >= real(budget) * 0.95 {
                    break;
                }
                high = from - 1;
            } else {
                least = Some(octets);
                if from >= high {
                    break;
                }
                low = from + 1;
            }
            if low > high {
                break;
            }
        }
        Ok(match best {
            Some(bytes) => Outcome::Fits(Fitted {
                bytes,
                size: shape.size,
                frames: indexed.frames.len(),
                quality: None,
                encodes: self.encodes,
            }),
            None => Outcome::Over(least.unwrap_or(budget.saturating_mul(2))),
        })
    }

    /// A drawing loses colours and then frames before it loses pixels, since scaling would blur
    /// its few colours into many.
    fn drawing(&mut self, whole: Shape, over: u64) -> Result<Option<Fitted>, MediaError> {
        let excess = real(over) / real(self.fitting.max_bytes.max(1));
        if excess > 5.0 {
            return Ok(None);
        }
        for colours in [64, 32] {
            if colours < whole.colours {
                let shape = Shape { colours, ..whole };
                if let Outcome::Fits(fitted) = self.settle(shape, 0..=FULL)? {
                    return Ok(Some(fitted));
                }
            }
        }
        let mut keep = self.frames.len();
        let mut excess = excess;
        for _ in 0..3 {
            keep = count(real_count(keep) * 0.97 / excess);
            if keep < 3 || keep * 5 < self.frames.len() {
                break;
            }
            match self.settle(Shape { keep, ..whole }, 0..=FULL)? {
                Outcome::Fits(fitted) => return Ok(Some(fitted)),
                Outcome::Over(octets) => excess = real(octets) / real(self.fitting.max_bytes),
            }
        }
        Ok(None)
    }

    /// Shrinks, and drops frames where shrinking alone would leave little to see.
    fn smaller(&mut self, whole: Shape, over: u64) -> Result<Option<Fitted>, MediaError> {
        let budget = real(self.fitting.max_bytes.max(1));
        let excess = real(over) / budget;
        let wanted = match excess {
            over if over <= 5.0 => 1,
            over if over <= 12.0 => 2,
            over if over <= 25.0 => 3,
            _ => 4,
        };
        let every = wanted.min(self.spare());
        let colours = whole.colours.min(match self.fitting.max_bytes {
            30_000.. => 256,
            8_000.. => 128,
            _ => 64,
        });
        let floor = floor(whole.size);
        let keep = self.frames.len().div_ceil(every);
        // What a frame changes grows when others before it are dropped.
        let thinned = (real_count(self.frames.len()) / real_count(keep)).powf(0.8);
        let mut ratio = (0.97 * thinned / excess).powf(1.0 / SIDE_POWER).min(0.96);
        let mut best: Option<Fitted> = None;
        let (mut fitted_at, mut over_at) = (0.0_f64, 1.0_f64);
        for _ in 0..SIZES {
            let size = scaled(whole.size, ratio, floor);
            let shape = Shape {
                size,
                keep,
                colours,
            };
            let step = match self.settle(shape, SMALL)? {
                Outcome::Fits(fitted) => {
                    let fill = real(length(&fitted.bytes)) / budget;
                    fitted_at = fitted_at.max(ratio);
                    if best
                        .as_ref()
                        .is_none_or(|best| best.size.width <= size.width)
                    {
                        best = Some(fitted);
                    }
                    if fill >= 0.85 {
                        break;
                    }
                    (0.95 / fill).powf(1.0 / SIDE_POWER)
                }
                Outcome::Over(octets) => {
                    over_at = over_at.min(ratio);
                    if size == floor {
                        break;
                    }
                    (0.93 * budget / real(octets))
                        .powf(1.0 / SIDE_POWER)
                        .min(0.95)
                }
            };
            ratio *= step;
            if ratio <= fitted_at || ratio >= over_at {
                ratio = f64::midpoint(fitted_at, over_at);
            }
            let settled = over_at - fitted_at < 0.04 && best.is_some();
            if settled || scaled(whole.size, ratio, floor) == size {
                break;
            }
        }
        Ok(best)
    }

    /// Thumbnails of ever fewer frames and colours.
    fn last(&mut self, whole: Shape) -> Result<Fitted, MediaError> {
        let size = floor(whole.size);
        for (keep, colours) in [(self.frames.len().div_ceil(4), 16), (1, 16), (1, 2)] {
            let shape = Shape {
                size,
                keep,
                colours: whole.colours.min(colours),
            };
            if let Outcome::Fits(fitted) = self.settle(shape, 0..=FULL)? {
                return Ok(fitted);
            }
        }
        Err(MediaError::TargetTooSmall {
            smallest: self.smallest,
        })
    }

    /// One frame in so many may be kept without the whole becoming a slide show.
    fn spare(&self) -> usize {
        let all: u64 = self
            .frames
            .iter()
            .map(|frame| u64::from(frame.delay_ms))
            .sum();
        let frames = u64::try_from(self.frames.len()).unwrap_or(u64::MAX).max(1);
        let mean = (all / frames).max(20);
        usize::try_from(SLOW_MS / mean)
            .unwrap_or(1)
            .min(self.frames.len() / 3)
            .max(1)
    }

    fn index(&self, shape: Shape) -> Result<Indexed, MediaError> {
        let mut frames = Vec::with_capacity(shape.keep);
        for group in self.groups(shape.keep) {
            self.cancel.check()?;
            let Some(frame) = group.first() else {
                continue;
            };
            frames.push(if frame.picture.size() == shape.size {
                Cow::Borrowed(frame)
            } else {
                Cow::Owned(Frame {
                    picture: resized(&frame.picture, shape.size)?,
                    delay_ms: frame.delay_ms,
                })
            });
        }
        index_frames(
            &frames,
            IndexOptions {
                entries: shape.colours,
                // Dithered frames differ everywhere; only a screen of few colours is worth it.
                dither: self.fitting.colours.is_some(),
                transparent: shape.colours > 2,
            },
        )
    }

    /// Each frame that is kept with those behind it that are not.
    fn groups(&self, keep: usize) -> impl Iterator<Item = &[Frame]> {
        let count = self.frames.len();
        let keep = keep.clamp(1, count.max(1));
        let start = move |at: usize| (at * count).div_ceil(keep);
        (0..keep).filter_map(move |at| self.frames.get(start(at)..start(at + 1)))
    }

    /// The delays of the frames that are kept: each stands in for those dropped behind it.
    fn delays(&self, keep: usize) -> Vec<u32> {
        let sum = |group: &[Frame]| {
            let delays = group.iter().map(|frame| frame.delay_ms);
            delays.fold(0, u32::saturating_add)
        };
        self.groups(keep).map(sum).collect()
    }
}

/// A tolerance of pixels that stay, in halves of a level, and what goes with it for strings.
fn tolerance(halves: u16) -> Tolerance {
    let squared = |halves: u16| u32::from(halves).saturating_mul(halves.into()) / 4;
    Tolerance {
        stay: squared(halves),
        // Where a colour is written for another it must not be further away than what may stay,
        // or the next frame would draw it again.
        string: if halves > 24 { squared(halves / 3) } else { 0 },
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "octets of one picture are far below 2^52"
)]
fn real(value: u64) -> f64 {
    value as f64
}

#[allow(clippy::cast_precision_loss, reason = "frames are thousands at most")]
fn real_count(value: usize) -> f64 {
    value as f64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "predictions are positive and far below 2^64; out of range saturates"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive number of frames; out of range saturates"
)]
fn count(value: f64) -> usize {
    value.floor() as usize
}
