//! How one recipient of a message comes to its end: a pure function of state and event.

use crate::store::{DeliveryState, Millis};

/// Where a recipient stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The state.
    pub state: DeliveryState,
    /// Notifications that were tried.
    pub attempts: u32,
    /// When there is work again; `None` in a final state.
    pub due_at: Option<Millis>,
}

/// What happens to a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The time has come to look at it.
    Due,
    /// A notification went out.
    Notified,
    /// A notification did not go out, and may later.
    NotifyFailed,
    /// Whoever carries notifications is away, so that this was no attempt.
    NotifyPostponed {
        /// When to look again.
        until: Millis,
    },
    /// The recipient cannot be notified, now or later.
    NotifyRefused,
    /// The phone is being sent the message.
    Fetched,
    /// M-NotifyResp.ind said that the phone fetches later.
    Deferred,
    /// M-NotifyResp.ind said that the recipient does not want it.
    Rejected,
    /// M-NotifyResp.ind said that the phone did not understand.
    Unrecognised,
    /// The message was taken back before the phone had it.
    Cancelled,
    /// M-NotifyResp.ind or M-Acknowledge.ind said that the phone has it.
    Acknowledged {
        /// X-Mms-Report-Allowed: whether the sender may be told.
        report_allowed: bool,
    },
}

/// What a step is judged by besides the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The time.
    pub now: Millis,
    /// When the message expires.
    pub expires_at: Millis,
    /// How long to wait before the next notification.
    pub retry_in: Millis,
    /// Notifications that are tried at most.
    pub most_attempts: u32,
}

/// What a step asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Send M-Notification.ind.
    Notify,
    /// Tell the sender, if he asked.
    Report(Outcome),
}

/// X-Mms-Status of a delivery report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody fetched it in time.
    Expired,
    /// The phone has it.
    Retrieved,
    /// The recipient refused it.
    Rejected,
    /// The phone did not understand the notification.
    Unrecognised,
    /// Nobody can tell, or the recipient does not want it told.
    Indeterminate,
    /// The recipient could not be told of it.
    Unreachable,
}

impl Outcome {
    /// The octet of X-Mms-Status (OMA-MMS-ENC section 7.3.54).
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Expired => 0x80,
            Self::Retrieved => 0x81,
            Self::Rejected => 0x82,
            Self::Unrecognised => 0x84,
            Self::Indeterminate => 0x85,
            Self::Unreachable => 0x87,
        }
    }
}

/// The next state of a recipient, and what to do. Nothing leaves a final state, so there is one
/// report at most. An event that makes no sense in a state changes nothing.
#[must_use]
pub fn step(progress: Progress, event: Event, terms: &Terms) -> (Progress, Option<Effect>) {
    use DeliveryState as S;
    if progress.state.is_final() {
        return (progress, None);
    }
    let expired = terms.now >= terms.expires_at;
    match event {
        Event::Due if expired && progress.state == S::Fetched => {
            end(progress, S::Indeterminate, Outcome::Indeterminate)
        }
        Event::Due if expired => end(progress, S::Expired, Outcome::Expired),
        Event::Due if progress.state == S::Deferred || progress.attempts >= terms.most_attempts => {
            let due_at = Some(terms.expires_at);
            (Progress { due_at, ..progress }, None)
        }
        Event::Due => (progress, Some(Effect::Notify)),
        Event::Notified | Event::NotifyFailed => {
            let attempts = progress.attempts.saturating_add(1);
            let state = match (event, progress.state) {
                (Event::Notified, S::Queued) => S::Notified,
                (_, state) => state,
            };
            let due_at = Some(if attempts >= terms.most_attempts {
                terms.expires_at
            } else {
                again(terms)
            });
            let next = Progress {
                state,
                attempts,
                due_at,
            };
            (next, None)
        }
        Event::NotifyPostponed { until } => {
            let due_at = Some(until.min(terms.expires_at));
            (Progress { due_at, ..progress }, None)
        }
        Event::NotifyRefused => end(progress, S::Unreachable, Outcome::Unreachable),
        Event::Fetched => {
            let next = Progress {
                state: S::Fetched,
                due_at: Some(again(terms)),
                ..progress
            };
            (next, None)
        }
        Event::Deferred if progress.state == S::Fetched => (progress, None),
        Event::Deferred => {
            let next = Progress {
                state: S::Deferred,
                due_at: Some(terms.expires_at),
                ..progress
            };
            (next, None)
        }
        Event::Cancelled => end(progress, S::Expired, Outcome::Expired),
        Event::Rejected => end(progress, S::Rejected, Outcome::Rejected),
        Event::Unrecognised => end(progress, S::Unrecognised, Outcome::Unrecognised),
        // A phone that was not sent the message cannot have it.
        Event::Acknowledged { .. } if progress.state != S::Fetched => (progress, None),
        Event::Acknowledged { report_allowed } => {
            let outcome = if report_allowed {
                Outcome::Retrieved
            } else {
                Outcome::Indeterminate
            };
            end(progress, S::Retrieved, outcome)
        }
    }
}

