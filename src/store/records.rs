//! What operators ask of a store: to find messages, to see what waits, to look after devices.

use super::{DeliveryState, MessageRow, Millis, RecipientRow, StoreError};

/// Messages that a search may give at once.
pub const MOST_FOUND: usize = 500;

/// Verbs of a store that no message waits for. They read what [`super::Store`] writes.
pub trait Records: Send + Sync {
    /// Messages by what is known of them, the latest first, at most [`MOST_FOUND`].
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn search(&self, search: &Search) -> Result<Vec<Found>, StoreError>;

    /// How many recipients and reports wait at `now`, by what they wait for.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn queue(&self, now: Millis) -> Result<Vec<Queue>, StoreError>;

    /// Recipients that wait, those whose time comes first at the front, with when that is.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn waiting(
        &self,
        state: Option<DeliveryState>,
        most: usize,
    ) -> Result<Vec<(MessageRow, RecipientRow, Millis)>, StoreError>;

    /// When the recipients of a message fall due again, by the numbers of their rows.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn due(&self, message_id: &str) -> Result<Vec<(i64, Millis)>, StoreError>;

    /// Devices that are remembered, by subscriber, from the one after `after` on.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn devices(&self, after: &str, most: usize) -> Result<Vec<DeviceRow>, StoreError>;

    /// What is remembered of one subscriber's device.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn device_row(&self, subscriber: &str) -> Result<Option<DeviceRow>, StoreError>;

    /// Forgets the device of a subscriber. Gives whether there was one.
    ///
    /// # Errors
    /// Where the store cannot be written.
    fn forget_device(&self, subscriber: &str) -> Result<bool, StoreError>;
}

/// What is known of the messages that are looked for. What is `None` may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Address of the sender, with or without `/TYPE=PLMN`.
    pub sender: Option<String>,
    /// Address of one of the recipients.
    pub recipient: Option<String>,
    /// Address of the sender or of one of the recipients.
    pub party: Option<String>,
    /// State of one of the recipients.
    pub state: Option<DeliveryState>,
    /// Accepted then or later.
    pub since: Option<Millis>,
    /// Accepted before.
    pub until: Option<Millis>,
    /// The last message of the page before.
    pub after: Option<Cursor>,
    /// How many at most.
    pub most: usize,
}

/// A place in a list of messages, the latest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// When the message at that place was accepted.
    pub accepted_at: Millis,
    /// Its id.
    pub id: String,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The message.
    pub message: MessageRow,
    /// Its recipients.
    pub recipients: Vec<RecipientRow>,
}

/// What waits in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The state; `None` for reports.
    pub state: Option<DeliveryState>,
    /// How many.
    pub waiting: u64,
    /// How many of them could be worked on now.
    pub due: u64,
    /// Since when the oldest of those could be.
    pub due_since: Option<Millis>,
}

/// What is remembered of a subscriber's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// The subscriber's number.
    pub subscriber: String,
    /// The headers that describe the device, one a line.
    pub description: String,
    /// When they were seen.
    pub seen_at: Millis,
}
