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
        scattered(doubled.clamp(1, self.longest.max(1)), random)
    }

    /// The wait for a gateway that is away, for something that has waited for `age` already. A
    /// quarter of its age: the longer an outage, the less often everything that waits is looked
    /// at, and once it is over, nothing waits much longer than it had to. The jitter is that of
    /// [`Retry::wait`].
    #[must_use]
    pub fn postpone(&self, age: Millis, random: u32) -> Millis {
        let least = self.first.clamp(1, SOONEST);
        let most = self.longest.clamp(1, LATEST).max(least);
        scattered((age / 4).clamp(least, most), random)
    }
}

/// The first wait for a gateway that is away, in milliseconds.
const SOONEST: Millis = 5_000;
/// The longest wait for a gateway that is away, in milliseconds.
const LATEST: Millis = 900_000;

/// `whole` without a random part of at most half of it.
fn scattered(whole: Millis, random: u32) -> Millis {
    let half = whole / 2;
    let away = i64::from(random)
        .checked_rem(half.saturating_add(1))
        .unwrap_or(0);
    whole.saturating_sub(away)
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

    #[test]
    fn a_gateway_that_is_away_is_asked_less_often_the_longer_it_is() {
        let retry = Retry::default();
        let minute = 60_000;
        let full = [0, minute, 8 * minute, 24 * 60 * minute].map(|age| retry.postpone(age, 0));
        assert_eq!(full, [5_000, 15_000, 2 * minute, 15 * minute]);
        assert!(retry.postpone(-1, 0) > 0, "a clock that was set back");
        let quick = Retry {
            first: 1_000,
            ..retry
        };
        assert_eq!(quick.postpone(0, 0), 1_000);
        let (least, most) = (8 * minute / 4 / 2, 8 * minute / 4);
        for random in [1, 77_777, u32::MAX] {
            assert!((least..=most).contains(&retry.postpone(8 * minute, random)));
        }
    }
}
