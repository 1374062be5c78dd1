//! Messages, responses and reports between MMSCs (TS 23.140 section 8.4), as the relay sees them.
//!
//! What goes out goes through a [`Forwarder`], which `mm4` implements; what comes in, an edge
//! brings as [`Inbound`], [`PeerReport`] and [`PeerResponse`]. A message for a foreign recipient is
//! handed to his peer, whose answer (MM4_forward.RES) says that it has taken it over; its delivery
//! report says the rest. A peer's mail server saying 250 is neither.

mod asked;
mod group;
mod inbound;
mod outbound;
pub(super) mod step;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::mms::Message;
use crate::mms::address::Msisdn;
use crate::store::{MessageRow, Millis, RecipientRow};
pub use crate::store::{Role, StoreError};
pub use asked::{Directory, Ownership};

use super::delivery::Outcome;

/// X-Mms-Request-Status-Code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestStatus {
    /// Ok.
    Ok,
    /// Error-unspecified.
    Unspecified,
    /// Error-service-denied.
    ServiceDenied,
    /// Error-message-format-corrupt.
    FormatCorrupt,
    /// Error-sending-address-unresolved.
    AddressUnresolved,
    /// Error-message-not-found.
    MessageNotFound,
    /// Error-network-problem.
    NetworkProblem,
    /// Error-content-not-accepted.
    ContentNotAccepted,
    /// Error-unsupported-message.
    UnsupportedMessage,
}

impl RequestStatus {
    /// Every value.
    pub const ALL: [Self; 9] = [
        Self::Ok,
        Self::Unspecified,
        Self::ServiceDenied,
        Self::FormatCorrupt,
        Self::AddressUnresolved,
        Self::MessageNotFound,
        Self::NetworkProblem,
        Self::ContentNotAccepted,
        Self::UnsupportedMessage,
    ];

    /// The value as it stands in the header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::Unspecified => "Error-unspecified",
            Self::ServiceDenied => "Error-service-denied",
            Self::FormatCorrupt => "Error-message-format-corrupt",
            Self::AddressUnresolved => "Error-sending-address-unresolved",
            Self::MessageNotFound => "Error-message-not-found",
            Self::NetworkProblem => "Error-network-problem",
            Self::ContentNotAccepted => "Error-content-not-accepted",
            Self::UnsupportedMessage => "Error-unsupported-message",
        }
    }

    /// The value of a header, without regard to case; a value nobody defined is an error that
    /// nobody specified.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let name = name.trim();
        Self::ALL
            .into_iter()
            .find(|status| status.name().eq_ignore_ascii_case(name))
            .unwrap_or(Self::Unspecified)
    }
}

/// X-Mms-MM-Status-Code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MmStatus {
    /// Nobody fetched it in time.
    Expired,
    /// The phone has it.
    Retrieved,
    /// The recipient refused it.
    Rejected,
    /// The phone will fetch it later.
    Deferred,
    /// Nobody can tell.
    Indeterminate,
    /// It went on to another address.
    Forwarded,
    /// The phone did not understand.
    Unrecognised,
    /// The recipient could not be told of it.
    Unreachable,
}

impl MmStatus {
    /// Every value.
    pub const ALL: [Self; 8] = [
        Self::Expired,
        Self::Retrieved,
        Self::Rejected,
        Self::Deferred,
        Self::Indeterminate,
        Self::Forwarded,
        Self::Unrecognised,
        Self::Unreachable,
    ];

    /// The value as it stands in the header.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "Expired",
            Self::Retrieved => "Retrieved",
            Self::Rejected => "Rejected",
            Self::Deferred => "Deferred",
            Self::Indeterminate => "Indeterminate",
            Self::Forwarded => "Forwarded",
            Self::Unrecognised => "Unrecognised",
            Self::Unreachable => "Unreachable",
        }
    }

    /// The value of a header, without regard to case, with the spelling `Unrecognized` and the
    /// longer names of MM1 (`Message-Deferred`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name
            .trim()
            .to_ascii_lowercase()
            .replace("recogniz", "recognis");
        let name = name.strip_prefix("message-").unwrap_or(&name);
        Self::ALL
            .into_iter()
            .find(|status| status.name().eq_ignore_ascii_case(name))
    }

    /// How a recipient ends whose peer says so; `None` where it has not ended.
    #[must_use]
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Expired => Some(Outcome::Expired),
            Self::Retrieved => Some(Outcome::Retrieved),
            Self::Rejected => Some(Outcome::Rejected),
            Self::Indeterminate => Some(Outcome::Indeterminate),
            Self::Unrecognised => Some(Outcome::Unrecognised),
            Self::Unreachable => Some(Outcome::Unreachable),
            Self::Deferred | Self::Forwarded => None,
        }
    }
}

