//! What can be wrong with a message, and at which octet.

use std::fmt;

/// A value read from untrusted octets, with what was odd about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<T> {
    /// What was read.
    pub value: T,
    /// Deviations that were tolerated, in the order they were met.
    pub warnings: Vec<Warning>,
}

/// A tolerated deviation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Octet at which the deviation starts, from the start of the input.
    pub offset: usize,
    /// What was odd, as a sentence without a full stop.
    pub message: String,
}

/// Why octets could not be decoded: the sender is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// Octet at which decoding stopped, from the start of the input.
    pub offset: usize,
    /// What was found there.
    pub kind: DecodeErrorKind,
}

impl DecodeError {
    /// An error of `kind` at `offset`.
    #[must_use]
    pub fn new(offset: usize, kind: DecodeErrorKind) -> Self {
        Self { offset, kind }
    }

    /// The same error, for an input that began `by` octets into a larger one.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Self {
        self.offset = self.offset.saturating_add(by);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.kind, self.offset)
    }
}

impl std::error::Error for DecodeError {}

/// The kinds of [`DecodeError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input holds no octets.
    #[error("the input is empty")]
    Empty,
    /// A value reaches past the end of the input.
    #[error("{what} needs {needed} octets but {left} are left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Octets the value asks for.
        needed: usize,
        /// Octets that remain.
        left: usize,
    },
    /// A text value has no terminating NUL.
    #[error("{0} has no end")]
    Unterminated(&'static str),
    /// A variable-length integer has more than five octets or does not fit in 32 bits.
    #[error("a uintvar does not fit in 32 bits")]
    UintvarOverflow,
    /// A long-integer has no octets or more than eight significant ones.
    #[error("an integer of {0} octets is out of range")]
    IntegerRange(usize),
    /// The value is not of a form its field allows.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// A field that must be there is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// X-Mms-Message-Type holds a value no version of the service defines.
    #[error("message type 0x{0:02X} is unknown")]
    UnknownMessageType(u8),
    /// The major version is not one this implementation speaks.
    #[error("MMS version {0} is not supported")]
    UnsupportedVersion(String),
    /// The octets are of another kind than asked for.
    #[error("this is {0}")]
    WrongKind(String),
    /// A WSP PDU that is no push.
    #[error("WSP PDU type 0x{0:02X} is no push")]
    PushType(u8),
    /// A push of another content than an MMS PDU, such as a service indication.
    #[error("this is a push of {0}, not of an MMS PDU")]
    PushContent(String),
    /// A push for another application than the MMS client.
    #[error("this push is for application {0}, not for the MMS client")]
    PushApplication(String),
    /// A PDU inside a push that is never pushed.
    #[error("{0} is never pushed")]
    NotPushed(&'static str),
    /// Not all segments of a push are here.
    #[error("segment {number} of {total} is missing")]
    MissingSegment {
        /// The first that is missing, from 1.
        number: u8,
        /// How many the push has.
        total: u8,
    },
    /// A bound of [`crate::Limits`] is reached.
    #[error("more than {limit} {what}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// The bound.
        limit: u64,
    },
}

/// Why a value has no legal wire form: the caller is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A mandatory header of this PDU is missing.
    #[error("{pdu} needs {header}")]
    MissingHeader {
        /// The PDU, by its standard name.
        pdu: &'static str,
        /// The header, by its standard name.
        header: &'static str,
    },
    /// The value is not of the form its header takes.
    #[error("{header} cannot hold {found}")]
    WrongForm {
        /// The header, by its standard name.
        header: String,
        /// The form that was given.
        found: &'static str,
    },
    /// A text holds an octet that its coding cannot carry, such as NUL or a line break.
    #[error("{what} holds a character that cannot be coded")]
    BadText {
        /// Which text.
        what: String,
    },
    /// A body is missing, or there is one where none is allowed.
    #[error("{pdu} {problem}")]
    Body {
        /// The PDU, by its standard name.
        pdu: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A length does not fit in 32 bits.
    #[error("{0} is too long")]
    TooLong(&'static str),
}
