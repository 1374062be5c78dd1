//! Verbs for callers that must not wait, such as those that serve many connections on one thread:
//! each returns at once, and tells how it ended when that is durable.

use bytes::Bytes;

use super::{Accepted, Change, MessageRow, Millis, RecipientRow, StoreError, Submission};

/// Hears how a queued verb ended, on a thread of the store that others wait for: it only passes the
/// news on. It is dropped without a word where the store closes.
pub type Told<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// Decides on a step of a recipient, or that there is none. It is called with the rows as they are,
/// and nobody changes them until the step is written; it must neither wait nor ask the store. It is
/// called again where what was written with it was taken back before it was durable.
pub type Decide = Box<dyn FnMut(&MessageRow, &RecipientRow) -> Option<Change> + Send>;

/// What a store does without keeping its caller.
pub trait Prompt: Send + Sync {
    /// Octets of a body that [`Prompt::accept`] takes at most. What is larger needs
    /// [`super::Store::accept`].
    fn body_bytes(&self) -> usize;

    /// Takes a message over, as [`super::Store::accept`] does.
    fn accept(
        &self,
        submission: Submission,
        body: Bytes,
        duplicates_since: Millis,
        told: Told<Accepted>,
    );

    /// Reads a recipient, asks what becomes of it, and writes that, all in one transaction. Tells the
    /// rows as they were and what was decided; `None` where there is no such recipient.
    fn step(&self, which: Which, decide: Decide, told: Told<Option<Stepped>>);
}

/// How a recipient is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By the SHA-256 of its retrieval token.
    Token([u8; 32]),
    /// By the transaction id of its notification.
    Transaction(String),
}

/// A step that was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stepped {
    /// The message.
    pub message: MessageRow,
    /// The recipient, as it was before.
    pub recipient: RecipientRow,
    /// What was written; `None` where nothing was.
    pub change: Option<Change>,
}