impl From<Outcome> for MmStatus {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Expired => Self::Expired,
            Outcome::Retrieved => Self::Retrieved,
            Outcome::Rejected => Self::Rejected,
            Outcome::Unrecognised => Self::Unrecognised,
            Outcome::Indeterminate => Self::Indeterminate,
            Outcome::Unreachable => Self::Unreachable,
        }
    }
}

/// X-Mms-Read-Status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadStatus {
    /// Read.
    Read,
    /// Deleted without being read.
    Deleted,
}

/// What a response answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// MM4_forward.REQ.
    Forward,
    /// MM4_delivery_report.REQ.
    DeliveryReport,
    /// MM4_read_reply_report.REQ.
    ReadReport,
}

/// What a peer is told besides messages. It waits in the store as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// MM4_forward.RES, MM4_delivery_report.RES or MM4_read_reply_report.RES.
    Response {
        /// What it answers.
        to: Request,
        /// X-Mms-Transaction-ID as it came.
        transaction_id: String,
        /// X-Mms-Message-ID as it came.
        message_id: String,
        /// X-Mms-Originator-System as it came: who gets the response.
        system: Option<String>,
        /// The status.
        status: RequestStatus,
        /// Why, for people.
        text: Option<String>,
        /// The recipients that were answered for, for a message.
        recipients: Vec<String>,
    },
    /// MM4_delivery_report.REQ.
    Delivery {
        /// X-Mms-Transaction-ID: ours.
        transaction_id: String,
        /// X-Mms-Message-ID of the peer.
        message_id: String,
        /// Whose phone it is.
        from: String,
        /// Who sent the message.
        to: String,
        /// When it happened, in seconds since 1970.
        date: u64,
        /// What became of the message.
        status: MmStatus,
        /// Whether the sender himself asked.
        for_user: bool,
    },
    /// MM4_read_reply_report.REQ.
    Read {
        /// X-Mms-Transaction-ID: ours.
        transaction_id: String,
        /// X-Mms-Message-ID of the peer.
        message_id: String,
        /// Who read it.
        from: String,
        /// Who sent the message.
        to: String,
        /// When, in seconds since 1970.
        date: u64,
        /// Whether it was read.
        status: ReadStatus,
    },
}

/// A message for subscribers of a peer.
#[derive(Debug, Clone, Copy)]
pub struct Forward<'a> {
    /// Name of the peer.
    pub peer: &'a str,
    /// The message as its sender gave it.
    pub message: &'a Message,
    /// Its row.
    pub row: &'a MessageRow,
    /// Who shall get it, all of them over this peer; at least one.
    pub recipients: &'a [RecipientRow],
    /// X-Mms-Transaction-ID, the same each time the same recipients are sent to.
    pub transaction_id: &'a str,
}

/// What a peer's mail server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Whether the peer was asked for a response, and gives one.
    pub awaits_response: bool,
    /// On one line, for people.
    pub detail: String,
}

/// Why a peer was not handed what it should get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// It may take it later.
    #[error("{0}")]
    Temporary(String),
    /// It will never take it.
    #[error("{0}")]
    Permanent(String),
}

/// The way to peers.
pub trait Forwarder: Send + Sync {
    /// Hands a message to a peer, once for all of its recipients. Blocks until the peer has answered.
    /// Gives what was said to each recipient, in their order.
    fn forward(&self, forward: &Forward<'_>) -> Vec<Result<Handed, ForwardError>>;

    /// Tells a peer something. Blocks until the peer has answered.
    ///
    /// # Errors
    /// Whether trying again makes sense.
    fn tell(&self, peer: &str, note: &Note) -> Result<Handed, ForwardError>;
}

/// A message that a peer brings: MM4_forward.REQ.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// Name of the peer.
    pub peer: String,
    /// X-Mms-Transaction-ID as it came.
    pub transaction_id: String,
    /// X-Mms-Message-ID as it came.
    pub message_id: String,
    /// X-Mms-Originator-System as it came.
    pub system: Option<String>,
    /// Whether a response is asked for.
    pub ack: bool,
    /// Address of the sender in its wire form.
    pub from: String,
    /// Who shall get it: subscribers of ours, from the envelope and never from the header.
    pub recipients: Vec<Msisdn>,
    /// Whether the sender's MMSC wants delivery reports for itself.
    pub system_report: bool,
    /// The message with its headers.
    pub message: Message,
}

