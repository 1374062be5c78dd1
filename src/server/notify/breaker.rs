//! A gateway that does not answer is left alone for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::relay::NotifyError;

/// Failures in a row after which a gateway counts as away.
const FAILURES: u32 = 3;
/// How long it is left alone first.
const FIRST: Duration = Duration::from_secs(1);
/// How long it is left alone at most.
const LONGEST: Duration = Duration::from_secs(60);

/// Why a gateway did not take a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was not reached, or takes nothing from anybody: it does not have the push.
    Away(String),
    /// It was reached and did not answer: it may have the push.
    Silent(String),
    /// It answered, and will take this push later.
    Later(String),
    /// It answered, and will never take this push.
    Never(String),
}

/// Counts failures in a row. After some the gateway is left alone, each time twice as long; then
/// one push tries, and the others wait for what becomes of it.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Left alone before this.
    until: Option<Instant>,
    why: String,
}

/// Whether a push goes to a gateway that is left alone, to find out whether it is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trial(bool);

impl Breaker {
    /// Hands one push over with `push`, unless the gateway is left alone now.
    pub(super) fn call(
        &self,
        push: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), NotifyError> {
        let trial = self.admit(Instant::now())?;
        let result = push();
        self.settle(Instant::now(), trial, &result);
        result.map_err(|failure| match failure {
            Failure::Away(why) => NotifyError::Unavailable(why),
            Failure::Silent(why) | Failure::Later(why) => NotifyError::Temporary(why),
            Failure::Never(why) => NotifyError::Permanent(why),
        })
    }

    fn admit(&self, now: Instant) -> Result<Trial, NotifyError> {
        let mut state = self.state();
        let Some(until) = state.until else {
            return Ok(Trial(false));
        };
        if now < until {
            let why = format!("left alone for a while: {}", state.why);
            return Err(NotifyError::Unavailable(why));
        }
        // The others wait for this one, but not for ever.
        state.until = Some(now + LONGEST);
        Ok(Trial(true))
    }

    fn settle(&self, now: Instant, trial: Trial, result: &Result<(), Failure>) {
        let mut state = self.state();
        match result {
            Ok(()) | Err(Failure::Later(_) | Failure::Never(_)) => *state = State::default(),
            // It was under way when others found out.
            Err(_) if state.until.is_some() && !trial.0 => {}
            Err(Failure::Away(why) | Failure::Silent(why)) => {
                state.failures = state.failures.saturating_add(1);
                state.why.clone_from(why);
                if let Some(doublings) = state.failures.checked_sub(FAILURES) {
                    let times = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
                    state.until = Some(now + FIRST.saturating_mul(times).min(LONGEST));
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away() -> Result<(), Failure> {
        Err(Failure::Away("connection refused".to_owned()))
    }

    #[test]
    fn a_gateway_is_left_alone_longer_and_longer_and_tried_by_one() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let under_way = breaker.admit(now).unwrap();
        for _ in 0..FAILURES {
            assert_eq!(breaker.admit(now), Ok(Trial(false)));
            breaker.settle(now, Trial(false), &away());
        }
        breaker.settle(now, under_way, &away());
        let refused = breaker.admit(now).unwrap_err();
        let NotifyError::Unavailable(why) = refused else {
            panic!("{refused:?}");
        };
        assert!(why.contains("connection refused"), "{why}");
        assert_eq!(breaker.admit(now + FIRST), Ok(Trial(true)), "one tries");
        assert!(breaker.admit(now + FIRST).is_err(), "the others wait");
        breaker.settle(now + FIRST, Trial(true), &away());
        assert!(breaker.admit(now + FIRST * 2).is_err(), "twice as long");
        assert_eq!(breaker.admit(now + FIRST * 3), Ok(Trial(true)));
        breaker.settle(now + FIRST * 3, Trial(true), &Ok(()));
        assert_eq!(breaker.admit(now + FIRST * 3), Ok(Trial(false)));
        for _ in 0..40 {
            breaker.settle(now, Trial(true), &away());
        }
        assert_eq!(
            breaker.admit(now + LONGEST),
            Ok(Trial(true)),
            "never longer"
        );
        assert_eq!(
            breaker.admit(now + LONGEST * 2),
            Ok(Trial(true)),
            "one that tried and never came back does not count"
        );
    }

    #[test]
    fn a_gateway_that_answers_is_there_whatever_it_says() {
        let breaker = Breaker::default();
        for number in 0..9 {
            let result = breaker.call(|| match number % 3 {
                0 => away(),
                1 => Err(Failure::Never("no such number".to_owned())),
                _ => Err(Failure::Later("its queue is full".to_owned())),
            });
            match number % 3 {
                0 => assert!(matches!(result, Err(NotifyError::Unavailable(_)))),
                1 => assert!(matches!(result, Err(NotifyError::Permanent(_)))),
                _ => assert!(matches!(result, Err(NotifyError::Temporary(_)))),
            }
        }
    }
}
