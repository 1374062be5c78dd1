//! Doing what is due for peers: messages to their subscribers, reports, responses.

use std::time::Duration;

use super::super::delivery::{Outcome, Progress};
use super::super::{Relay, hex};
use super::group::transaction_id;
use super::step::{Effect, Event, Terms, step};
use super::{Forward, ForwardError, Forwarder, Handed, Note};
use crate::mms::pdu;
use crate::store::{
    self, Lease, MessageRow, Millis, NewReport, RecipientRow, ReportChange, ReportRow, StoreError,
    Whose, Work,
};

/// How long a lease lasts, in milliseconds: longer than a peer may take for one message by RFC
/// 5321 section 4.5.3.2.
const LEASE: Millis = 40 * 60_000;
/// A leased message is begun only while this much of its lease is left.
const BEGIN: Millis = 30 * 60_000;
/// What is leased at once for one connection to a peer.
const BATCH: usize = 8;
/// What is leased at most, where one message has many recipients.
const MOST: usize = 128;

/// What is sent at once: a report, or a message for one or several recipients. First, until when it
/// is leased.
enum Mail {
    Message(Millis, MessageRow, Vec<RecipientRow>),
    Report(Millis, ReportRow),
}

impl Mail {
    const fn until(&self) -> Millis {
        match self {
            Self::Message(until, ..) | Self::Report(until, _) => *until,
        }
    }
}

/// Puts the recipients of one message together that were leased after one another: those of one
/// submission fall due together.
fn mails(leases: Vec<Lease>) -> Vec<Mail> {
    let mut mails: Vec<Mail> = Vec::new();
    for Lease { work, until } in leases {
        match work {
            Work::Report(report) => mails.push(Mail::Report(until, report)),
            Work::Recipient(both) => {
                let (message, recipient) = *both;
                match mails.last_mut() {
                    Some(Mail::Message(_, last, recipients))
                        if last.id == message.id
                            && recipients.iter().all(|one| one.peer == recipient.peer) =>
                    {
                        recipients.push(recipient);
                    }
                    _ => mails.push(Mail::Message(until, message, vec![recipient])),
                }
            }
        }
    }
    mails
}

/// Whether the last two leases are of one message, so that more of it may follow.
fn goes_on(leases: &[Lease]) -> bool {
    let message = |lease: &Lease| match &lease.work {
        Work::Recipient(both) => Some(both.0.id.clone()),
        Work::Report(_) => None,
    };
    match leases {
        [.., before, last] => message(last).is_some() && message(before) == message(last),
        _ => false,
    }
}

/// Reaches no peer.
struct Nobody;

impl Forwarder for Nobody {
    fn forward(&self, forward: &Forward<'_>) -> Vec<Result<Handed, ForwardError>> {
        let nobody = format!("there is no peer {}", forward.peer);
        let each = |_| Err(ForwardError::Temporary(nobody.clone()));
        forward.recipients.iter().map(each).collect()
    }

    fn tell(&self, peer: &str, _: &Note) -> Result<Handed, ForwardError> {
        Err(ForwardError::Temporary(format!("there is no peer {peer}")))
    }
}

