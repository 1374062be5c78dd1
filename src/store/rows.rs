//! The rows: what a store is given and gives back.

use super::Millis;

/// A message to be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Message-ID: unique for ever, ASCII without spaces.
    pub id: String,
    /// Address of the sender in its wire form.
    pub sender: String,
    /// X-Mms-Transaction-ID of the submission.
    pub transaction_id: String,
    /// SHA-256 of recipients and content, to know a repeated submission by.
    pub content_hash: [u8; 32],
    /// SHA-256 of the content, to know the same content of another message by.
    pub content: [u8; 32],
    /// When it was accepted.
    pub accepted_at: Millis,
    /// When recipients who have not fetched it by then no longer can.
    pub expires_at: Millis,
    /// When the first notification may go out.
    pub deliver_at: Millis,
    /// Whether the sender asked for delivery reports.
    pub delivery_report: bool,
    /// Whether the sender asked for read reports.
    pub read_report: bool,
    /// Whether recipients are told who sent it.
    pub sender_visible: bool,
    /// X-Mms-Message-Class as its octet; 0x80 (Personal) for one that has none.
    pub class: u8,
    /// Octets of the message as it was submitted.
    pub size: u64,
    /// Subject.
    pub subject: Option<String>,
    /// Who shall get it; at least one.
    pub recipients: Vec<NewRecipient>,
    /// The peer it came from; `None` for a message of a subscriber of ours.
    pub origin: Option<Origin>,
}

/// The peer MMSC that a message came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Name of the peer.
    pub peer: String,
    /// X-Mms-Message-ID as the peer wrote it.
    pub message_id: String,
    /// Whether the sender himself asked for delivery reports, and not his MMSC alone.
    pub for_user: bool,
}

/// One recipient of a [`Submission`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecipient {
    /// Address in its wire form.
    pub address: String,
    /// Which header named it.
    pub role: Role,
    /// The unguessable end of the retrieval URL, in hexadecimal digits.
    pub token: String,
    /// X-Mms-Transaction-ID of the notification or of MM4_forward.REQ, unique over all recipients.
    pub transaction_id: String,
    /// Name of the peer that reaches him; `None` for a subscriber of ours.
    pub peer: Option<String>,
}

/// Which header of the message names a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// To.
    To,
    /// Cc.
    Cc,
    /// Bcc.
    Bcc,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is durable.
    New,
    /// It was there already, under this id.
    Duplicate(String),
}

/// A message that was taken over, without its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Message-ID.
    pub id: String,
    /// Address of the sender in its wire form.
    pub sender: String,
    /// When it was accepted.
    pub accepted_at: Millis,
    /// When it expires.
    pub expires_at: Millis,
    /// Whether the sender asked for delivery reports.
    pub delivery_report: bool,
    /// Whether the sender asked for read reports.
    pub read_report: bool,
    /// Whether recipients are told who sent it.
    pub sender_visible: bool,
    /// X-Mms-Message-Class as its octet.
    pub class: u8,
    /// Octets of the message as it was submitted.
    pub size: u64,
    /// Subject.
    pub subject: Option<String>,
    /// Whether its octets are still kept.
    pub has_body: bool,
    /// SHA-256 of the content; `None` for a message of an older store.
    pub content: Option<[u8; 32]>,
    /// The peer it came from; `None` for a message of a subscriber of ours.
    pub origin: Option<Origin>,
}

/// Where one recipient of a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Not told yet, or to be told again.
    Queued,
    /// Told; nothing was heard.
    Notified,
    /// The phone said that it will fetch later.
    Deferred,
    /// The phone was sent the message and has not acknowledged it.
    Fetched,
    /// The peer's mail server has it; its MM4_forward.RES is awaited.
    Sent,
    /// The phone has it. Final, as all that follow are.
    Retrieved,
    /// The recipient refused it.
    Rejected,
    /// Nobody fetched it in time.
    Expired,
    /// The phone did not understand the notification.
    Unrecognised,
    /// The recipient could not be told of it.
    Unreachable,
    /// The phone was sent the message and never said that it has it.
    Indeterminate,
    /// A peer took it over. Its delivery report may still turn this into another final state.
    Forwarded,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 12] = [
        Self::Queued,
        Self::Notified,
        Self::Deferred,
        Self::Fetched,
        Self::Sent,
        Self::Retrieved,
        Self::Rejected,
        Self::Expired,
        Self::Unrecognised,
        Self::Unreachable,
        Self::Indeterminate,
        Self::Forwarded,
    ];

    /// Whether nothing follows.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Retrieved
                | Self::Rejected
                | Self::Expired
                | Self::Unrecognised
                | Self::Unreachable
                | Self::Indeterminate
                | Self::Forwarded
        )
    }

    /// The name in a store and in front of people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Notified => "notified",
            Self::Deferred => "deferred",
            Self::Fetched => "fetched",
            Self::Sent => "sent",
            Self::Retrieved => "retrieved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Unrecognised => "unrecognised",
            Self::Unreachable => "unreachable",
            Self::Indeterminate => "indeterminate",
            Self::Forwarded => "forwarded",
        }
    }

    /// The state with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One recipient of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientRow {
    /// Number of the row.
    pub id: i64,
    /// The message it belongs to.
    pub message_id: String,
    /// Address in its wire form.
    pub address: String,
    /// Which header named it.
    pub role: Role,
    /// The end of the retrieval URL.
    pub token: String,
    /// X-Mms-Transaction-ID of the notification or of MM4_forward.REQ.
    pub transaction_id: String,
    /// Name of the peer that reaches him; `None` for a subscriber of ours.
    pub peer: Option<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// Notifications that were tried.
    pub attempts: u32,
    /// Raised by every change.
    pub fence: i64,
}

