//! How loud sound becomes: raised for the loudspeaker of a handset, and never clipped.
//!
//! The rule, for what is sampled at 16 kHz or less (speech codecs, and what a phone with such a
//! codec has to play):
//!
//! 1. The level is what such a loudspeaker can give: the power above 300 Hz, in blocks of 100 ms,
//!    of the loudest channel. Blocks below -60 dBFS, and then those 10 dB below the mean of the
//!    rest, are pauses and do not count.
//! 2. Sound below -20 dBFS is raised to it, by 12 dB at most. Nothing is ever turned down: what is
//!    loud stays as it was.
//! 3. The level is measured once, over the start of the sound that is kept in memory for it (a
//!    minute and more of speech), and the gain is the same throughout.
//!
//! At every rate a limiter holds the peaks at -0.2 dBFS. It looks 5 ms ahead, so that the gain is
//! down when the peak comes, and lets go within a fifth of a second.

use std::collections::VecDeque;

/// The level, as mean square, that sound is raised to: -20 dBFS.
const TARGET: f64 = 0.01;

/// The most that it is raised by: 12 dB.
const MOST: f64 = 3.981_071_705_534_972_5;

/// A mean square below which a block is a pause: -60 dBFS.
const PAUSE: f64 = 1e-6;

/// Samples of all channels over which the level is measured.
const WINDOW: usize = 1 << 20;

/// The highest rate at which sound is raised.
const RAISED: u32 = 16_000;

/// Where the limiter holds the peaks.
const CEILING: f32 = 0.977;

/// Raises sound and limits it. What comes out is as long as what went in.
pub(super) struct Leveller {
    channels: usize,
    rate: u32,
    /// What is kept until the level is known; `None` once it is.
    kept: Option<Vec<f32>>,
    gain: f32,
    limiter: Limiter,
}

impl Leveller {
    /// A leveller of interleaved samples.
    pub(super) fn new(rate: u32, channels: u16) -> Self {
        let channels = usize::from(channels.max(1));
        Self {
            channels,
            rate,
            kept: (rate <= RAISED).then(Vec::new),
            gain: 1.0,
            limiter: Limiter::new(rate, channels),
        }
    }

    /// Takes samples and gives those that are ready.
    pub(super) fn push(&mut self, mut samples: Vec<f32>) -> Vec<f32> {
        if let Some(kept) = &mut self.kept {
            kept.append(&mut samples);
            if kept.len() < WINDOW {
                return Vec::new();
            }
            samples = self.measure();
        } else {
            self.raise(&mut samples);
        }
        self.limiter.push(&samples)
    }

    /// Gives all that is left.
    pub(super) fn finish(&mut self) -> Vec<f32> {
        let samples = self.measure();
        let mut out = self.limiter.push(&samples);
        out.extend(self.limiter.finish());
        out
    }

    /// Sets the gain by what was kept, and gives that, raised.
    fn measure(&mut self) -> Vec<f32> {
        let mut samples = self.kept.take().unwrap_or_default();
        if !samples.is_empty() {
            self.gain = gain(level(&samples, self.rate, self.channels));
        }
        self.raise(&mut samples);
        samples
    }

    fn raise(&self, samples: &mut [f32]) {
        if self.gain > 1.0 {
            for sample in samples {
                *sample *= self.gain;
            }
        }
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "a gain between 1 and 4 needs no more than a float has"
)]
fn gain(level: Option<f64>) -> f32 {
    level.map_or(1.0, |level| (TARGET / level).sqrt().clamp(1.0, MOST) as f32)
}

/// The mean square above 300 Hz of the loudest channel, pauses left out; `None` where there are
/// only pauses.
fn level(samples: &[f32], rate: u32, channels: usize) -> Option<f64> {
    let block = usize::try_from(rate / 10).unwrap_or(1).max(1);
    (0..channels)
        .filter_map(|channel| {
            let mut filter = HighPass::new(rate);
            let mut blocks = Vec::new();
            let mut frames = samples.chunks_exact(channels).peekable();
            while frames.peek().is_some() {
                let mut sum = 0.0;
                let mut count = 0.0;
                for frame in frames.by_ref().take(block) {
                    let x = filter.next(frame.get(channel).copied().unwrap_or(0.0).into());
                    sum += x * x;
                    count += 1.0;
                }
                blocks.push(sum / count);
            }
            let heard = mean(&blocks, PAUSE)?;
            mean(&blocks, heard * 0.1)
        })
        .max_by(f64::total_cmp)
}

