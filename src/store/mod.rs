//! What must not be lost: messages, their recipients, reports under way, and what happened when.
//!
//! A store is a set of verbs, each of them one transaction. It has no clock and no randomness:
//! the caller says what time it is and brings its random numbers, so that a test can be at any
//! moment it likes and two nodes never disagree about whose clock counts.
//!
//! Work is handed out as *leases*. Each recipient and each report carries a number, its *fence*,
//! that every change raises; a change must name the fence it was made from. So a worker that was
//! asleep while its lease ran out, or while the phone answered, changes nothing any more.
//!
//! Time is in milliseconds since 1970-01-01 UTC. All verbs block; callers in an asynchronous
//! shell run them on threads that may.

mod bodies;
mod columns;
pub mod conformance;
mod fault;
mod objects;
pub mod outbox;
#[cfg(feature = "postgres")]
mod postgres;
mod prompt;
pub mod records;
mod rows;
#[cfg(feature = "s3")]
mod s3;
mod sqlite;

pub use fault::{Faults, Point};
pub use objects::{ObjectStore, Objects, Unknown};
#[cfg(feature = "postgres")]
pub use postgres::{
    CommitWatch as SharedCommitWatch, JobRow, Jobs, Moved, NewJob, PostgresStore, Settings, Share,
    import,
};
pub use prompt::{Decide, Prompt, Stepped, Told, Which};
pub use rows::{
    Accepted, BoxEntry, Change, DeliveryState, Event, Lease, MessageRow, NewRecipient, NewReport,
    Origin, Page, Quota, RecipientRow, ReportChange, ReportRow, Role, Settlement, Submission,
    Whose, Work,
};
pub use sqlite::{BackupError, CommitWatch, Manifest, Recovery, SqliteStore, back_up, restore};

#[cfg(feature = "s3")]
pub use s3::{Bucket, Listed, S3};

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;

/// Milliseconds since 1970-01-01 UTC.
pub type Millis = i64;

/// A place where messages outlive the process. `store::conformance` says what each verb promises.
pub trait Store: Send + Sync {
    /// Takes a message over: its body first, then one transaction with all rows. When this
    /// returns [`Accepted::New`], the message survives the end of the process and of the power.
    ///
    /// A message with the same sender, transaction id and content hash that was taken over at or
    /// after `duplicates_since` is not taken twice; its id comes back instead.
    ///
    /// # Errors
    /// Whatever keeps it from being durable. Nothing is left behind then.
    fn accept(
        &self,
        submission: &Submission,
        body: &Bytes,
        duplicates_since: Millis,
    ) -> Result<Accepted, StoreError>;

