//! Octets of messages in a bucket that every node reaches.

use std::sync::Arc;

use bytes::Bytes;

use super::{Millis, StoreError};

/// Gives those of some names that no row knows.
pub type Unknown<'a> = dyn FnMut(&[String]) -> Result<Vec<String>, StoreError> + 'a;

/// A place for objects that are written once, read and deleted.
pub trait ObjectStore: Send + Sync {
    /// Writes an object. When this returns, it is durable. One that is there already was written by
    /// an attempt whose answer was lost, and is what it should be.
    ///
    /// # Errors
    /// Where it cannot be written.
    fn put(&self, name: &str, octets: &Bytes) -> Result<(), StoreError>;

    /// The octets of an object; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError>;

    /// Deletes an object. One that is not there is deleted already.
    ///
    /// # Errors
    /// Where it cannot be deleted.
    fn delete(&self, name: &str) -> Result<(), StoreError>;

    /// Deletes the objects written before `before` that `unknown` gives back.
    ///
    /// # Errors
    /// Where they cannot be listed or deleted, and what `unknown` says.
    fn sweep(&self, before: Millis, unknown: &mut Unknown<'_>) -> Result<(), StoreError>;
}

/// A place for objects, shared.
pub type Objects = Arc<dyn ObjectStore>;