/// A change to one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Number of the recipient's row.
    pub recipient: i64,
    /// The fence that the change was made from.
    pub fence: i64,
    /// The new state.
    pub state: DeliveryState,
    /// The new count of notifications.
    pub attempts: u32,
    /// When there is work again; `None` where there is none.
    pub due_at: Option<Millis>,
    /// What happened.
    pub event: Event,
    /// Reports that this causes, in the same transaction.
    pub reports: Vec<NewReport>,
}

/// A PDU that is to be pushed to a subscriber, or what a peer is to be told: a delivery or read
/// report, or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReport {
    /// The message it is about.
    pub message_id: String,
    /// Address of who gets it, in its wire form.
    pub address: String,
    /// The encoded PDU; for a peer, what `relay::foreign` makes of it.
    pub pdu: Vec<u8>,
    /// When to push it first.
    pub due_at: Millis,
    /// When to give up.
    pub expires_at: Millis,
    /// Name of the peer it is for; `None` where it is pushed to a subscriber of ours.
    pub peer: Option<String>,
    /// X-Mms-Transaction-ID by which a peer will answer it.
    pub transaction_id: Option<String>,
}

/// A report under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// Number of the row.
    pub id: i64,
    /// The message it is about.
    pub message_id: String,
    /// Address of who gets it.
    pub address: String,
    /// The encoded PDU; for a peer, what `relay::foreign` makes of it.
    pub pdu: Vec<u8>,
    /// When to give up.
    pub expires_at: Millis,
    /// How often it was tried.
    pub attempts: u32,
    /// Raised by every change.
    pub fence: i64,
    /// Name of the peer it is for; `None` where it is pushed to a subscriber of ours.
    pub peer: Option<String>,
}

/// Whose work is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// That of subscribers of ours.
    Ours,
    /// That of one peer.
    Peer(&'a str),
    /// That of peers which are none of these: they were taken out of the configuration.
    Other(&'a [String]),
}

/// A change to a report under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportChange {
    /// Number of the report's row.
    pub report: i64,
    /// The fence that the change was made from.
    pub fence: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// When to try again; `None` takes the report away.
    pub due_at: Option<Millis>,
    /// What happened.
    pub event: Event,
}

/// How leased work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// A change to a recipient.
    Recipient(Change),
    /// A change to a report.
    Report(ReportChange),
}

/// Something that happened to a message or one of its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The message.
    pub message_id: String,
    /// Number of the recipient's row, where it is about one.
    pub recipient: Option<i64>,
    /// When.
    pub at: Millis,
    /// What, in one word.
    pub what: String,
    /// More about it, for people.
    pub detail: String,
}

/// Work that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is.
    pub work: Work,
    /// When somebody else may get it.
    pub until: Millis,
}

/// What a lease is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// A recipient whose time has come.
    Recipient(Box<(MessageRow, RecipientRow)>),
    /// A report that is to be pushed.
    Report(ReportRow),
}

/// A message that a subscriber keeps in his box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxEntry {
    /// Number of the subscriber, in its international form.
    pub owner: String,
    /// The unguessable end of its URL, in hexadecimal digits.
    pub token: String,
    /// The message it is a copy of, where it is one.
    pub message_id: Option<String>,
    /// X-Mms-MM-State as its octet.
    pub state: u8,
    /// X-Mms-MM-Flags; none holds the end of a line.
    pub flags: Vec<String>,
    /// When it was put there.
    pub stored_at: Millis,
    /// Octets it takes.
    pub size: u64,
}

/// How much one box may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Messages.
    pub messages: u64,
    /// Octets of all of them.
    pub octets: u64,
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page {
    /// Messages whose rows are kept.
    pub messages: u64,
    /// Recipients in no final state.
    pub waiting: u64,
    /// Reports under way.
    pub reports: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_states_lead_back_to_them() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_name(state.name()), Some(state));
        }
        assert_eq!(DeliveryState::from_name("lost"), None);
        let waiting = DeliveryState::ALL.iter().filter(|s| !s.is_final()).count();
        assert_eq!(waiting, 5);
    }
}