fn again(terms: &Terms) -> Millis {
    terms
        .now
        .saturating_add(terms.retry_in)
        .min(terms.expires_at)
}

fn end(progress: Progress, state: DeliveryState, outcome: Outcome) -> (Progress, Option<Effect>) {
    (settled(progress, state), Some(Effect::Report(outcome)))
}

/// A recipient for whom nothing is due any more.
pub(super) fn settled(progress: Progress, state: DeliveryState) -> Progress {
    Progress {
        state,
        due_at: None,
        ..progress
    }
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
            retry_in: 100,
            most_attempts: 3,
        }
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => Just(Event::Due),
            2 => Just(Event::Notified),
            1 => Just(Event::NotifyFailed),
            1 => Just(Event::NotifyRefused),
            1 => (0..2_000_i64).prop_map(|until| Event::NotifyPostponed { until }),
            2 => Just(Event::Fetched),
            1 => Just(Event::Deferred),
            1 => Just(Event::Rejected),
            1 => Just(Event::Cancelled),
            1 => Just(Event::Unrecognised),
            2 => any::<bool>().prop_map(|report_allowed| Event::Acknowledged { report_allowed }),
        ]
    }

    proptest! {
        #[test]
        fn every_recipient_ends_once_whatever_happens(
            events in proptest::collection::vec((any_event(), 0..200_i64), 0..40),
        ) {
            let (mut progress, mut now, mut reports) = (START, 0, 0);
            for (event, pause) in events {
                now += pause;
                let (next, effect) = step(progress, event, &terms(now));
                reports += usize::from(matches!(effect, Some(Effect::Report(_))));
                prop_assert_eq!(next.due_at.is_none(), next.state.is_final());
                prop_assert!(!progress.state.is_final() || next == progress);
                prop_assert!(next.due_at.is_none_or(|due| due <= 1_000));
                prop_assert!(next.attempts >= progress.attempts);
                if next.state == DeliveryState::Retrieved && next != progress {
                    prop_assert_eq!(progress.state, DeliveryState::Fetched);
                }
                progress = next;
            }
            let (last, effect) = step(progress, Event::Due, &terms(1_000));
            reports += usize::from(matches!(effect, Some(Effect::Report(_))));
            prop_assert!(last.state.is_final());
            prop_assert_eq!(reports, 1);
        }
    }

    #[test]
    fn the_usual_way() {
        let (told, effect) = step(START, Event::Due, &terms(0));
        assert_eq!((told, effect), (START, Some(Effect::Notify)));
        let (told, _) = step(told, Event::Notified, &terms(0));
        assert_eq!(
            (told.state, told.due_at),
            (DeliveryState::Notified, Some(100))
        );
        let (fetched, _) = step(told, Event::Fetched, &terms(50));
        let report_allowed = true;
        let (done, effect) = step(fetched, Event::Acknowledged { report_allowed }, &terms(60));
        assert_eq!((done.state, done.due_at), (DeliveryState::Retrieved, None));
        assert_eq!(effect, Some(Effect::Report(Outcome::Retrieved)));
    }

    #[test]
    fn after_the_last_attempt_it_waits_for_the_phone_until_expiry() {
        let mut progress = START;
        for now in [0, 100, 200] {
            assert_eq!(
                step(progress, Event::Due, &terms(now)).1,
                Some(Effect::Notify)
            );
            progress = step(progress, Event::NotifyFailed, &terms(now)).0;
        }
        assert_eq!((progress.attempts, progress.due_at), (3, Some(1_000)));
        assert_eq!(step(progress, Event::Due, &terms(300)).1, None);
        assert_eq!(
            step(progress, Event::Due, &terms(1_000)).1,
            Some(Effect::Report(Outcome::Expired))
        );
    }

    #[test]
    fn a_phone_that_will_fetch_later_is_left_in_peace() {
        let told = step(START, Event::Notified, &terms(0)).0;
        let deferred = step(told, Event::Deferred, &terms(10)).0;
        assert_eq!(deferred.due_at, Some(1_000));
        assert_eq!(step(deferred, Event::Due, &terms(500)).1, None);
    }

    #[test]
    fn a_recipient_who_forbids_reports_is_not_reported_on() {
        let fetched = step(START, Event::Fetched, &terms(0)).0;
        let report_allowed = false;
        let (done, effect) = step(fetched, Event::Acknowledged { report_allowed }, &terms(1));
        assert_eq!(done.state, DeliveryState::Retrieved);
        assert_eq!(effect, Some(Effect::Report(Outcome::Indeterminate)));
    }
}
