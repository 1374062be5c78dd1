//! From one rate to another by a fixed ratio: no delay, and the length exact to the sample.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _, WindowFunction};

use crate::media::error::MediaError;

/// Rates that are believed: below them nothing is sound, above them no decoder gives anything.
const BELIEVED: std::ops::RangeInclusive<u32> = 1_000..=384_000;

/// Samples of a block at the lower of the two rates: long enough for a filter that is flat up to
/// nineteen twentieths of the band and 90 dB down where the band folds.
const BLOCK: u32 = 512;

/// Turns interleaved samples of one rate into another.
pub(super) struct Resampler {
    from: u32,
    to: u32,
    channels: usize,
    inner: Option<Fft<f32>>,
    pending: Vec<f32>,
    /// Samples per channel taken, given, and still to throw away: the filter's delay.
    taken: u64,
    given: u64,
    skip: usize,
}

impl Resampler {
    /// A resampler of `channels`.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] for a rate that is no rate of sound.
    pub(super) fn new(from: u32, to: u32, channels: u16) -> Result<Self, MediaError> {
        let odd = |_| MediaError::unsupported(format!("sound of {from} Hz to {to} Hz"));
        if !BELIEVED.contains(&from) || !BELIEVED.contains(&to) {
            return Err(odd(()));
        }
        let channels = usize::from(channels.max(1));
        let inner = if from == to {
            None
        } else {
            let rate = |rate: u32| usize::try_from(rate).map_err(|_| odd(()));
            let resampler = Fft::new_custom(
                rate(from)?,
                rate(to)?,
                rate(block(from, to))?,
                1,
                channels,
                WindowFunction::BlackmanHarris2,
                FixedSync::Both,
            );
            Some(resampler.map_err(|_| odd(()))?)
        };
        let skip = inner.as_ref().map_or(0, Fft::output_delay);
        Ok(Self {
            from,
            to,
            channels,
            inner,
            pending: Vec::new(),
            taken: 0,
            given: 0,
            skip,
        })
    }

    /// Takes interleaved samples and gives what is ready.
    ///
    /// # Errors
    ///
    /// [`MediaError::Unsupported`] where the resampler refuses, which it has no reason to.
    pub(super) fn push(&mut self, samples: &[f32]) -> Result<Vec<f32>, MediaError> {
        let frames = samples.len() / self.channels;
        self.taken = self.taken.saturating_add(wide(frames));
        if self.inner.is_none() {
            self.given = self.taken;
            return Ok(samples.to_vec());
        }
        self.pending.extend_from_slice(samples);
        self.run(false)
    }

    /// Gives what is left, so that all together is as long as what was taken.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub(super) fn finish(&mut self) -> Result<Vec<f32>, MediaError> {
        let wanted = rescale(self.taken, self.from, self.to);
        let mut out = Vec::new();
        while self.given < wanted && self.inner.is_some() {
            let more = self.run(true)?;
            if more.is_empty() && self.skip == 0 && self.given >= wanted {
                break;
            }
            out.extend(more);
        }
        let excess = usize::try_from(self.given.saturating_sub(wanted)).unwrap_or(0);
        out.truncate(
            out.len()
                .saturating_sub(excess.saturating_mul(self.channels)),
        );
        self.given = wanted;
        Ok(out)
    }

    /// Runs whole blocks; at the end one more, filled up with silence.
    fn run(&mut self, end: bool) -> Result<Vec<f32>, MediaError> {
        let failed = |_| MediaError::unsupported("resampling");
        let Some(inner) = &mut self.inner else {
            return Ok(Vec::new());
        };
        let mut out = Vec::new();
        let mut offset = 0_usize;
        let frames = self.pending.len() / self.channels;
        let mut filled = end;
        loop {
            let left = frames.saturating_sub(offset);
            let needed = inner.input_frames_next();
            let partial = (left < needed).then_some(left);
            if partial.is_some() && !filled {
                break;
            }
            if partial.is_some() {
                filled = false;
            }
            let input = InterleavedSlice::new(&self.pending, self.channels, frames)
                .map_err(|_| MediaError::unsupported("resampling"))?;
            let mut indexing = Indexing::new().input_offset(offset);
            indexing.partial_len = partial;
            let block = inner.process(&input, Some(&indexing)).map_err(failed)?;
            offset = offset.saturating_add(partial.unwrap_or(needed));
            let block = block.take_data();
            let ready = block.len() / self.channels;
            let skipped = ready.min(self.skip);
            self.skip = self.skip.saturating_sub(skipped);
            self.given = self
                .given
                .saturating_add(wide(ready.saturating_sub(skipped)));
            out.extend_from_slice(
                block
                    .get(skipped.saturating_mul(self.channels)..)
                    .unwrap_or_default(),
            );
        }
        self.pending
            .drain(..offset.saturating_mul(self.channels).min(self.pending.len()));
        Ok(out)
    }
}

