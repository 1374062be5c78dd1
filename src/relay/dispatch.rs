//! Doing what is due: notifications, reports, expiry.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use super::delivery::{Effect, Event};
use super::foresight::Sizes;
use super::notification::notification;
use super::retrieve::number;
use super::{Happening, Moment, Notice, Notifier, NotifyError, Relay};
use crate::mms::push::wrap;
use crate::store::{
    self, Lease, MessageRow, Millis, RecipientRow, ReportChange, ReportRow, Settlement, StoreError,
    Work,
};

/// What is leased at once.
const BATCH: usize = 128;
/// Pushes under way at once.
const THREADS: usize = 8;
/// Pushes that are not worth another thread.
const EACH: usize = 8;
/// How long a lease lasts, in milliseconds.
const LEASE: Millis = 120_000;
/// No push begins later than this after its lease was given: a notifier takes up to 20 seconds
/// until it gives up, and nobody else may have the lease by then.
const LATEST: Millis = 90_000;

impl Relay {
    /// Does some of what is due and gives how much it was: nothing is due any more when that is
    /// zero. Blocks until the notifier has taken or refused each push. Several threads may do so
    /// at once: none gets what another has.
    ///
    /// # Errors
    /// Where the store cannot be read or written; what was not settled comes back when its lease
    /// runs out.
    pub fn run_due(&self, notifier: &dyn Notifier) -> Result<usize, StoreError> {
        let leases = self
            .store
            .lease_due(self.surroundings.now(), BATCH, LEASE)?;
        if leases.is_empty() {
            return Ok(0);
        }
        self.surroundings.pass(Moment::Leased);
        let sizes = self.foresee(&leases);
        let work = |lease: &Lease| self.run(lease, &sizes, notifier);
        let threads = leases.len().div_ceil(EACH).min(THREADS);
        if threads == 1 {
            self.settle_all(leases.iter().filter_map(work).collect())?;
        } else {
            self.run_beside(&leases, &work, threads)?;
        }
        Ok(leases.len())
    }

