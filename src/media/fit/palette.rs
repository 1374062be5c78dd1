//! The search where the lever is a palette.

use super::curve::{floor, real, rounded, scaled, side_ratio};
use super::{Attempt, ENOUGH, Search, TOO_MANY};
use crate::dimensions::Dimensions;
use crate::media::error::MediaError;

impl Search<'_> {
    pub(super) fn by_palette(
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
}