/// A report that a peer brings on a message it was forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerReport {
    /// Name of the peer.
    pub peer: String,
    /// X-Mms-Transaction-ID as it came.
    pub transaction_id: String,
    /// X-Mms-Message-ID as it came.
    pub message_id: String,
    /// Our id of the message, out of it.
    pub ours: String,
    /// X-Mms-Originator-System as it came.
    pub system: Option<String>,
    /// Whether a response is asked for.
    pub ack: bool,
    /// Whom it is about, where that can be told.
    pub recipient: Option<Msisdn>,
    /// What it says.
    pub said: Said,
    /// X-Mms-Status-Text.
    pub text: Option<String>,
}

/// What a peer's report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Of the delivery.
    Delivery(MmStatus),
    /// Of the reading.
    Read(ReadStatus),
}

/// A response that a peer brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerResponse {
    /// Name of the peer.
    pub peer: String,
    /// What it answers.
    pub to: Request,
    /// Our transaction id, out of what came.
    pub transaction_id: String,
    /// The status.
    pub status: RequestStatus,
    /// X-Mms-Status-Text.
    pub text: Option<String>,
    /// X-Mms-Request-Recipients: whom a response to a message is about. Nobody in particular where
    /// the peer names none.
    pub recipients: Vec<Msisdn>,
}

/// Why a peer's message is not taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerRefusal {
    /// The peer should bring it again.
    #[error("{0}")]
    Temporary(String),
    /// The peer should not.
    #[error("{0}")]
    Permanent(String),
}

/// How a peer is dealt with over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerTerms {
    /// How long a response is awaited before the request is sent again, in milliseconds.
    pub response_wait: Millis,
    /// How often a request is sent at most while no response comes.
    pub sendings: u32,
    /// How long after a message expired a peer that took it over may still report on it, in
    /// milliseconds. Then its sender is told that nobody can tell. `None`: he is told nothing.
    pub report_wait: Option<Millis>,
}

impl Default for PeerTerms {
    fn default() -> Self {
        Self {
            response_wait: 3_600_000,
            sendings: 4,
            report_wait: Some(24 * 3_600_000),
        }
    }
}

#[cfg(test)]
mod name_tests {
    use super::*;

    #[test]
    fn a_note_in_the_store_of_today_is_read_tomorrow() {
        let stored = r#"{"Delivery":{"transaction_id":"t","message_id":"\"m\"",
            "from":"+1","to":"+2","date":5,"status":"Retrieved","for_user":true}}"#;
        let note: Note = serde_json::from_str(stored).unwrap();
        let Note::Delivery {
            message_id, status, ..
        } = &note
        else {
            panic!("{note:?}");
        };
        assert_eq!(
            (message_id.as_str(), *status),
            ("\"m\"", MmStatus::Retrieved)
        );
        let again = serde_json::to_string(&note).unwrap();
        assert_eq!(serde_json::from_str::<Note>(&again).unwrap(), note);
    }

    #[test]
    fn a_peer_that_says_an_end_means_the_same_as_our_phones() {
        for status in MmStatus::ALL {
            match status.outcome() {
                Some(outcome) => assert_eq!(MmStatus::from(outcome), status),
                None => assert!(matches!(status, MmStatus::Deferred | MmStatus::Forwarded)),
            }
        }
    }

    #[test]
    fn names_lead_back_to_their_values() {
        for status in RequestStatus::ALL {
            assert_eq!(RequestStatus::from_name(status.name()), status);
        }
        for status in MmStatus::ALL {
            assert_eq!(MmStatus::from_name(status.name()), Some(status));
        }
        assert_eq!(RequestStatus::from_name(" ok"), RequestStatus::Ok);
        assert_eq!(
            RequestStatus::from_name("Error-of-ours"),
            RequestStatus::Unspecified
        );
        assert_eq!(
            MmStatus::from_name("UNRECOGNIZED"),
            Some(MmStatus::Unrecognised)
        );
        assert_eq!(
            MmStatus::from_name("Message-Deferred"),
            Some(MmStatus::Deferred)
        );
        assert_eq!(MmStatus::from_name("lost"), None);
    }
}
