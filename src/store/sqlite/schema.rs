//! The tables, and how an older store becomes a newer one.

use rusqlite::Connection;

use super::{database, outbox, search};
use crate::store::StoreError;

/// One script for each schema version, in order: the first makes version 1 of an empty file. A
/// script that was released is never changed.
const MIGRATIONS: &[&str] = &[VERSION_1, search::INDICES, outbox::TABLES];

const VERSION_1: &str = "
CREATE TABLE messages (
  id TEXT PRIMARY KEY NOT NULL,
  sender TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  content_hash BLOB NOT NULL,
  accepted_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  delivery_report INTEGER NOT NULL,
  read_report INTEGER NOT NULL,
  sender_visible INTEGER NOT NULL,
  class INTEGER NOT NULL,
  size INTEGER NOT NULL,
  subject TEXT,
  has_body INTEGER NOT NULL,
  waiting INTEGER NOT NULL,
  closed_at INTEGER
) WITHOUT ROWID;
CREATE INDEX messages_by_submission ON messages (sender, transaction_id, accepted_at);
CREATE INDEX messages_closed ON messages (closed_at) WHERE closed_at IS NOT NULL;
CREATE TABLE recipients (
  id INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  address TEXT NOT NULL,
  role INTEGER NOT NULL,
  token TEXT NOT NULL,
  token_hash BLOB NOT NULL UNIQUE,
  transaction_id TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  due_at INTEGER,
  fence INTEGER NOT NULL
);
CREATE INDEX recipients_by_message ON recipients (message_id);
CREATE INDEX recipients_due ON recipients (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE reports (
  id INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL,
  address TEXT NOT NULL,
  pdu BLOB NOT NULL,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  fence INTEGER NOT NULL
);
CREATE INDEX reports_due ON reports (due_at);
CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  recipient INTEGER,
  at INTEGER NOT NULL,
  what TEXT NOT NULL,
  detail TEXT NOT NULL
);
CREATE INDEX events_by_message ON events (message_id);
CREATE TABLE devices (
  subscriber TEXT PRIMARY KEY NOT NULL,
  description TEXT NOT NULL,
  seen_at INTEGER NOT NULL
) WITHOUT ROWID;
";

/// Brings the store to the version this program knows.
///
/// # Errors
/// [`StoreError::Newer`] where a later program wrote it.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found = check(connection)?;
    for (version, script) in (1_i64..).zip(MIGRATIONS) {
        if version <= found {
            continue;
        }
        let transaction = connection.transaction().map_err(database)?;
        transaction.execute_batch(script).map_err(database)?;
        transaction
            .pragma_update(None, "user_version", version)
            .map_err(database)?;
        transaction.commit().map_err(database)?;
    }
    Ok(())
}

/// The schema version of a store, which this program knows.
///
/// # Errors
/// [`StoreError::Newer`] where a later program wrote it.
pub(super) fn check(connection: &Connection) -> Result<i64, StoreError> {
    let found = version(connection)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    Ok(found)
}

/// The schema version of a store.
pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(database)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_of_a_later_program_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let known = i64::try_from(MIGRATIONS.len()).unwrap();
        assert_eq!(
            migrate(&mut connection),
            Err(StoreError::Newer { found: 99, known })
        );
    }
}