impl Relay {
    /// Does some of what is due for one peer, one after the other, and gives how much it was. Blocks
    /// until the peer has answered for each.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn run_peer(&self, peer: &str, forwarder: &dyn Forwarder) -> Result<usize, StoreError> {
        self.run_for(Whose::Peer(peer), forwarder)
    }

    /// Does what is due for peers that were taken out of the configuration: it fails for now, until
    /// the peer is back or the message expires.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn run_strays(&self) -> Result<usize, StoreError> {
        if self.peers.directory.is_none() {
            self.run_unasked()?;
        }
        self.run_for(Whose::Other(&self.peers.names), &Nobody)
    }

    /// How long until there is something to do again for [`Relay::run_peer`]; `None` where nothing
    /// waits.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn wait_of_peer(&self, peer: &str) -> Result<Option<Duration>, StoreError> {
        let due = self.store.next_due_of(Whose::Peer(peer))?;
        let now = self.surroundings.now();
        let wait = |due: Millis| u64::try_from(due.saturating_sub(now)).unwrap_or(0);
        Ok(due.map(|due| Duration::from_millis(wait(due))))
    }

    fn run_for(&self, whose: Whose<'_>, forwarder: &dyn Forwarder) -> Result<usize, StoreError> {
        let now = self.surroundings.now();
        let mut leases = self.store.lease_of(whose, now, BATCH, LEASE)?;
        let mut last = leases.len();
        // The other recipients of the message that comes last go with it.
        while last == BATCH && leases.len() < MOST && goes_on(&leases) {
            let more = self.store.lease_of(whose, now, BATCH, LEASE)?;
            last = more.len();
            leases.extend(more);
        }
        let count = leases.len();
        for work in mails(leases) {
            if work.until().saturating_sub(self.surroundings.now()) < BEGIN {
                // What is left comes back when the lease runs out.
                break;
            }
            match work {
                Mail::Message(_, row, recipients) => self.forward(&row, recipients, forwarder)?,
                Mail::Report(_, report) => match self.tell(&report, forwarder) {
                    // The peer answered while we were sending.
                    Err(StoreError::Stale) => {}
                    other => other?,
                },
            }
        }
        Ok(count)
    }

    /// Hands a message to a peer for those of its recipients whose time has come.
    fn forward(
        &self,
        row: &MessageRow,
        recipients: Vec<RecipientRow>,
        forwarder: &dyn Forwarder,
    ) -> Result<(), StoreError> {
        let mut going = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            match self.advance_foreign(row, &recipient, Event::Due, "waiting", "") {
                Ok(Some(Effect::Send)) => going.push(recipient),
                // It came to its end, or somebody else was faster.
                Ok(_) | Err(StoreError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        let Some(peer) = going.first().and_then(|first| first.peer.clone()) else {
            return Ok(());
        };
        // It was read once when it came, so it can be read again.
        let message = self.store.body(row)?.and_then(|octets| {
            pdu::decode(&octets, &self.limits)
                .ok()
                .and_then(|decoded| decoded.value.into_message().ok())
        });
        let all = match going.len() {
            1 => Vec::new(),
            _ => self
                .store
                .message(&row.id)?
                .map_or(Vec::new(), |(_, all)| all),
        };
        let handed = match message {
            Some(message) => forwarder.forward(&Forward {
                peer: &peer,
                message: &message,
                row,
                recipients: &going,
                transaction_id: &transaction_id(&going, &all),
            }),
            None => {
                let damaged = || ForwardError::Permanent("the message is damaged".to_owned());
                going.iter().map(|_| Err(damaged())).collect()
            }
        };
        let mut handed: Vec<_> = going.iter().zip(handed).collect();
        // Those whom it put off come first: its response, which may be here soon, is not about them.
        handed.sort_by_key(|(_, handed)| handed.is_ok());
        for (recipient, handed) in handed {
            match self.handed(row, recipient, handed) {
                // The peer answered for this one while we were sending.
                Ok(()) | Err(StoreError::Stale) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes down what a peer's mail server said to a recipient.
    fn handed(
        &self,
        row: &MessageRow,
        recipient: &RecipientRow,
        handed: Result<Handed, ForwardError>,
    ) -> Result<(), StoreError> {
        let (event, what, detail) = match handed {
            Ok(handed) => {
                let awaits_response = handed.awaits_response;
                (Event::Sent { awaits_response }, "sent", handed.detail)
            }
            Err(ForwardError::Temporary(why)) => (Event::Failed, "send-failed", why),
            Err(ForwardError::Permanent(why)) => {
                (Event::Refused(Outcome::Unreachable), "send-refused", why)
            }
        };
        self.advance_foreign(row, recipient, event, what, &detail)
            .map(|_| ())
    }

    fn tell(&self, report: &ReportRow, forwarder: &dyn Forwarder) -> Result<(), StoreError> {
        let now = self.surroundings.now();
        let attempts = report.attempts.saturating_add(1);
        let note: Option<Note> = serde_json::from_slice(&report.pdu).ok();
        let told = match (note, &report.peer) {
            _ if now >= report.expires_at => Err(ForwardError::Permanent("expired".to_owned())),
            (Some(note), Some(peer)) => forwarder.tell(peer, &note),
            _ => Err(ForwardError::Permanent("the note is damaged".to_owned())),
        };
        let peers = self.peers.terms;
        let (due_at, what, detail) = match told {
            Ok(handed) if handed.awaits_response && attempts < peers.sendings => {
                let due = now.saturating_add(peers.response_wait);
                (Some(due), "report-sent", handed.detail)
            }
            Ok(handed) => (None, "report-sent", handed.detail),
            Err(ForwardError::Temporary(why)) if attempts < self.terms().retry.attempts => {
                let wait = self.terms().retry.wait(report.attempts, self.jitter());
                (Some(now.saturating_add(wait)), "report-failed", why)
            }
            Err(ForwardError::Temporary(why) | ForwardError::Permanent(why)) => {
                (None, "report-dropped", why)
            }
        };
        self.store.settle_report(&ReportChange {
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
        })
    }

    /// Takes one step of a foreign recipient and writes it down, with the report it causes.
    pub(super) fn advance_foreign(
        &self,
        message: &MessageRow,
        recipient: &RecipientRow,
        event: Event,
        what: &str,
        detail: &str,
    ) -> Result<Option<Effect>, StoreError> {
        let now = self.surroundings.now();
        let progress = Progress {
            state: recipient.state,
            attempts: recipient.attempts,
            due_at: None,
        };
        let terms = Terms {
            now,
            expires_at: message.expires_at,
            retry_in: self.terms().retry.wait(recipient.attempts, self.jitter()),
            response_wait: self.peers.terms.response_wait,
            sendings: self.peers.terms.sendings,
            report_by: self
                .peers
                .terms
                .report_wait
                .filter(|_| message.delivery_report)
                .map(|wait| message.expires_at.max(now).saturating_add(wait)),
        };
        let (next, effect) = step(progress, event, &terms);
        if next == progress {
            return Ok(effect);
        }
        let outcome = match effect {
            Some(Effect::Report(outcome)) => Some(outcome),
            _ => None,
        };
        let what = match event {
            Event::Due => next.state.name(),
            _ => what,
        };
        let said = (what, detail.to_owned());
        let change = self.changed(message, recipient, next, outcome, said);
        self.store.settle(&change)?;
        self.tell_step(message, recipient, &change);
        if matches!(effect, Some(Effect::Report(_))) {
            self.wake_for_sender(message);
        }
        Ok(effect)
    }

    /// There is something to tell the sender of a message.
    pub(in crate::relay) fn wake_for_sender(&self, message: &MessageRow) {
        if message.origin.is_some() {
            self.surroundings.wake_peers();
        } else {
            self.surroundings.wake();
        }
    }

    /// Something to tell a peer about a message, as the store keeps it.
    pub(in crate::relay) fn note(
        &self,
        message_id: &str,
        peer: &str,
        transaction_id: Option<String>,
        note: &Note,
    ) -> Option<NewReport> {
        let now = self.surroundings.now();
        Some(NewReport {
            message_id: message_id.to_owned(),
            address: String::new(),
            // All of it is text and numbers.
            pdu: serde_json::to_vec(note).ok()?,
            due_at: now,
            expires_at: now.saturating_add(self.terms().expiry),
            peer: Some(peer.to_owned()),
            transaction_id,
        })
    }

    /// A transaction id for a report to a peer.
    pub(in crate::relay) fn fresh_transaction(&self) -> Option<String> {
        let random = self.surroundings.random().ok()?;
        random.first_chunk::<8>().map(|octets| hex(octets))
    }
}
