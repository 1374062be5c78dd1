//! Charging records on their way to a file. Each is written in the transaction of what it records,
//! and leaves the store once it is in the file: so the file misses none and has none twice.

use super::{DeliveryState, Event, Millis, StoreError};

/// Charging records of a store. Their numbers rise by one each, over restarts as well.
pub trait Outbox: Send + Sync {
    /// Begins or ends to write records down. What was written down stays.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn keep_records(&self, keep: bool) -> Result<(), StoreError>;

    /// The records that are in no file yet, oldest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn records(&self, most: usize) -> Result<Vec<Record>, StoreError>;

    /// How many records are in no file yet.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn records_waiting(&self) -> Result<u64, StoreError>;

    /// The records up to and with number `upto` are in the file of `mark`, and on the disk.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn recorded(&self, upto: u64, mark: &FileMark) -> Result<(), StoreError>;

    /// What [`Outbox::recorded`] was told last.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn mark(&self) -> Result<Option<FileMark>, StoreError>;
}

/// How far a file of records is certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMark {
    /// Name of the file in its folder.
    pub file: String,
    /// Octets of it that count. What follows was written when the process ended, and comes again.
    pub length: u64,
}

/// One charging record (3GPP TS 32.270).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Local sequence number, from 1 without a gap.
    pub number: u64,
    /// What is recorded.
    pub kind: RecordKind,
    /// When it happened.
    pub at: Millis,
    /// The message.
    pub message_id: String,
    /// Address of its sender in wire form.
    pub originator: String,
    /// Addresses of the recipients that the record is about, in wire form.
    pub recipients: Vec<String>,
    /// When the message was accepted.
    pub submitted_at: Millis,
    /// When it expires.
    pub expires_at: Millis,
    /// When it may be delivered first.
    pub deliver_at: Option<Millis>,
    /// Octets of it as it was submitted.
    pub size: u64,
    /// X-Mms-Message-Class as its octet.
    pub class: u8,
    /// Whether delivery reports were asked for.
    pub delivery_report: bool,
    /// Whether read reports were asked for.
    pub read_report: bool,
    /// Whether recipients are told who sent it.
    pub sender_visible: bool,
    /// What became of it, in one word.
    pub status: String,
}

/// What a record is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A message was taken over.
    Submission,
    /// A message was taken over from a peer.
    Receipt,
    /// A recipient has the message.
    Delivery,
    /// A recipient will not get the message any more.
    Deletion,
    /// MM4_forward.REQ was sent for a recipient.
    ForwardRequest,
    /// A peer answered with MM4_forward.RES for a recipient.
    ForwardResponse,
    /// A peer sent MM4_delivery_report.REQ on a recipient of theirs.
    PeerDeliveryReport,
    /// A peer sent MM4_read_reply_report.REQ on a recipient of theirs.
    PeerReadReport,
    /// MM4_delivery_report.REQ was sent to the peer of the sender.
    DeliveryReportRequest,
    /// It was answered with MM4_delivery_report.RES.
    DeliveryReportResponse,
    /// A recipient said that he read the message, or deleted it unread.
    ReadReply,
    /// MM4_read_reply_report.REQ was sent to the peer of the sender.
    ReadReportRequest,
    /// It was answered with MM4_read_reply_report.RES.
    ReadReportResponse,
    /// The sender was sent a delivery report.
    DeliveryReport,
    /// The sender was sent a read report.
    ReadReport,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Submission,
        Self::Receipt,
        Self::Delivery,
        Self::Deletion,
        Self::ForwardRequest,
        Self::ForwardResponse,
        Self::PeerDeliveryReport,
        Self::PeerReadReport,
        Self::DeliveryReportRequest,
        Self::DeliveryReportResponse,
        Self::ReadReply,
        Self::ReadReportRequest,
        Self::ReadReportResponse,
        Self::DeliveryReport,
        Self::ReadReport,
    ];

    /// The name of the record type (TS 32.298, `CallEventRecordType`).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submission => "mMO1SRecord",
            Self::Receipt => "mMR4FRecord",
            Self::Delivery => "mMR1AFRecord",
            Self::Deletion => "mMRMDRecord",
            Self::ForwardRequest => "mMO4FRqRecord",
            Self::ForwardResponse => "mMO4FRsRecord",
            Self::PeerDeliveryReport => "mMO4DRecord",
            Self::PeerReadReport => "mMO4RRecord",
            Self::DeliveryReportRequest => "mMR4DRqRecord",
            Self::DeliveryReportResponse => "mMR4DRsRecord",
            Self::ReadReply => "mMR1RRRecord",
            Self::ReadReportRequest => "mMR4RRqRecord",
            Self::ReadReportResponse => "mMR4RRsRecord",
            Self::DeliveryReport => "mMO1DRecord",
            Self::ReadReport => "mMO1RRecord",
        }
    }

    /// The number of the record type.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Submission => 30,
            Self::ForwardRequest => 31,
            Self::ForwardResponse => 32,
            Self::PeerDeliveryReport => 33,
            Self::DeliveryReport => 34,
            Self::PeerReadReport => 35,
            Self::ReadReport => 36,
            Self::Receipt => 38,
            Self::Delivery => 42,
            Self::DeliveryReportRequest => 43,
            Self::DeliveryReportResponse => 44,
            Self::ReadReply => 45,
            Self::ReadReportRequest => 46,
            Self::ReadReportResponse => 47,
            Self::Deletion => 48,
        }
    }
}

