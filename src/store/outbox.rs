//! Charging records on their way to a file. Each is written in the transaction of what it records,
//! and leaves the store once it is in the file: so the file misses none and has none twice.

use super::{Millis, StoreError};

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
    /// A peer was asked to deliver to a recipient, and took the message over.
    Forward,
    /// The sender was sent a delivery report.
    DeliveryReport,
    /// The sender was sent a read report.
    ReadReport,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Submission,
        Self::Receipt,
        Self::Delivery,
        Self::Deletion,
        Self::Forward,
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
            Self::Forward => "mMO4FRqRecord",
            Self::DeliveryReport => "mMO1DRecord",
            Self::ReadReport => "mMO1RRecord",
        }
    }

    /// The number of the record type.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Submission => 30,
            Self::Forward => 31,
            Self::DeliveryReport => 34,
            Self::ReadReport => 36,
            Self::Receipt => 38,
            Self::Delivery => 42,
            Self::Deletion => 48,
        }
    }
}

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
        assert_eq!((numbers.len(), names.len()), (7, 7));
    }

    #[test]
    fn a_kind_goes_by_the_number_of_the_standard() {
        // TS 32.298, CallEventRecordType.
        assert_eq!(RecordKind::Submission.number(), 30);
        assert_eq!(RecordKind::Receipt.number(), 38);
        assert_eq!(RecordKind::Deletion.number(), 48);
    }
}
