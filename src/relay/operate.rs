//! What an operator does to a message: tell its recipients now, or give it up.

use super::Relay;
use super::delivery::Event;
use crate::store::{self, DeliveryState, MessageRow, RecipientRow, StoreError};

/// A change by somebody else is read again this often.
const READS: usize = 4;

/// What an action changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operated {
    /// Addresses of the recipients that were changed.
    pub changed: Vec<String>,
    /// Recipients that the action does not concern, such as those who have the message.
    pub left: usize,
}

/// Why an action was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OperateError {
    /// There is no such message.
    #[error("there is no message with this id")]
    Unknown,
    /// The message has no such recipient.
    #[error("the message has no recipient with this number")]
    NoRecipient,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Retry,
    Release,
    Expire,
}

impl Relay {
    /// Tells the recipients of a message who do not have it yet once more, at once, and counts
    /// their attempts from zero. `recipient` is the number of one recipient's row; all are meant
    /// without it. `by` is who wants it, for the message's events.
    ///
    /// # Errors
    /// Where there is no such message or recipient, or the store refuses.
    pub fn retry_now(
        &self,
        id: &str,
        recipient: Option<i64>,
        by: &str,
    ) -> Result<Operated, OperateError> {
        self.operate(id, recipient, by, Action::Retry)
    }

    /// Lets a message out before the time its sender asked it to be delivered at. Recipients who
    /// were told already are left alone.
    ///
    /// # Errors
    /// As [`Relay::retry_now`].
    pub fn release(
        &self,
        id: &str,
        recipient: Option<i64>,
        by: &str,
    ) -> Result<Operated, OperateError> {
        self.operate(id, recipient, by, Action::Release)
    }

    /// Ends a message for the recipients who do not have it yet, as if its time were over. Its
    /// sender gets the report he asked for.
    ///
    /// # Errors
    /// As [`Relay::retry_now`].
    pub fn expire_now(
        &self,
        id: &str,
        recipient: Option<i64>,
        by: &str,
    ) -> Result<Operated, OperateError> {
        self.operate(id, recipient, by, Action::Expire)
    }

    fn operate(
        &self,
        id: &str,
        only: Option<i64>,
        by: &str,
        action: Action,
    ) -> Result<Operated, OperateError> {
        let (message, recipients) = self.store.message(id)?.ok_or(OperateError::Unknown)?;
        let meant: Vec<RecipientRow> = recipients
            .into_iter()
            .filter(|recipient| only.is_none_or(|only| only == recipient.id))
            .collect();
        if meant.is_empty() {
            return Err(OperateError::NoRecipient);
        }
        let mut done = Operated {
            changed: Vec::new(),
            left: 0,
        };
        for recipient in meant {
            let address = recipient.address.clone();
            if self.operate_on(&message, recipient, by, action)? {
                done.changed.push(address);
            } else {
                done.left = done.left.saturating_add(1);
            }
        }
        self.surroundings.wake();
        Ok(done)
    }

    /// Whether the action concerned the recipient.
    fn operate_on(
        &self,
        message: &MessageRow,
        mut recipient: RecipientRow,
        by: &str,
        action: Action,
    ) -> Result<bool, StoreError> {
        for _ in 0..READS {
            let concerned = match action {
                Action::Release => {
                    recipient.state == DeliveryState::Queued && recipient.attempts == 0
                }
                Action::Retry | Action::Expire => !recipient.state.is_final(),
            };
            if !concerned {
                return Ok(false);
            }
            let changed = match action {
                Action::Expire => self.give_up(message, &recipient, by),
                Action::Retry => self.make_due(message, &recipient, "retry", by),
                Action::Release => self.make_due(message, &recipient, "released", by),
            };
            match changed {
                Err(StoreError::Stale) => {}
                other => return other.map(|()| true),
            }
            match self.store.by_transaction(&recipient.transaction_id)? {
                Some((_, fresh)) => recipient = fresh,
                None => return Ok(false),
            }
        }
        Err(StoreError::Stale)
    }

