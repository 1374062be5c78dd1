//! Frames with a palette, and the files that are made of them.

use super::super::palette::Indexed;
use super::super::transform::index;
use super::delta::{Area, Canvas, cleared, packed};
use super::lzw::{Choice, Coder, Near, Wish};
use super::write::{Disposal, Image, Writer, depth};
use crate::dimensions::Dimensions;
use crate::media::cancel::Cancel;
use crate::media::error::MediaError;
use crate::media::picture::Plays;

/// How far what is written may be from what is wanted, as the mean squared difference over the
/// channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tolerance {
    /// Of a pixel of the frame before that stays.
    pub(super) stay: u32,
    /// Of a colour that makes a longer string.
    pub(super) string: u32,
}

/// Frames of one size with a palette for all.
pub(super) struct Movie<'a> {
    pub(super) size: Dimensions,
    pub(super) indexed: &'a Indexed,
    /// Of each frame, in milliseconds.
    pub(super) delays: Vec<u32>,
    pub(super) plays: Plays,
}

impl Movie<'_> {
    /// Writes the file; gives up with `None` as soon as it has more than `most` octets.
    pub(super) fn write(
        &self,
        tolerance: Tolerance,
        most: u64,
        coder: &mut Coder,
        cancel: &Cancel,
    ) -> Result<Option<Vec<u8>>, MediaError> {
        let too_large = |_| MediaError::unsupported(format!("a GIF of {}", self.size));
        let sides = (
            u16::try_from(self.size.width).map_err(too_large)?,
            u16::try_from(self.size.height).map_err(too_large)?,
        );
        let (width, height) = (index(self.size.width), index(self.size.height));
        let hole = self.indexed.transparent;
        let colours = packed(&self.indexed.colours, hole);
        let near = self.near(tolerance);
        let frames = &self.indexed.frames;
        let animated = frames.len() > 1;
        let mut writer = Writer::new(sides, &self.indexed.colours, animated, self.plays);
        let mut canvas = Canvas::new(width, height);
        let mut clock = Clock::default();
        let mut wishes = Vec::new();
        for (at, indices) in frames.iter().enumerate() {
            cancel.check()?;
            let changed = if at == 0 {
                Some(Area::whole(width, height))
            } else {
                canvas.changed(indices, &colours, tolerance.stay)
            };
            let clears = frames
                .get(at + 1)
                .and_then(|next| cleared(width, indices, next, hole));
            let area = match (changed, clears) {
                (Some(changed), Some(clears)) => changed.with(clears),
                (one, other) => one.or(other).unwrap_or(Area::whole(1, 1)),
            };
            canvas.wishes(area, indices, &colours, tolerance.stay, &mut wishes);
            let codes = coder.encode(
                &wishes,
                self.bits(),
                Choice {
                    hole,
                    near: near.as_ref(),
                },
            );
            canvas.draw(area, coder.written(), &colours);
            if clears.is_some() {
                canvas.clear(area);
            }
            writer.push(&Image {
                area,
                delay: clock.tick(self.delays.get(at).copied().unwrap_or(0)),
                disposal: if clears.is_some() {
                    Disposal::Clear
                } else {
                    Disposal::Keep
                },
                hole,
                bits: self.bits(),
                codes: &codes,
            });
            if writer.length() > most {
                return Ok(None);
            }
        }
        Ok(Some(writer.finish()))
    }

    /// About how many octets [`write`](Self::write) would make, told from the first frame and
    /// `sample` of the others.
    pub(super) fn measure(
        &self,
        tolerance: Tolerance,
        sample: usize,
        coder: &mut Coder,
        cancel: &Cancel,
    ) -> Result<u64, MediaError> {
        let (width, height) = (index(self.size.width), index(self.size.height));
        let hole = self.indexed.transparent;
        let colours = packed(&self.indexed.colours, hole);
        let near = self.near(tolerance);
        let choice = Choice {
            hole,
            near: near.as_ref(),
        };
        let mut canvas = Canvas::new(width, height);
        let mut wishes: Vec<Wish> = Vec::new();
        let frames = &self.indexed.frames;
        let later = frames.len().saturating_sub(1);
        let sample = sample.clamp(1, later.max(1));
        let (mut octets, mut first) = (0_u64, 0_u64);
        for turn in 0..=sample.min(later) {
            cancel.check()?;
            // The frames lie evenly between the second and the last.
            let at = match turn {
                0 => 0,
                turn => 1 + (2 * turn - 1) * later / (2 * sample),
            };
            let Some(indices) = frames.get(at) else {
                continue;
            };
            if let Some(before) = at.checked_sub(1).and_then(|at| frames.get(at)) {
                canvas.show(before, &colours);
            }
            let area = if at == 0 {
                Some(Area::whole(width, height))
            } else {
                canvas.changed(indices, &colours, tolerance.stay)
            };
            let area = area.unwrap_or(Area::whole(1, 1));
            canvas.wishes(area, indices, &colours, tolerance.stay, &mut wishes);
            let codes = coder.measure(&wishes, self.bits(), choice);
            let taken = Writer::overhead(codes);
            if turn == 0 {
                first = taken;
            } else {
                octets += taken;
            }
        }
        let count = |frames: usize| u64::try_from(frames).unwrap_or(u64::MAX);
        let rest = octets.saturating_mul(count(later)) / count(sample);
        let head = 32 + (3 << depth(self.indexed.colours.len()));
        Ok(head + first + rest)
    }

    fn near(&self, tolerance: Tolerance) -> Option<Near> {
        let Indexed {
            colours,
            transparent,
            ..
        } = self.indexed;
        (tolerance.string > 0).then(|| Near::new(colours, *transparent, tolerance.string))
    }

    fn bits(&self) -> u32 {
        depth(self.indexed.colours.len()).max(2)
    }
}

/// Milliseconds to hundredths of a second, with what rounding leaves carried to the next frame so
/// that the whole keeps its length.
#[derive(Default)]
struct Clock {
    ms: u64,
    ticks: u64,
}

impl Clock {
    fn tick(&mut self, delay_ms: u32) -> u16 {
        self.ms = self.ms.saturating_add(delay_ms.into());
        let due = (self.ms.saturating_add(5) / 10).saturating_sub(self.ticks);
        let delay = u16::try_from(due).unwrap_or(u16::MAX);
        self.ticks = self.ticks.saturating_add(delay.into());
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_of_delays_is_carried_on() {
        let mut clock = Clock::default();
        let ticks: Vec<u16> = [45; 6].map(|ms| clock.tick(ms)).to_vec();
        assert_eq!(ticks.iter().sum::<u16>(), 27);
        assert!(ticks.iter().all(|&ticks| (4..=5).contains(&ticks)));
    }
}
