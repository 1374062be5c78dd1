//! Who may send, who may be sent to, and how much of it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::mms::address::Msisdn;
use crate::store::Millis;

/// What an operator allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Beginnings of numbers, with `+`, that neither send nor are sent to.
    pub blocked: Vec<String>,
    /// Beginnings of the numbers that may send, with `+`. None: all may that are not blocked.
    pub allowed: Vec<String>,
    /// How much each subscriber may send; `None` where that is not bounded.
    pub rate: Option<Rate>,
}

/// How many messages a subscriber may send; one to several recipients counts as that many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In a minute, in the long run.
    pub per_minute: u32,
    /// At once, after a pause.
    pub burst: u32,
}

impl Policy {
    /// Whether a subscriber may send.
    #[must_use]
    pub fn may_send(&self, number: &Msisdn) -> bool {
        !begins(&self.blocked, number) && (self.allowed.is_empty() || begins(&self.allowed, number))
    }

    /// Whether a subscriber may be sent to.
    #[must_use]
    pub fn may_receive(&self, number: &Msisdn) -> bool {
        !begins(&self.blocked, number)
    }
}

fn begins(prefixes: &[String], number: &Msisdn) -> bool {
    prefixes
        .iter()
        .any(|prefix| number.as_str().starts_with(prefix.as_str()))
}

/// Subscribers whose rate is remembered: those who sent within the time that their burst takes to
/// come back. Where there are more, the others are not held to theirs.
const SUBSCRIBERS: usize = 100_000;
/// Microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// Holds subscribers to a rate by the generic cell rate algorithm (ITU-T I.371): for each there is
/// one moment, at which what he sent would have been sent at his rate.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// That moment, in microseconds since 1970-01-01 UTC.
    due: Mutex<HashMap<String, i64>>,
}

impl Gate {
    /// Lets `count` messages of a subscriber through, or none of them.
    ///
    /// # Errors
    /// How long he has to wait, in milliseconds.
    pub(super) fn pass(
        &self,
        number: &Msisdn,
        count: usize,
        rate: Rate,
        now: Millis,
    ) -> Result<(), Millis> {
        let each = MINUTE
            .checked_div(i64::from(rate.per_minute))
            .unwrap_or(MINUTE);
        let burst = i64::from(rate.burst.max(1));
        // What is larger than a burst could never pass: it takes a whole one.
        let count = i64::try_from(count).unwrap_or(i64::MAX).clamp(1, burst);
        let now = now.saturating_mul(1_000);
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing is due later than a burst from now, unless the clock was set back since.
        let latest = now.saturating_add(each.saturating_mul(burst));
        let at = due
            .get(number.as_str())
            .copied()
            .filter(|due| *due <= latest)
            .map_or(now, |due| due.max(now));
        let after = at.saturating_add(each.saturating_mul(count));
        let wait = after
            .saturating_sub(now)
            .saturating_sub(each.saturating_mul(burst));
        if wait > 0 {
            return Err(wait.saturating_add(999) / 1_000);
        }
        if due.len() >= SUBSCRIBERS {
            due.retain(|_, due| *due > now);
        }
        if due.len() < SUBSCRIBERS {
            due.insert(number.as_str().to_owned(), after);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::Field;
    use crate::relay::testing::{Bench, SENDER, send_req};
    use crate::store::Store;

    fn number(text: &str) -> Msisdn {
        Msisdn::parse(text).unwrap()
    }

    const RATE: Rate = Rate {
        per_minute: 60,
        burst: 3,
    };

    #[test]
    fn a_burst_passes_then_one_a_second_and_nobody_pays_for_another() {
        let gate = Gate::default();
        let (one, other) = (number("+15550000001"), number("+15550000002"));
        for _ in 0..3 {
            assert_eq!(gate.pass(&one, 1, RATE, 0), Ok(()));
        }
        assert_eq!(gate.pass(&one, 1, RATE, 0), Err(1_000));
        assert_eq!(gate.pass(&other, 1, RATE, 0), Ok(()));
        assert_eq!(gate.pass(&one, 1, RATE, 999), Err(1));
        assert_eq!(gate.pass(&one, 1, RATE, 1_000), Ok(()));
        assert_eq!(gate.pass(&one, 1, RATE, 1_000), Err(1_000));
        assert_eq!(gate.pass(&one, 3, RATE, 10_000), Ok(()), "it came back");
        assert_eq!(gate.pass(&one, 1, RATE, 10_000), Err(1_000), "and no more");
    }

    #[test]
    fn recipients_count_and_a_clock_that_jumps_back_locks_nobody_out() {
        let gate = Gate::default();
        let one = number("+15550000001");
        assert_eq!(gate.pass(&one, 50, RATE, 86_400_000), Ok(()));
        assert_eq!(gate.pass(&one, 1, RATE, 86_400_000), Err(1_000));
        assert_eq!(gate.pass(&one, 2, RATE, 0), Ok(()), "a day back");
        assert!(gate.pass(&one, 2, RATE, 0).is_err(), "and still held to it");
    }

    #[test]
    fn who_is_blocked_or_too_fast_is_told_so() {
        let bench = Bench::new("policy");
        bench.relay.change_terms(|terms| {
            terms.policy = Policy {
                blocked: vec!["+15550000009".to_owned()],
                allowed: vec!["+1555".to_owned()],
                rate: Some(RATE),
            }
        });
        let status = |bench: &Bench, id: &str, to: &[&str]| {
            let conf = bench.submit(&send_req(id, to));
            let text = conf.headers.text(Field::ResponseText).map(str::to_owned);
            (conf.headers.token(Field::ResponseStatus).unwrap(), text)
        };
        let (code, text) = status(&bench, "t1", &["+15550000002", "+15550000009"]);
        assert_eq!(code, 0xC4, "the one gets it");
        assert!(text.unwrap().contains("+15550000009 takes no messages"));
        for id in ["t2", "t3"] {
            assert_eq!(status(&bench, id, &["+15550000002"]).0, 0x80);
        }
        let (code, text) = status(&bench, "t4", &["+15550000002"]);
        assert_eq!(code, 0xC0, "a temporary failure");
        assert!(text.unwrap().contains("1 second"));
        assert_eq!(bench.store.page().unwrap().messages, 3);
        bench
            .relay
            .change_terms(|terms| terms.policy.blocked = vec![SENDER.to_owned()]);
        assert_eq!(status(&bench, "t5", &["+15550000002"]).0, 0xE1);
        bench
            .relay
            .change_terms(|terms| terms.policy.blocked.clear());
        bench
            .relay
            .change_terms(|terms| terms.policy.allowed = vec!["+1444".to_owned()]);
        assert_eq!(status(&bench, "t6", &["+15550000002"]).0, 0xE1);
    }
}
