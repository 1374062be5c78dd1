//! QUANT from macroblock to macroblock, and what DQUANT can do (H.263 clause 5.3.6).

/// QUANT on its way through a picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    /// PQUANT: where it starts and returns to.
    base: u8,
    /// What is wanted now.
    wanted: u8,
    /// What the decoder has.
    pub(super) current: u8,
    limit: u64,
    count: u64,
}

impl Steps {
    pub(super) fn new(base: u8, limit: u64, count: usize) -> Self {
        Self {
            base,
            wanted: base,
            current: base,
            limit,
            count: u64::try_from(count).unwrap_or(1).max(1),
        }
    }

    /// QUANT for macroblock `index`, when `bits` have been spent before it: higher when the
    /// picture heads over its limit.
    pub(super) fn wanted(&mut self, index: usize, bits: u64) -> u8 {
        let done = u64::try_from(index).unwrap_or(0);
        let spent = bits.saturating_mul(self.count);
        // A third may be spent ahead: not every part of a picture is alike.
        let allowed = self.limit.saturating_mul(done * 2 + self.count) / 48;
        if spent > allowed.saturating_mul(15) {
            self.wanted = self.wanted.saturating_add(2).min(31);
        } else if self.wanted > self.base && spent < allowed.saturating_mul(13) {
            self.wanted -= 1;
        }
        self.wanted
    }
}

/// The QUANT nearest to `wanted` that DQUANT can reach from `old` (table 12).
pub(super) fn towards(old: u8, wanted: u8) -> u8 {
    wanted
        .clamp(old.saturating_sub(2), old.saturating_add(2))
        .clamp(1, 31)
}

/// DQUANT from one QUANT to another, or `None` where they are equal.
pub(super) fn dquant(old: u8, new: u8) -> Option<i8> {
    let difference = i8::try_from(i16::from(new) - i16::from(old)).ok()?;
    (difference != 0).then_some(difference)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quant_rises_when_a_picture_heads_over_its_limit() {
        let mut steps = Steps::new(10, 1000, 99);
        assert_eq!(steps.wanted(50, 400), 10);
        assert_eq!(steps.wanted(50, 900), 12);
        steps.wanted = 14;
        assert_eq!(steps.wanted(50, 100), 13);
        steps.wanted = 31;
        assert_eq!(steps.wanted(90, 5000), 31);
        assert_eq!((towards(10, 5), towards(10, 11), towards(1, 0)), (8, 11, 1));
        assert_eq!(dquant(10, 12), Some(2));
        assert_eq!(dquant(10, 10), None);
    }
}
