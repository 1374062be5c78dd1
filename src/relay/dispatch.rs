//! Doing what is due: notifications, reports, expiry.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::delivery::{Effect, Event};
use super::notification::notification;
use super::retrieve::number;
use super::{Happening, Notice, Notifier, NotifyError, Relay};
use crate::mms::push::wrap;
use crate::store::{
    self, Lease, MessageRow, Millis, RecipientRow, ReportChange, ReportRow, StoreError, Work,
};

/// What is leased at once. With [`THREADS`], and a notifier that gives up after 20 seconds, all of
/// it is done before the leases run out.
const BATCH: usize = 16;
/// Pushes under way at once.
const THREADS: usize = 8;
/// How long a lease lasts, in milliseconds.
const LEASE: Millis = 120_000;

impl Relay {
    /// Does some of what is due and gives how much it was: nothing is due any more when that is
    /// zero. Blocks until the notifier has taken or refused each push.
    ///
    /// # Errors
    /// Where the store cannot be read or written; what was not settled comes back when its lease
    /// runs out.
    pub fn run_due(&self, notifier: &dyn Notifier) -> Result<usize, StoreError> {
        let now = self.surroundings.now();
        let leases = self.store.lease_due(now, BATCH, LEASE)?;
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(lease) = leases.get(next.fetch_add(1, Ordering::Relaxed)) {
                match self.run(lease, notifier) {
                    // The phone was faster than we were.
                    Err(StoreError::Stale) => {}
                    other => other?,
                }
            }
            Ok(())
        };
        let outcomes: Vec<Result<(), StoreError>> = match leases.len() {
            0 => Vec::new(),
            1 => vec![work()],
            many => std::thread::scope(|scope| {
                let threads: Vec<_> = (0..many.min(THREADS)).map(|_| scope.spawn(work)).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap_or(Err(StoreError::Closed)))
                    .collect()
            }),
        };
        outcomes.into_iter().collect::<Result<(), _>>()?;
        Ok(leases.len())
    }

    fn run(&self, lease: &Lease, notifier: &dyn Notifier) -> Result<(), StoreError> {
        match &lease.work {
            Work::Recipient(both) => self.run_recipient(&both.0, &both.1, notifier),
            Work::Report(report) => self.run_report(report, notifier),
        }
    }

    fn run_recipient(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        notifier: &dyn Notifier,
    ) -> Result<(), StoreError> {
        let effect = self.advance(message, recipient, Event::Due, "waiting", String::new())?;
        if effect != Some(Effect::Notify) {
            return Ok(());
        }
        let now = self.surroundings.now();
        let pushed = match (
            number(&recipient.address),
            notification(message, recipient, &self.terms, now),
        ) {
            (Some(number), Ok((push, url))) => notifier
                .push(&Notice {
                    message_id: &message.id,
                    number: &number,
                    push: &push,
                    url: Some(&url),
                })
                .map(|()| format!("{} octets", push.len())),
            _ => Err(NotifyError::Permanent(
                "there is no notification for it".to_owned(),
            )),
        };
        let (event, what, detail) = match pushed {
            Ok(detail) => (Event::Notified, "notified", detail),
            Err(NotifyError::Temporary(why)) => (Event::NotifyFailed, "notify-failed", why),
            Err(NotifyError::Permanent(why)) => (Event::NotifyRefused, "notify-refused", why),
        };
        self.advance(message, recipient, event, what, detail)
            .map(|_| ())
    }

    fn run_report(&self, report: &ReportRow, notifier: &dyn Notifier) -> Result<(), StoreError> {
        let now = self.surroundings.now();
        let attempts = report.attempts.saturating_add(1);
        let pushed = match number(&report.address) {
            _ if now >= report.expires_at => Err(NotifyError::Permanent("expired".to_owned())),
            Some(number) => notifier.push(&Notice {
                message_id: &report.message_id,
                number: &number,
                push: &wrap(0, &report.pdu),
                url: None,
            }),
            None => Err(NotifyError::Permanent("there is no number".to_owned())),
        };
        let (due_at, what, detail) = match pushed {
            Ok(()) => (None, "report-sent", String::new()),
            Err(NotifyError::Temporary(why)) if attempts < self.terms.retry.attempts => {
                let wait = self.terms.retry.wait(report.attempts, self.jitter());
                (Some(now.saturating_add(wait)), "report-failed", why)
            }
            Err(NotifyError::Temporary(why) | NotifyError::Permanent(why)) => {
                (None, "report-dropped", why)
            }
        };
        let change = ReportChange {
            report: report.id,
            fence: report.fence,
            attempts,
            due_at,
            event: store::Event {
                message_id: report.message_id.clone(),
                recipient: None,
                at: now,
                what: what.to_owned(),
                detail,
            },
        };
        self.store.settle_report(&change)?;
        self.watch.happened(&Happening::Report {
            message_id: &report.message_id,
            address: &report.address,
            what,
            detail: &change.event.detail,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::mms::pdu::PduType;
    use crate::mms::{Field, HeaderValue};
    use crate::relay::NotifyError;
    use crate::relay::testing::{Bench, send_req};
    use crate::store::{DeliveryState, Store};

    #[test]
    fn a_notification_that_fails_is_repeated_until_it_goes_out() {
        let bench = Bench::new("dispatch-retry");
        let id = bench.accept(&send_req("t1", &["+15550000002"]));
        bench.fail_with(Some(NotifyError::Temporary("no radio".to_owned())));
        assert_eq!(bench.run_due(), 1);
        assert_eq!(bench.run_due(), 0, "not before its time");
        bench.advance(bench.relay.terms().retry.first);
        bench.fail_with(None);
        assert_eq!(bench.run_due(), 1);
        assert_eq!(bench.pushes().len(), 1);
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Notified);
        assert_eq!(recipients[0].attempts, 2);
        let what: Vec<_> = bench.store.events(&id).unwrap();
        let what: Vec<_> = what.iter().map(|event| event.what.as_str()).collect();
        assert_eq!(what, ["accepted", "notify-failed", "notified"]);
    }

    #[test]
    fn everybody_is_told_in_one_round_each_once() {
        let bench = Bench::new("dispatch-many");
        let numbers = [
            "+15550000002",
            "+15550000003",
            "+15550000004",
            "+15550000005",
        ];
        bench.accept(&send_req("t1", &numbers));
        bench.run_due();
        let mut told: Vec<_> = bench.pushes().into_iter().map(|(to, _)| to).collect();
        told.sort();
        assert_eq!(told, numbers);
        assert_eq!(bench.run_due(), 0);
    }

    #[test]
    fn a_message_nobody_fetches_expires_and_its_sender_hears_of_it() {
        let bench = Bench::new("dispatch-expiry");
        let mut pdu = send_req("t1", &["+15550000002"]);
        pdu.headers
            .add(Field::DeliveryReport, HeaderValue::Token(0x80));
        let id = bench.accept(&pdu);
        bench.run_due();
        bench.pushes();
        bench.advance(bench.relay.terms().expiry);
        bench.run_due();
        bench.run_due();
        let reports = bench.pushes();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].1.pdu_type, PduType::DeliveryInd);
        assert_eq!(reports[0].1.headers.token(Field::Status), Some(0x80));
        let (message, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Expired);
        assert!(message.has_body);
        bench.advance(bench.relay.terms().keep_body + 1);
        assert_eq!(bench.relay.purge(), Ok(1));
    }

    #[test]
    fn a_number_that_cannot_be_told_is_not_tried_for_ever() {
        let bench = Bench::new("dispatch-refused");
        let id = bench.accept(&send_req("t1", &["+15550000002"]));
        bench.fail_with(Some(NotifyError::Permanent("no such number".to_owned())));
        bench.run_due();
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Unreachable);
        assert_eq!(bench.relay.next_due(), Ok(None));
    }
}