/// What is recorded of the end of a recipient, where anything is.
pub(super) fn concluded(state: DeliveryState, foreign: bool) -> Option<RecordKind> {
    match state {
        // What became of it is in what its peer said, which is recorded by itself.
        DeliveryState::Retrieved | DeliveryState::Forwarded if foreign => None,
        DeliveryState::Retrieved => Some(RecordKind::Delivery),
        _ => Some(RecordKind::Deletion),
    }
}

/// A record of what peers exchanged about a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchanged {
    pub(super) kind: RecordKind,
    /// What became of it, in one word.
    pub(super) status: String,
    /// Whether it is made of a recipient whom a peer reaches, or else of one of ours.
    pub(super) foreign: bool,
    /// Whether it is made of one in state `queued` alone: an answer may be here before it is written
    /// down that the message was sent.
    pub(super) unsent: bool,
}

impl Exchanged {
    /// What is recorded of an event of a recipient, in this order; nothing of most.
    pub(super) fn of(event: &Event) -> Vec<Self> {
        let one = |kind, status: &str| Self {
            kind,
            status: status.to_owned(),
            foreign: true,
            unsent: false,
        };
        let answer = |kind, status: &str| {
            let sent = Self {
                unsent: true,
                ..one(RecordKind::ForwardRequest, SENT)
            };
            vec![sent, one(kind, status)]
        };
        match event.what.as_str() {
            "sent" => vec![one(RecordKind::ForwardRequest, SENT)],
            "forwarded" | "peer-failed" | "peer-refused" => {
                let status = event.detail.split(':').next().unwrap_or_default();
                answer(RecordKind::ForwardResponse, status)
            }
            "read-report" => {
                let ours = Self {
                    foreign: false,
                    ..one(RecordKind::ReadReply, &event.detail)
                };
                vec![ours, one(RecordKind::PeerReadReport, &event.detail)]
            }
            what => match what.strip_prefix("peer-") {
                Some(said) => answer(RecordKind::PeerDeliveryReport, said),
                None => Vec::new(),
            },
        }
    }

    /// Whether it is made of a recipient.
    pub(super) fn applies(&self, foreign: bool, state: DeliveryState) -> bool {
        self.foreign == foreign && (!self.unsent || state == DeliveryState::Queued)
    }
}

/// A record of a report that a peer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) kind: RecordKind,
    /// The note (`relay::foreign::Note`) that it is made of: the one name in its outermost object.
    pub(super) note: &'static str,
    /// What became of it, in one word.
    pub(super) status: String,
    /// Whether it is made only where nothing is written down of an attempt: the answer may be here
    /// before it is written down that the report was sent.
    pub(super) untried: bool,
}

impl Told {
    /// What is recorded of an event of a report, in this order.
    pub(super) fn of(event: &Event) -> Vec<Self> {
        let notes = |delivery, read, status: &str, untried| {
            [(delivery, "Delivery"), (read, "Read")].map(|(kind, note)| Self {
                kind,
                note,
                status: status.to_owned(),
                untried,
            })
        };
        let sent = |untried| {
            notes(
                RecordKind::DeliveryReportRequest,
                RecordKind::ReadReportRequest,
                SENT,
                untried,
            )
        };
        match event.what.as_str() {
            "report-sent" => sent(false).to_vec(),
            "report-answered" => {
                let status = event.detail.split(':').next().unwrap_or_default();
                let answered = notes(
                    RecordKind::DeliveryReportResponse,
                    RecordKind::ReadReportResponse,
                    status,
                    false,
                );
                [sent(true), answered].concat()
            }
            _ => Vec::new(),
        }
    }
}