/// The mean of what is not below `floor`.
fn mean(blocks: &[f64], floor: f64) -> Option<f64> {
    let mut sum = 0.0;
    let mut count = 0.0;
    for block in blocks.iter().filter(|block| **block >= floor) {
        sum += block;
        count += 1.0;
    }
    (count > 0.0).then(|| sum / count)
}

/// A Butterworth high-pass of second order at 300 Hz.
struct HighPass {
    b0: f64,
    a1: f64,
    a2: f64,
    state: [f64; 2],
}

impl HighPass {
    fn new(rate: u32) -> Self {
        let k = (std::f64::consts::PI * 300.0 / f64::from(rate)).tan();
        let q = std::f64::consts::FRAC_1_SQRT_2;
        let norm = 1.0 / (1.0 + k / q + k * k);
        Self {
            b0: norm,
            a1: 2.0 * (k * k - 1.0) * norm,
            a2: (1.0 - k / q + k * k) * norm,
            state: [0.0; 2],
        }
    }

    fn next(&mut self, x: f64) -> f64 {
        let [first, second] = self.state;
        let y = self.b0 * x + first;
        self.state = [
            second - 2.0 * self.b0 * x - self.a1 * y,
            self.b0 * x - self.a2 * y,
        ];
        y
    }
}

/// Holds peaks at [`CEILING`] by turning the gain down before they come.
///
/// The gain that a frame needs is spread over the frames before it: the least of a window, let go
/// slowly, then the mean over the same window. The mean of gains none of which is above what the
/// frame needs is not above it either.
struct Limiter {
    channels: usize,
    ahead: usize,
    release: f32,
    /// The frames of the window, and behind them those that wait for their gain.
    delayed: VecDeque<f32>,
    /// Falling gains with their places: the front is the least of the window.
    least: VecDeque<(usize, f32)>,
    place: usize,
    held: f32,
    /// The last gains, and their sum.
    gains: VecDeque<f32>,
    /// Frames given out less frames taken.
    owed: usize,
    /// Frames since a gain was last below 1.
    calm: usize,
}

impl Limiter {
    fn new(rate: u32, channels: usize) -> Self {
        let ahead = usize::try_from(rate / 200).unwrap_or(1).max(1);
        Self {
            channels,
            ahead,
            release: 1.0 / f32_of(ahead * 12),
            delayed: VecDeque::new(),
            least: VecDeque::new(),
            place: 0,
            held: 1.0,
            gains: VecDeque::from(vec![1.0; ahead]),
            owed: 0,
            calm: usize::MAX,
        }
    }

    fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(samples.len());
        for frame in samples.chunks_exact(self.channels) {
            self.step(frame, &mut out);
        }
        out
    }

    fn finish(&mut self) -> Vec<f32> {
        let mut out = Vec::new();
        let silence = vec![0.0; self.channels];
        for _ in 0..self.owed {
            self.step(&silence, &mut out);
        }
        self.owed = 0;
        out
    }

    fn step(&mut self, frame: &[f32], out: &mut Vec<f32>) {
        self.delayed.extend(frame);
        let peak = frame.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        let gain = if peak > CEILING { CEILING / peak } else { 1.0 };
        self.calm = if gain < 1.0 {
            0
        } else {
            self.calm.saturating_add(1)
        };
        // Where all gains of both windows are 1 there is nothing to work out.
        let idle = self.calm > self.ahead.saturating_mul(2);
        let smooth = if idle { 1.0 } else { self.smooth(gain) };
        if self.held < 1.0 {
            self.calm = 0;
        }
        self.place = self.place.wrapping_add(1);
        if self.owed < self.ahead.saturating_sub(1) {
            self.owed = self.owed.saturating_add(1);
            return;
        }
        for _ in 0..self.channels {
            let sample = self.delayed.pop_front().unwrap_or(0.0);
            out.push(sample * smooth);
        }
    }

    fn smooth(&mut self, gain: f32) -> f32 {
        while self.least.back().is_some_and(|(_, last)| *last >= gain) {
            self.least.pop_back();
        }
        self.least.push_back((self.place, gain));
        while let Some((place, _)) = self.least.front()
            && self.place.wrapping_sub(*place) >= self.ahead
        {
            self.least.pop_front();
        }
        let least = self.least.front().map_or(1.0, |(_, gain)| *gain);
        self.held = least.min(self.held + (1.0 - self.held) * self.release + 1e-6);
        self.gains.push_back(self.held);
        self.gains.pop_front();
        // The sum is taken anew: a running one would drift. It is short, and seldom needed.
        let sum: f32 = self.gains.iter().sum();
        (sum / f32_of(self.ahead)).min(1.0)
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a count of some thousand samples is exact"
)]
fn f32_of(count: usize) -> f32 {
    count as f32
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the samples of the tests are small"
)]
mod tests {
    use super::*;

    fn tone(rate: u32, height: f32, seconds: u32) -> Vec<f32> {
        (0..rate * seconds)
            .map(|n| (f64::from(n) * 900.0 / f64::from(rate) * std::f64::consts::TAU).sin() as f32)
            .map(|x| x * height)
            .collect()
    }

    fn levelled(rate: u32, samples: &[f32], block: usize) -> Vec<f32> {
        let mut leveller = Leveller::new(rate, 1);
        let mut out = Vec::new();
        for block in samples.chunks(block) {
            out.extend(leveller.push(block.to_vec()));
        }
        out.extend(leveller.finish());
        assert_eq!(out.len(), samples.len());
        out
    }

    fn peak(samples: &[f32]) -> f32 {
        samples.iter().fold(0.0, |peak, x| peak.max(x.abs()))
    }

    #[test]
    fn quiet_speech_is_raised_and_loud_speech_is_left() {
        // A tone of height 0.1414 has a mean square of -20 dBFS.
        let raised = levelled(8_000, &tone(8_000, 0.05, 2), 1_000);
        assert!((peak(&raised) - 0.1414).abs() < 0.01, "{}", peak(&raised));
        let loud = tone(8_000, 0.5, 2);
        assert_eq!(levelled(8_000, &loud, 777), loud);
        let noise = tone(8_000, 0.0005, 2);
        assert_eq!(levelled(8_000, &noise, 777), noise, "noise is a pause");
        let quiet = levelled(8_000, &tone(8_000, 0.01, 2), 1_000);
        assert!((peak(&quiet) - 0.0398).abs() < 0.001, "12 dB and no more");
        let music = tone(44_100, 0.05, 1);
        assert_eq!(levelled(44_100, &music, 1_024), music);
    }

    #[test]
    fn pauses_do_not_make_speech_louder() {
        let mut sound = tone(8_000, 0.2, 1);
        sound.extend(vec![0.0; 80_000]);
        assert_eq!(levelled(8_000, &sound, 1_000), sound);
    }

    #[test]
    fn peaks_are_held_and_the_rest_is_left() {
        let mut sound = tone(8_000, 0.3, 3);
        for x in &mut sound[8_000..8_040] {
            *x *= 10.0;
        }
        let out = levelled(8_000, &sound, 501);
        assert!(peak(&out) <= CEILING + 1e-6, "{}", peak(&out));
        assert!(peak(&out) > 0.9);
        assert_eq!(out[..7_900], sound[..7_900]);
        assert_eq!(out[20_000..], sound[20_000..]);
    }

    #[test]
    fn blocks_do_not_matter() {
        let mut sound = tone(16_000, 0.4, 1);
        for (at, x) in sound.iter_mut().enumerate() {
            *x *= (at % 997) as f32 / 300.0;
        }
        assert_eq!(
            levelled(16_000, &sound, 160),
            levelled(16_000, &sound, 4_096)
        );
    }
}