    /// Hands out up to `most` recipients and reports of subscribers of ours whose time has come, for
    /// `ttl` milliseconds. What is leased is not handed out again until then.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    fn lease_due(&self, now: Millis, most: usize, ttl: Millis) -> Result<Vec<Lease>, StoreError> {
        self.lease_of(Whose::Ours, now, most, ttl)
    }

    /// Hands out work as [`Store::lease_due`] does, of those it is asked for.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    fn lease_of(
        &self,
        whose: Whose<'_>,
        now: Millis,
        most: usize,
        ttl: Millis,
    ) -> Result<Vec<Lease>, StoreError>;

    /// When the next recipient or report of subscribers of ours falls due, or a lease of one runs
    /// out; `None` where nothing is under way.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.next_due_of(Whose::Ours)
    }

    /// When there is work again as [`Store::next_due`] tells, of those it is asked for.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn next_due_of(&self, whose: Whose<'_>) -> Result<Option<Millis>, StoreError>;

    /// Makes a change to one recipient, with its event and the reports it causes.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where the recipient changed since the fence of `change` was read.
    fn settle(&self, change: &Change) -> Result<(), StoreError>;

    /// Makes a change to one report under way.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where the report changed since the fence of `change` was read.
    fn settle_report(&self, change: &ReportChange) -> Result<(), StoreError>;

    /// Makes many changes in one transaction, as work that was leased together ends together. Those
    /// whose recipient or report changed since are passed over. Gives how many were made.
    ///
    /// # Errors
    /// Where the store cannot be written: none of them was made then.
    fn settle_all(&self, settlements: Vec<Settlement>) -> Result<usize, StoreError>;

    /// Gives a recipient to the peer of this name, or to us where it is `None`, and writes down why:
    /// whoever has work of that kind finds him due at the time of the event.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where the recipient changed since `fence` was read.
    fn reroute(
        &self,
        recipient: i64,
        fence: i64,
        peer: Option<&str>,
        event: &Event,
    ) -> Result<(), StoreError>;

    /// The report under way to a peer that carried this transaction id.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn report_by_transaction(&self, id: &str) -> Result<Option<ReportRow>, StoreError>;

    /// The recipient whose retrieval token has this SHA-256, with its message.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn by_token(&self, hash: &[u8; 32]) -> Result<Option<(MessageRow, RecipientRow)>, StoreError>;

    /// The recipient whose notification carried this transaction id, with its message.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn by_transaction(&self, id: &str) -> Result<Option<(MessageRow, RecipientRow)>, StoreError>;

    /// A message with all its recipients.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn message(&self, id: &str) -> Result<Option<(MessageRow, Vec<RecipientRow>)>, StoreError>;

    /// The octets of a message as they were accepted; `None` where they are gone.
    ///
    /// # Errors
    /// Where they should be there and cannot be read.
    fn body(&self, message: &MessageRow) -> Result<Option<Bytes>, StoreError>;

    /// What happened to a message, oldest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn events(&self, message_id: &str) -> Result<Vec<Event>, StoreError>;

    /// Writes down something that happened to a message without changing a recipient.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn record(&self, event: &Event) -> Result<(), StoreError>;

    /// Adds a report that no change of a recipient caused, such as a read report.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn add_report(&self, report: &NewReport, event: &Event) -> Result<(), StoreError>;

    /// Remembers what a subscriber's device said of itself.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn remember_device(
        &self,
        subscriber: &str,
        description: &str,
        now: Millis,
    ) -> Result<(), StoreError>;

    /// What was remembered of a subscriber's device.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn device(&self, subscriber: &str) -> Result<Option<String>, StoreError>;

    /// Deletes the bodies of messages that no recipient waits for since before `closed_before`,
    /// and the rows of those closed before `forget_before`. Gives the number of bodies deleted.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn purge(&self, closed_before: Millis, forget_before: Millis) -> Result<usize, StoreError>;

    /// Puts a message into a box, unless that would hold more than `quota` then. Gives whether it
    /// did.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn box_put(&self, entry: &BoxEntry, data: &Bytes, quota: Quota) -> Result<bool, StoreError>;

    /// What is in a box, newest first.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn box_entries(&self, owner: &str) -> Result<Vec<BoxEntry>, StoreError>;

    /// The message of a box whose token has this SHA-256.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn box_get(&self, hash: &[u8; 32]) -> Result<Option<(BoxEntry, Bytes)>, StoreError>;

    /// Gives a message of a box the state and flags of `entry`. Gives whether it is there.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn box_change(&self, entry: &BoxEntry) -> Result<bool, StoreError>;

    /// Deletes a message of a box. Gives whether it was there.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn box_delete(&self, owner: &str, hash: &[u8; 32]) -> Result<bool, StoreError>;

    /// The verbs for callers that must not wait, where this store has them. Those that wait are
    /// there anyway.
    fn prompt(&self) -> Option<&dyn Prompt> {
        None
    }

    /// Whether it can be written now, found out by writing.
    ///
    /// # Errors
    /// Where it cannot: no message is taken over then.
    fn try_write(&self) -> Result<(), StoreError> {
        self.page().map(|_| ())
    }

    /// How much is there.
    ///
    /// # Errors
    /// Where the store cannot be read: it is not ready then.
    fn page(&self) -> Result<Page, StoreError>;
}

/// All that a service centre asks of its store.
pub trait Site: Store + records::Records + outbox::Outbox {}

impl<T: Store + records::Records + outbox::Outbox> Site for T {}

/// How often a lock that somebody holds is tried again, and how long after each time: a second in all.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Keeps other processes out of a folder for as long as the file is open.
///
/// One that is ending may hold it for a moment longer, and so may a child of this one that has not
/// yet become another program.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(folder.join("lock"))
        .map_err(|error| StoreError::io("lock of the store", &error))?;
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked),
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::io("lock of the store", &error));
            }
        }
    }
}

/// Why a verb did not do what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The row changed since it was read: read it again, or let it be.
    #[error("the row was changed by somebody else")]
    Stale,
    /// Two rows would carry the same token or transaction id.
    #[error("a random number came up twice")]
    Collision,
    /// Another process has the store open.
    #[error("another process has this store open")]
    Locked,
    /// The store was written by a later version of this program.
    #[error("the store has schema version {found}, and this program knows up to {known}")]
    Newer {
        /// The version that was found.
        found: i64,
        /// The latest version that is understood.
        known: i64,
    },
    /// The file system refused.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        error: String,
    },
    /// The database refused.
    #[error("database: {0}")]
    Database(String),
    /// The bucket refused.
    #[error("bucket: {0}")]
    Bucket(String),
    /// A row says that there is a body, and there is none.
    #[error("the body of a message is missing")]
    Missing,
    /// A body is in a bucket, and none is configured.
    #[error("the body is in a bucket, and store.bodies names none")]
    NoBucket,
    /// A store is being moved to this database.
    #[error("a store is being moved to this database: end that with remold store migrate")]
    Importing,
    /// The database that a store shall be moved to holds something else.
    #[error("the database is not empty")]
    Occupied,
    /// What was moved is not what was there.
    #[error("{0} differ between the store and the database")]
    Differs(&'static str),
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn io(what: &'static str, error: &std::io::Error) -> Self {
        Self::Io {
            what,
            error: error.to_string(),
        }
    }
}