/// Samples that go in at a time. An even number of the least pieces whose lengths are whole at both
/// rates: the filter of a block of odd length would be half a sample off.
fn block(from: u32, to: u32) -> u32 {
    let least = from / gcd(from, to);
    let wanted = BLOCK.saturating_mul((from / to).max(1));
    wanted
        .div_ceil(least)
        .next_multiple_of(2)
        .saturating_mul(least)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// As many samples at another rate as last equally long, rounded to the nearest.
pub(super) fn rescale(samples: u64, from: u32, to: u32) -> u64 {
    let from = u128::from(from.max(1));
    let scaled = (u128::from(samples) * u128::from(to) + from / 2) / from;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the samples of the tests are small"
)]
mod tests {
    use super::*;

    fn tone(rate: u32, frequency: f64, samples: u32) -> Vec<f32> {
        (0..samples)
            .map(|n| {
                let phase = f64::from(n) * frequency / f64::from(rate);
                ((phase * std::f64::consts::TAU).sin() * 0.5) as f32
            })
            .collect()
    }

    fn resampled(from: u32, to: u32, samples: &[f32], block: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to, 1).unwrap();
        let mut out = Vec::new();
        for block in samples.chunks(block) {
            out.extend(resampler.push(block).unwrap());
        }
        out.extend(resampler.finish().unwrap());
        out
    }

    #[test]
    fn a_tone_keeps_its_place_length_and_height() {
        for (from, to) in [
            (48_000, 8_000),
            (44_100, 8_000),
            (44_100, 16_000),
            (8_000, 16_000),
            (11_025, 8_000),
            (22_050, 44_100),
            (16_000, 16_000),
        ] {
            let sound = tone(from, 440.0, from + 13);
            let out = resampled(from, to, &sound, 1_000);
            let length = rescale(u64::from(from + 13), from, to);
            assert_eq!(wide(out.len()), length, "{from} to {to}");
            let ideal = tone(to, 440.0, u32::try_from(length).unwrap());
            let inside = 300..out.len() - 300;
            let worst = inside
                .map(|n| (out[n] - ideal[n]).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.001, "{from} to {to}: {worst}");
            assert_eq!(out, resampled(from, to, &sound, 77), "blocks do not matter");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_does_not_fold_back() {
        for frequency in [4_300.0, 5_000.0, 7_000.0, 11_000.0] {
            let out = resampled(48_000, 8_000, &tone(48_000, frequency, 48_000), 4_096);
            let worst = out[600..7_400]
                .iter()
                .fold(0.0_f32, |peak, x| peak.max(x.abs()));
            assert!(worst < 0.000_05, "{frequency}: {worst}");
        }
    }

    #[test]
    fn short_and_no_sound_keep_their_length() {
        for samples in [0, 1, 5, 47, 1_000] {
            let out = resampled(48_000, 8_000, &vec![0.1; samples], 10);
            assert_eq!(wide(out.len()), rescale(wide(samples), 48_000, 8_000));
        }
        assert!(Resampler::new(0, 8_000, 1).is_err());
        assert!(Resampler::new(u32::MAX, 8_000, 1).is_err());
    }
}
