//! How long to wait before trying again.

use crate::store::Millis;

/// How notifications and reports are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Wait after the first attempt.
    pub first: Millis,
    /// Longest wait.
    pub longest: Millis,
    /// Attempts at most.
    pub attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: 60_000,
            longest: 4 * 3_600_000,
            attempts: 24,
        }
    }
}

impl Retry {
    /// The wait after `attempts` attempts: it doubles each time, up to the longest, and a random
    /// part of at most half of it is taken away, so that what failed together does not come back
    /// together.
    #[must_use]
    pub fn wait(&self, attempts: u32, random: u32) -> Millis {
        let doubled = self
            .first
            .saturating_mul(1_i64.checked_shl(attempts.min(32)).unwrap_or(i64::MAX));
        let whole = doubled.clamp(1, self.longest.max(1));
        let half = whole / 2;
        let away = i64::from(random)
            .checked_rem(half.saturating_add(1))
            .unwrap_or(0);
        whole.saturating_sub(away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_keep_half() {
        let retry = Retry {
            first: 1_000,
            longest: 10_000,
            attempts: 9,
        };
        let full = [0, 1, 2, 3, 4, 99].map(|n| retry.wait(n, 0));
        assert_eq!(full, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        for random in [1, 499, 500, 501, u32::MAX] {
            let wait = retry.wait(0, random);
            assert!((500..=1_000).contains(&wait), "{wait}");
        }
        assert_ne!(retry.wait(3, 17), retry.wait(3, 1_700));
    }
}