/// The status of what was sent.
const SENT: &str = "sent";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_and_a_name_of_its_own() {
        let mut numbers = RecordKind::ALL.map(RecordKind::number).to_vec();
        let mut names = RecordKind::ALL.map(RecordKind::name).to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        names.sort_unstable();
        names.dedup();
        assert_eq!((numbers.len(), names.len()), (15, 15));
    }

    #[test]
    fn a_kind_goes_by_the_number_of_the_standard() {
        // TS 32.298, CallEventRecordType.
        assert_eq!(RecordKind::Submission.number(), 30);
        assert_eq!(RecordKind::Receipt.number(), 38);
        assert_eq!(RecordKind::Deletion.number(), 48);
        assert_eq!(RecordKind::ForwardResponse.number(), 32);
        assert_eq!(RecordKind::ReadReportResponse.number(), 47);
    }

    #[test]
    fn what_peers_say_is_recorded_once_it_is_known_that_they_were_asked() {
        let records = |what: &str, detail: &str, foreign, state| {
            let event = Event {
                message_id: "m".to_owned(),
                recipient: Some(1),
                at: 1,
                what: what.to_owned(),
                detail: detail.to_owned(),
            };
            let all = Exchanged::of(&event).into_iter();
            let made = all.filter(|one| one.applies(foreign, state));
            let shown = made.map(|one| format!("{} {}", one.kind.name(), one.status));
            shown.collect::<Vec<_>>().join(", ")
        };
        use DeliveryState::{Forwarded, Queued, Retrieved, Sent};
        assert_eq!(
            records("sent", "x says 250", true, Queued),
            "mMO4FRqRecord sent"
        );
        assert_eq!(records("forwarded", "Ok", true, Sent), "mMO4FRsRecord Ok");
        assert_eq!(
            records("peer-refused", "Error-service-denied: no", true, Queued),
            "mMO4FRqRecord sent, mMO4FRsRecord Error-service-denied"
        );
        assert_eq!(
            records("peer-retrieved", "", true, Forwarded),
            "mMO4DRecord retrieved"
        );
        assert_eq!(
            records("read-report", "read", true, Retrieved),
            "mMO4RRecord read"
        );
        assert_eq!(
            records("read-report", "deleted", false, Retrieved),
            "mMR1RRRecord deleted"
        );
        assert_eq!(records("notified", "", false, Queued), "");
        assert_eq!(concluded(Retrieved, true), None);
        assert_eq!(concluded(Retrieved, false), Some(RecordKind::Delivery));
        assert_eq!(
            concluded(DeliveryState::Unreachable, true),
            Some(RecordKind::Deletion)
        );
    }
}

/// Checks for every store that keeps records.
#[cfg(test)]
pub(super) mod check {
    use super::super::{
        Change, NewReport, ReportChange, Store, Whose, Work, conformance::submission,
    };
    use super::*;

    /// What peers exchange about a message is recorded, each once, in order.
    pub(in crate::store) fn exchanges_are_charged(store: &(impl Store + Outbox)) {
        store.keep_records(true).unwrap();
        let mut sent = submission(1);
        sent.recipients[1].peer = Some("east".to_owned());
        store.accept(&sent, &"body".into(), 0).unwrap();
        let leases = store
            .lease_of(Whose::Peer("east"), 1_000, 9, 5_000)
            .unwrap();
        let Work::Recipient(both) = &leases[0].work else {
            panic!("{leases:?}");
        };
        let (id, mut fence) = (both.1.id, both.1.fence);
        let event = |what: &str, detail: &str, recipient| Event {
            message_id: sent.id.clone(),
            recipient,
            at: 2_000,
            what: what.to_owned(),
            detail: detail.to_owned(),
        };
        for (state, what, detail) in [
            (DeliveryState::Sent, "sent", "east says 250"),
            (DeliveryState::Forwarded, "forwarded", "Ok"),
            (DeliveryState::Retrieved, "peer-retrieved", ""),
        ] {
            let change = Change {
                recipient: id,
                fence,
                state,
                attempts: 1,
                due_at: (state == DeliveryState::Sent).then_some(9_000),
                event: event(what, detail, Some(id)),
                reports: Vec::new(),
            };
            store.settle(&change).unwrap();
            fence += 1;
        }
        let report = NewReport {
            message_id: sent.id.clone(),
            address: String::new(),
            pdu: b"{\"Delivery\":{\"from\":\"+1555\"}}".to_vec(),
            due_at: 3_000,
            expires_at: 9_000,
            peer: Some("west".to_owned()),
            transaction_id: Some("r1".to_owned()),
        };
        store
            .add_report(&report, &event("read-report", "read", Some(id)))
            .unwrap();
        let row = store.report_by_transaction("r1").unwrap().unwrap();
        let change = ReportChange {
            report: row.id,
            fence: row.fence,
            attempts: 0,
            due_at: None,
            event: event("report-answered", "Ok: thanks", None),
        };
        store.settle_report(&change).unwrap();
        let shown: Vec<_> = store
            .records(99)
            .unwrap()
            .into_iter()
            .map(|one| {
                let to = one.recipients.first().cloned().unwrap_or_default();
                format!("{} {} {to}", one.kind.name(), one.status)
            })
            .collect();
        let him = &sent.recipients[1].address;
        let expected = [
            format!("mMO1SRecord accepted {}", sent.recipients[0].address),
            format!("mMO4FRqRecord sent {him}"),
            format!("mMO4FRsRecord Ok {him}"),
            format!("mMO4DRecord retrieved {him}"),
            format!("mMO4RRecord read {him}"),
            "mMR4DRqRecord sent +1555".to_owned(),
            "mMR4DRsRecord Ok +1555".to_owned(),
        ];
        assert_eq!(shown, expected);
    }
}
