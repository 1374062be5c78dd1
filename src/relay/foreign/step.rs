//! How a foreign recipient of a message comes to his end: a pure function of state and event.

use super::super::delivery::{Outcome, Progress, settled};
use crate::store::{DeliveryState, Millis};

/// What happens to a foreign recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) enum Event {
    /// The time has come to look at it.
    Due,
    /// The peer's mail server took the message.
    Sent {
        /// Whether a response will come.
        awaits_response: bool,
    },
    /// The peer did not take it, and may later.
    Failed,
    /// The peer will never take it.
    Refused(Outcome),
    /// MM4_forward.RES said Ok.
    Confirmed,
    /// MM4_delivery_report.REQ said how it ended.
    Reported(Outcome),
}

/// What a step is judged by besides the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) struct Terms {
    /// The time.
    pub(in crate::relay) now: Millis,
    /// When the message expires.
    pub(in crate::relay) expires_at: Millis,
    /// How long to wait after a failure.
    pub(in crate::relay) retry_in: Millis,
    /// How long to wait for a response.
    pub(in crate::relay) response_wait: Millis,
    /// How often it is sent at most while no response comes.
    pub(in crate::relay) sendings: u32,
    /// When a peer that took the message over and reported nothing will not report any more; `None`
    /// where nobody waits for that.
    pub(in crate::relay) report_by: Option<Millis>,
}

/// What a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) enum Effect {
    /// Hand the message to the peer.
    Send,
    /// Tell the sender, if he asked.
    Report(Outcome),
}

/// The next state of a foreign recipient, and what to do. There is one report at most: nothing
/// leaves a final state but `Forwarded`, which has made none.
#[must_use]
pub(in crate::relay) fn step(
    progress: Progress,
    event: Event,
    terms: &Terms,
) -> (Progress, Option<Effect>) {
    use DeliveryState as S;
    match (progress.state, event) {
        (S::Queued | S::Sent | S::Forwarded, Event::Reported(outcome)) => end(progress, outcome),
        // It may be with the recipient or not: nobody said.
        (S::Forwarded, Event::Due) => end(progress, Outcome::Indeterminate),
        (state, _) if state.is_final() => (progress, None),
        (_, Event::Refused(outcome)) => end(progress, outcome),
        (_, Event::Confirmed) => (taken_over(progress, terms), None),
        // The peer had it and never said so: nobody can tell.
        (S::Sent, Event::Due)
            if terms.now >= terms.expires_at || progress.attempts >= terms.sendings =>
        {
            end(progress, Outcome::Indeterminate)
        }
        (_, Event::Due) if terms.now >= terms.expires_at => end(progress, Outcome::Expired),
        (_, Event::Due) => (progress, Some(Effect::Send)),
        (state, Event::Sent { awaits_response }) => {
            // Failures before the first sending are not sendings.
            let attempts = match state {
                S::Sent => progress.attempts.saturating_add(1),
                _ => 1,
            };
            let next = Progress {
                attempts,
                ..progress
            };
            if awaits_response {
                let due_at = terms.now.saturating_add(terms.response_wait);
                let next = Progress {
                    state: S::Sent,
                    due_at: Some(due_at.min(terms.expires_at)),
                    ..next
                };
                (next, None)
            } else {
                (taken_over(next, terms), None)
            }
        }
        (_, Event::Failed) => {
            let due_at = terms.now.saturating_add(terms.retry_in);
            let next = Progress {
                attempts: progress.attempts.saturating_add(1),
                due_at: Some(due_at.min(terms.expires_at)),
                ..progress
            };
            (next, None)
        }
        (_, Event::Reported(_)) => (progress, None),
    }
}

/// The peer has it. Its report is waited for where somebody wants one.
fn taken_over(progress: Progress, terms: &Terms) -> Progress {
    Progress {
        due_at: terms.report_by,
        ..settled(progress, DeliveryState::Forwarded)
    }
}