    /// Runs leases on several threads and settles together what ended together, so that a push
    /// that hangs keeps none of the others open.
    fn run_beside(
        &self,
        leases: &[Lease],
        work: &(dyn Fn(&Lease) -> Option<Settlement> + Sync),
        threads: usize,
    ) -> Result<(), StoreError> {
        let next = AtomicUsize::new(0);
        let (done, settled) = channel();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (done, next) = (done.clone(), &next);
                scope.spawn(move || {
                    while let Some(lease) = leases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Some(settlement) = work(lease)
                            && done.send(settlement).is_err()
                        {
                            return;
                        }
                    }
                });
            }
            drop(done);
            // Where nothing can be written any more, the threads hear of it when this is dropped.
            let settled = settled;
            while let Ok(first) = settled.recv() {
                let together = std::iter::once(first).chain(settled.try_iter());
                self.settle_all(together.collect())?;
            }
            Ok(())
        })
    }

    fn settle_all(&self, settlements: Vec<Settlement>) -> Result<(), StoreError> {
        let (mut ours, mut peers) = (false, false);
        for settlement in &settlements {
            if let Settlement::Recipient(change) = settlement {
                ours |= change.reports.iter().any(|report| report.peer.is_none());
                peers |= change.reports.iter().any(|report| report.peer.is_some());
            }
        }
        if !settlements.is_empty() {
            self.store.settle_all(settlements)?;
        }
        if ours {
            self.surroundings.wake();
        }
        if peers {
            self.surroundings.wake_peers();
        }
        Ok(())
    }

    /// Does one piece of leased work. `None` where its time is over: it will be leased again.
    fn run(&self, lease: &Lease, sizes: &Sizes, notifier: &dyn Notifier) -> Option<Settlement> {
        let begun = lease.until.saturating_sub(LEASE);
        if self.surroundings.now().saturating_sub(begun) > LATEST {
            return None;
        }
        match &lease.work {
            Work::Recipient(both) => self
                .run_recipient(&both.0, &both.1, sizes.get(&both.1.id).copied(), notifier)
                .map(Settlement::Recipient),
            Work::Report(report) => Some(Settlement::Report(self.run_report(report, notifier))),
        }
    }

    fn run_recipient(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        size: Option<u64>,
        notifier: &dyn Notifier,
    ) -> Option<store::Change> {
        let (change, effect) =
            self.change(message, recipient, Event::Due, "waiting", String::new());
        if effect != Some(Effect::Notify) {
            if let Some(change) = &change {
                self.tell_step(message, recipient, change);
            }
            return change;
        }
        let now = self.surroundings.now();
        let pushed = match (
            number(&recipient.address),
            notification(message, recipient, size, &self.terms(), now),
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
        self.surroundings.pass(Moment::Pushed);
        let (event, what, detail) = match pushed {
            Ok(detail) => (Event::Notified, "notified", detail),
            Err(NotifyError::Temporary(why)) => (Event::NotifyFailed, "notify-failed", why),
            Err(NotifyError::Unavailable(why)) => {
                let age = now.saturating_sub(message.accepted_at);
                let until = now.saturating_add(self.terms().retry.postpone(age, self.jitter()));
                (Event::NotifyPostponed { until }, "notify-postponed", why)
            }
            Err(NotifyError::Permanent(why)) => (Event::NotifyRefused, "notify-refused", why),
        };
        let change = self.change(message, recipient, event, what, detail).0;
        if let Some(change) = &change {
            self.tell_step(message, recipient, change);
        }
        change
    }

    fn run_report(&self, report: &ReportRow, notifier: &dyn Notifier) -> ReportChange {
        let now = self.surroundings.now();
        let mut attempts = report.attempts.saturating_add(1);
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
        self.surroundings.pass(Moment::Pushed);
        let (due_at, what, detail) = match pushed {
            Ok(()) => (None, "report-sent", String::new()),
            Err(NotifyError::Unavailable(why)) => {
                let left = report.expires_at.saturating_sub(now);
                let age = self.terms().expiry.saturating_sub(left);
                let wait = self.terms().retry.postpone(age, self.jitter());
                let due_at = now.saturating_add(wait).min(report.expires_at);
                attempts = report.attempts;
                (Some(due_at), "report-postponed", why)
            }
            Err(NotifyError::Temporary(why)) if attempts < self.terms().retry.attempts => {
                let wait = self.terms().retry.wait(report.attempts, self.jitter());
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
        self.watch.happened(&Happening::Report {
            message_id: &report.message_id,
            address: &report.address,
            what,
            detail: &change.event.detail,
        });
        change
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
    fn an_outage_of_the_gateway_costs_no_attempts_however_long_it_is() {
        let bench = Bench::new("dispatch-outage");
        let mut pdu = send_req("t1", &["+15550000002"]);
        pdu.headers
            .add(Field::DeliveryReport, HeaderValue::Token(0x80));
        let id = bench.accept(&pdu);
        let away = || Some(NotifyError::Unavailable("nobody listens".to_owned()));
        bench.fail_with(away());
        let mut rounds = 0;
        for _ in 0..48 {
            rounds += bench.run_due();
            bench.advance(3_600_000 / 2);
        }
        let (_, recipients) = bench.store.message(&id).unwrap().unwrap();
        assert_eq!(recipients[0].state, DeliveryState::Queued);
        assert_eq!(recipients[0].attempts, 0);
        assert_eq!(rounds, 48, "it is looked at again and again");
        bench.fail_with(None);
        assert_eq!(bench.run_due(), 1);
        assert_eq!(bench.pushes().len(), 1);

        // A report waits as patiently.
        let _ = bench.relay.retrieve(&recipients[0].token, &[]);
        let mut ack = crate::mms::pdu::Pdu::new(PduType::NotifyRespInd);
        let transaction = HeaderValue::Text(recipients[0].transaction_id.clone());
        ack.headers.add(Field::TransactionId, transaction);
        ack.headers.add(Field::Status, HeaderValue::Token(0x81));
        let number = crate::mms::address::Msisdn::parse("+15550000002");
        assert_eq!(bench.relay.respond(&ack, number.as_ref()), Ok(true));
        bench.fail_with(away());
        for _ in 0..30 {
            bench.run_due();
            bench.advance(3_600_000);
        }
        bench.fail_with(None);
        bench.run_due();
        assert_eq!(
            bench.pushes().len(),
            1,
            "more rounds than attempts are allowed"
        );
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
