//! What pictures cost, and what the decoder's buffer holds.

/// INTRA or INTER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Inter,
    Intra,
}

/// What a coded picture took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) bits: u64,
    /// Sum of absolute differences that there was to code.
    pub(super) complexity: u64,
    /// Mean QUANT in 256ths.
    pub(super) quantiser_256: u32,
}

/// Bits of one kind of picture as a function of complexity and QUANT.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) powers: &'static [u32; 31],
    /// Texture bits per complexity and power, in 2⁻³².
    k: u64,
    pub(super) overhead: u64,
    /// Pictures of the past that count.
    memory: u64,
    /// Texture bits seen, and complexity · power · 2⁻¹⁶, the older ones weighing less.
    seen: (u64, u64),
    pub(super) last_complexity: u64,
}

impl Model {
    pub(super) fn new(powers: &'static [u32; 31], k: u64, overhead: u64, memory: u64) -> Self {
        Self {
            powers,
            k,
            overhead,
            memory,
            seen: (0, 0),
            last_complexity: 0,
        }
    }

    /// Bits of one picture.
    pub(super) fn predict(&self, complexity: u64, step: u8) -> u64 {
        self.all((1, complexity), step)
    }

    /// Bits of so many pictures with that much complexity together.
    pub(super) fn all(&self, (count, complexity): (u64, u64), step: u8) -> u64 {
        let overhead = self.overhead.saturating_mul(count);
        overhead.saturating_add(self.texture(complexity, step))
    }

    pub(super) fn texture(&self, complexity: u64, step: u8) -> u64 {
        let power = power(self.powers, u32::from(step) << 8);
        scale(self.k, complexity.saturating_mul(u64::from(power)), 1 << 32)
    }

    pub(super) fn learn(&mut self, record: &Record) {
        self.last_complexity = record.complexity;
        let texture = record.bits.saturating_sub(self.overhead);
        let power = u64::from(power(self.powers, record.quantiser_256));
        let (bits, complexity) = self.seen;
        // Sixteenths, so that nothing is lost to rounding.
        self.seen = (
            bits - bits / self.memory + texture * 16,
            complexity - complexity / self.memory + scale(record.complexity * 16, power, 1 << 16),
        );
        let (bits, complexity) = self.seen;
        self.k = scale(bits, 1 << 16, complexity.max(1)).max(16);
    }
}

/// QUANT^−α · 2¹⁶ for a QUANT in 256ths, straight between the table's entries.
pub(super) fn power(powers: &[u32; 31], quantiser_256: u32) -> u32 {
    let whole = usize::try_from(quantiser_256 >> 8)
        .unwrap_or(31)
        .clamp(1, 31);
    let low = powers.get(whole - 1).copied().unwrap_or(1);
    let high = powers.get(whole).copied().unwrap_or(low);
    let part = quantiser_256 & 0xff;
    low - (low - high.min(low)) * part / 256
}

/// The hypothetical reference decoder's buffer (Annex B), seen from the sender: it holds
/// BPPmaxKb + 4 · Rmax · 1001/30000 bits and empties at the level's rate.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    size: u64,
    rate: u64,
    level: u64,
    time_us: u64,
}

impl Bucket {
    pub(super) fn new(rate: u64, max_picture_bits: u64) -> Self {
        Self {
            size: max_picture_bits + 4 * rate * 1001 / 30_000,
            rate,
            level: 0,
            time_us: 0,
        }
    }

    pub(super) fn drain(&mut self, time_us: u64) {
        let gone = time_us.saturating_sub(self.time_us);
        self.time_us = self.time_us.max(time_us);
        self.level = self.level.saturating_sub(scale(self.rate, gone, 1_000_000));
    }

    pub(super) fn fill(&mut self, bits: u64) {
        self.level = self.level.saturating_add(bits);
    }

    pub(super) fn room(&self) -> u64 {
        self.size.saturating_sub(self.level)
    }
}

/// `a · b / c` without overflow on the way.
pub(super) fn scale(a: u64, b: u64, c: u64) -> u64 {
    let product = u128::from(a) * u128::from(b) / u128::from(c.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// k before any picture was coded: usual values.
pub(super) const INTER_K: u64 = 60_000;
pub(super) const INTRA_K: u64 = 60_000;

/// QUANT^−1.2 · 2¹⁶.
pub(super) const INTER_POWERS: [u32; 31] = [
    65536, 28526, 17536, 12417, 9500, 7633, 6344, 5405, 4692, 4135, 3688, 3322, 3018, 2761, 2542,
    2353, 2188, 2042, 1914, 1800, 1698, 1605, 1522, 1446, 1377, 1314, 1256, 1202, 1152, 1106, 1064,
];

/// QUANT^−0.95 · 2¹⁶.
pub(super) const INTRA_POWERS: [u32; 31] = [
    65536, 33923, 23078, 17560, 14206, 11946, 10318, 9089, 8127, 7353, 6717, 6184, 5731, 5341,
    5003, 4705, 4442, 4207, 3996, 3806, 3634, 3477, 3333, 3201, 3079, 2967, 2862, 2765, 2674, 2589,
    2510,
];

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::needless_range_loop,
    reason = "the small numbers of a test"
)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_what_they_say() {
        for (powers, alpha) in [(&INTER_POWERS, 1.2f64), (&INTRA_POWERS, 0.95)] {
            for (step, power) in (1..).zip(powers) {
                let exact = 65536.0 * f64::from(step).powf(-alpha);
                assert!((exact - f64::from(*power)).abs() < 1.0, "{step} {exact}");
            }
        }
        assert_eq!(power(&INTER_POWERS, 0x0280), 28526 - (28526 - 17536) / 2);
        assert_eq!(power(&INTER_POWERS, 31 << 8), 1064);
    }

    #[test]
    fn the_bucket_is_the_level_10_buffer() {
        let mut bucket = Bucket::new(64_000, 65_536);
        assert_eq!(bucket.room(), 65_536 + 8_541);
        bucket.fill(70_000);
        assert_eq!(bucket.room(), 4_077);
        bucket.drain(1_000_000);
        assert_eq!(bucket.level, 6_000);
        bucket.drain(1_000_000);
        assert_eq!(bucket.level, 6_000);
    }

    #[test]
    fn a_model_predicts_what_it_learnt() {
        let mut model = Model::new(&INTER_POWERS, INTER_K, 155, 8);
        model.learn(&Record {
            kind: Kind::Inter,
            bits: 4_155,
            complexity: 80_000,
            quantiser_256: 10 << 8,
        });
        let again = model.predict(80_000, 10);
        assert!((4_100..=4_200).contains(&again), "{again}");
        assert!(model.predict(80_000, 5) > 8_000);
        assert!(model.predict(40_000, 10) < 2_300);
    }
}