fn end(progress: Progress, outcome: Outcome) -> (Progress, Option<Effect>) {
    use DeliveryState as S;
    let state = match outcome {
        Outcome::Expired => S::Expired,
        Outcome::Retrieved => S::Retrieved,
        Outcome::Rejected => S::Rejected,
        Outcome::Unrecognised => S::Unrecognised,
        Outcome::Indeterminate => S::Indeterminate,
        Outcome::Unreachable => S::Unreachable,
    };
    (settled(progress, state), Some(Effect::Report(outcome)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Progress = Progress {
        state: DeliveryState::Queued,
        attempts: 0,
        due_at: Some(0),
    };

    fn terms(now: Millis) -> Terms {
        Terms {
            now,
            expires_at: 1_000,
            retry_in: 10,
            response_wait: 100,
            sendings: 3,
            report_by: None,
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => Just(Event::Due),
            2 => any::<bool>().prop_map(|awaits_response| Event::Sent { awaits_response }),
            2 => Just(Event::Failed),
            1 => Just(Event::Refused(Outcome::Unreachable)),
            1 => Just(Event::Confirmed),
            1 => Just(Event::Reported(Outcome::Retrieved)),
            1 => Just(Event::Reported(Outcome::Expired)),
        ]
    }

    proptest! {
        #[test]
        fn whatever_a_peer_says_there_is_one_report_at_most(
            events in proptest::collection::vec((any_event(), 0..200_i64), 0..40),
        ) {
            let (mut progress, mut now, mut reports) = (START, 0, 0);
            for (event, pause) in events {
                now += pause;
                let (next, effect) = step(progress, event, &terms(now));
                reports += usize::from(matches!(effect, Some(Effect::Report(_))));
                prop_assert_eq!(next.due_at.is_none(), next.state.is_final());
                prop_assert!(next.due_at.is_none_or(|due| due <= 1_000));
                if progress.state.is_final() && progress.state != DeliveryState::Forwarded {
                    prop_assert_eq!(next, progress);
                }
                progress = next;
            }
            let (last, effect) = step(progress, Event::Due, &terms(1_000));
            reports += usize::from(matches!(effect, Some(Effect::Report(_))));
            prop_assert!(last.state.is_final());
            let silent = last.state == DeliveryState::Forwarded;
            prop_assert_eq!(reports, usize::from(!silent));
        }
    }

    #[test]
    fn a_peer_that_answers_takes_it_over_and_reports_later() {
        let awaits_response = true;
        let (sent, _) = step(START, Event::Sent { awaits_response }, &terms(0));
        assert_eq!((sent.state, sent.due_at), (DeliveryState::Sent, Some(100)));
        let (taken, effect) = step(sent, Event::Confirmed, &terms(50));
        assert_eq!((taken.state, effect), (DeliveryState::Forwarded, None));
        let (done, effect) = step(taken, Event::Reported(Outcome::Retrieved), &terms(2_000));
        assert_eq!(done.state, DeliveryState::Retrieved);
        assert_eq!(effect, Some(Effect::Report(Outcome::Retrieved)));
    }

    #[test]
    fn without_a_response_it_is_sent_again_and_then_given_up() {
        let mut progress = step(START, Event::Failed, &terms(0)).0;
        assert_eq!(progress.due_at, Some(10));
        for sending in 1..=3 {
            let (same, effect) = step(progress, Event::Due, &terms(100 * i64::from(sending)));
            assert_eq!(effect, Some(Effect::Send), "{sending}");
            let awaits_response = true;
            let event = Event::Sent { awaits_response };
            progress = step(same, event, &terms(100 * i64::from(sending))).0;
            assert_eq!(progress.attempts, sending);
        }
        let (end, effect) = step(progress, Event::Due, &terms(400));
        assert_eq!(end.state, DeliveryState::Indeterminate);
        assert_eq!(effect, Some(Effect::Report(Outcome::Indeterminate)));
    }

    #[test]
    fn what_never_left_expires_with_its_message() {
        let (end, effect) = step(START, Event::Due, &terms(1_000));
        assert_eq!(end.state, DeliveryState::Expired);
        assert_eq!(effect, Some(Effect::Report(Outcome::Expired)));
    }
}