    fn give_up(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        by: &str,
    ) -> Result<(), StoreError> {
        let over = MessageRow {
            expires_at: self.surroundings.now().min(message.expires_at),
            ..message.clone()
        };
        let detail = format!("by {by}");
        self.advance(&over, recipient, Event::Due, "expired", detail)
            .map(|_| ())
    }

    fn make_due(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        what: &str,
        by: &str,
    ) -> Result<(), StoreError> {
        let now = self.surroundings.now();
        let state = match recipient.state {
            // It said that it will fetch later, and is asked once more.
            DeliveryState::Deferred => DeliveryState::Queued,
            state => state,
        };
        let change = store::Change {
            recipient: recipient.id,
            fence: recipient.fence,
            state,
            attempts: 0,
            due_at: Some(now),
            event: store::Event {
                message_id: message.id.clone(),
                recipient: Some(recipient.id),
                at: now,
                what: what.to_owned(),
                detail: format!("by {by}"),
            },
            reports: Vec::new(),
        };
        self.store.settle(&change)?;
        self.tell_step(message, recipient, &change);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mms::{Field, HeaderValue, Time};
    use crate::relay::NotifyError;
    use crate::relay::testing::{Bench, send_req};
    use crate::store::Store;

    #[test]
    fn a_message_is_retried_at_once_when_somebody_says_so() {
        let bench = Bench::new("operate-retry");
        let id = bench.accept(&send_req("t1", &["+15550000002"]));
        bench.fail_with(Some(NotifyError::Temporary("no radio".to_owned())));
        bench.run_due();
        bench.fail_with(None);
        assert_eq!(bench.run_due(), 0, "its next attempt is later");
        let done = bench.relay.retry_now(&id, None, "alice").unwrap();
        assert_eq!(done.changed, ["+15550000002/TYPE=PLMN"]);
        assert_eq!(bench.run_due(), 1);
        assert_eq!(bench.pushes().len(), 1);
        let events = bench.store.events(&id).unwrap();
        let asked = events.iter().find(|event| event.what == "retry").unwrap();
        assert_eq!(asked.detail, "by alice");
    }

    #[test]
    fn a_message_given_up_is_reported_and_stays_so() {
        let bench = Bench::new("operate-expire");
        let mut pdu = send_req("t1", &["+15550000002", "+15550000003"]);
        pdu.headers
            .add(Field::DeliveryReport, HeaderValue::Token(0x80));
        let id = bench.accept(&pdu);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        let one = Some(recipients[0].id);
        let done = bench.relay.expire_now(&id, one, "alice").unwrap();
        assert_eq!(done.changed.len(), 1);
        let again = bench.relay.expire_now(&id, one, "alice").unwrap();
        assert_eq!((again.changed.len(), again.left), (0, 1));
        let retried = bench.relay.retry_now(&id, one, "alice").unwrap();
        assert!(retried.changed.is_empty());
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Expired);
        assert_eq!(recipients[1].state, DeliveryState::Queued);
        assert_eq!(bench.store.page().unwrap().reports, 1);
        assert_eq!(
            bench.relay.expire_now(&id, Some(-1), "alice"),
            Err(OperateError::NoRecipient)
        );
        assert_eq!(
            bench.relay.expire_now("00", None, "alice"),
            Err(OperateError::Unknown)
        );
    }

    #[test]
    fn a_message_for_tomorrow_can_be_let_out_today() {
        let bench = Bench::new("operate-release");
        let mut pdu = send_req("t1", &["+15550000002"]);
        let tomorrow = HeaderValue::Time(Time::Relative(86_400));
        pdu.headers.add(Field::DeliveryTime, tomorrow);
        let id = bench.accept(&pdu);
        assert_eq!(bench.run_due(), 0);
        let done = bench.relay.release(&id, None, "alice").unwrap();
        assert_eq!(done.changed.len(), 1);
        assert_eq!(bench.run_due(), 1);
        let again = bench.relay.release(&id, None, "alice").unwrap();
        assert_eq!((again.changed.len(), again.left), (0, 1));
    }
}
