//! Sparing a peer that does not answer, and one that asks for little.

use std::time::Duration;

/// Failures in a row after which a peer is left alone for a while.
const FAILURES: u32 = 3;
/// The first rest.
const SHORTEST: Duration = Duration::from_secs(15);
/// The longest.
const LONGEST: Duration = Duration::from_secs(300);

/// A circuit breaker: closed while a peer answers, open after [`FAILURES`] failures in a row,
/// half-open once the rest is over: then one attempt decides. Times are since any fixed moment.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    rests: u32,
    open_until: Option<Duration>,
}

impl Breaker {
    /// How long to leave the peer alone; `None` where it may be tried.
    pub(super) fn rest(&self, now: Duration) -> Option<Duration> {
        self.open_until?
            .checked_sub(now)
            .filter(|rest| !rest.is_zero())
    }

    /// The peer answered, whatever it said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// The peer could not be reached, or broke off. Gives whether it is left alone from now on.
    pub(super) fn failed(&mut self, now: Duration) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return false;
        }
        // Half-open: the next failure opens it again at once, and for longer.
        self.failures = FAILURES.saturating_sub(1);
        let factor = 2_u32.saturating_pow(self.rests.min(8));
        let rest = SHORTEST.saturating_mul(factor).min(LONGEST);
        self.rests = self.rests.saturating_add(1);
        self.open_until = Some(now.saturating_add(rest));
        true
    }
}

/// Spaces what goes to a peer evenly.
#[derive(Debug)]
pub(super) struct Throttle {
    every: Duration,
    next: Duration,
}

impl Throttle {
    /// At most this many in a second.
    pub(super) fn per_second(count: u32) -> Self {
        let every = Duration::from_secs(1)
            .checked_div(count)
            .unwrap_or(Duration::ZERO);
        Self {
            every,
            next: Duration::ZERO,
        }
    }

    /// Takes the next turn, and gives how long to wait for it.
    pub(super) fn turn(&mut self, now: Duration) -> Duration {
        let at = self.next.max(now);
        self.next = at.saturating_add(self.every);
        at.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_dead_peer_is_tried_ever_more_rarely_and_forgiven_at_once() {
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(at(0)) && !breaker.failed(at(0)));
        assert_eq!(breaker.rest(at(0)), None);
        assert!(breaker.failed(at(0)));
        assert_eq!(breaker.rest(at(5)), Some(at(10)));
        assert_eq!(breaker.rest(at(15)), None, "half-open");
        assert!(breaker.failed(at(15)));
        assert_eq!(breaker.rest(at(15)), Some(at(30)));
        for _ in 0..20 {
            breaker.failed(at(100));
        }
        assert_eq!(breaker.rest(at(100)), Some(LONGEST));
        breaker.answered();
        assert_eq!(breaker.rest(at(100)), None);
        assert!(!breaker.failed(at(100)));
    }

    #[test]
    fn turns_are_evenly_spaced() {
        let mut throttle = Throttle::per_second(4);
        let waits: Vec<_> = (0..4).map(|_| throttle.turn(at(1)).as_millis()).collect();
        assert_eq!(waits, [0, 250, 500, 750]);
        assert_eq!(throttle.turn(at(9)), Duration::ZERO, "no debt is kept");
        let mut free = Throttle::per_second(0);
        assert_eq!((free.turn(at(1)), free.turn(at(1))), (at(0), at(0)));
    }
}
