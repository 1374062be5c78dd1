//! The tables, and how an older store becomes a newer one.

use rusqlite::Connection;

use super::{database, outbox, search};
use crate::store::StoreError;

/// One script for each schema version, in order: the first makes version 1 of an empty file. A
/// script that was released is never changed.
const MIGRATIONS: &[&str] = &[
    VERSION_1,
    VERSION_2,
    VERSION_3,
    search::INDICES,
    outbox::TABLES,
];

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

/// Peers: who a message came from, and who reaches a recipient or gets a report.
const VERSION_2: &str = "
ALTER TABLE messages ADD COLUMN origin_peer TEXT;
ALTER TABLE messages ADD COLUMN origin_id TEXT;
ALTER TABLE messages ADD COLUMN origin_for_user INTEGER;
ALTER TABLE recipients ADD COLUMN peer TEXT;
ALTER TABLE reports ADD COLUMN peer TEXT;
ALTER TABLE reports ADD COLUMN transaction_id TEXT;
DROP INDEX recipients_due;
CREATE INDEX recipients_due ON recipients (due_at) WHERE due_at IS NOT NULL AND peer IS NULL;
CREATE INDEX recipients_of_peers ON recipients (peer, due_at)
  WHERE due_at IS NOT NULL AND peer IS NOT NULL;
DROP INDEX reports_due;
CREATE INDEX reports_due ON reports (due_at) WHERE peer IS NULL;
CREATE INDEX reports_of_peers ON reports (peer, due_at) WHERE peer IS NOT NULL;
CREATE INDEX reports_by_transaction ON reports (transaction_id) WHERE transaction_id IS NOT NULL;
";

/// Small bodies in rows, so that many share one sync of the disk, and message boxes.
const VERSION_3: &str = "
CREATE TABLE octets (
  id INTEGER PRIMARY KEY,
  data BLOB NOT NULL
);
ALTER TABLE messages ADD COLUMN octets INTEGER;
ALTER TABLE messages ADD COLUMN content BLOB;
ALTER TABLE recipients ADD COLUMN leased INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reports ADD COLUMN leased INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_with_body ON messages (closed_at)
  WHERE closed_at IS NOT NULL AND has_body = 1;
CREATE TABLE box (
  id INTEGER PRIMARY KEY,
  owner TEXT NOT NULL,
  token TEXT NOT NULL,
  hash BLOB NOT NULL UNIQUE,
  message_id TEXT,
  state INTEGER NOT NULL,
  flags TEXT NOT NULL,
  stored_at INTEGER NOT NULL,
  size INTEGER NOT NULL,
  data BLOB NOT NULL
);
CREATE INDEX box_by_owner ON box (owner, stored_at);
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
    fn a_store_of_the_first_version_keeps_its_messages() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(VERSION_1).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        let old = "INSERT INTO messages VALUES ('id', 's', 't', x'00', 1, 2, 0, 0, 1, 128, 4, NULL, \
                   1, 1, NULL)";
        connection.execute_batch(old).unwrap();
        migrate(&mut connection).unwrap();
        let octets: Option<i64> = connection
            .query_row("SELECT octets FROM messages WHERE id = 'id'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(octets, None, "its body is a file");
    }

    #[test]
    fn what_an_older_program_wrote_is_kept() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(VERSION_1).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch(
                "INSERT INTO messages VALUES ('m', 's', 't', x'00', 1, 2, 1, 0, 1, 128, 9, NULL, 1, 1, \
                 NULL);
                 INSERT INTO recipients VALUES (1, 'm', 'r', 0, 'k', x'01', 'u', 'queued', 0, 5, 0);
                 INSERT INTO reports VALUES (1, 'm', 'r', x'02', 6, 9, 0, 0);",
            )
            .unwrap();
        migrate(&mut connection).unwrap();
        let none: i64 = connection
            .query_row(
                "SELECT count(*) FROM messages m JOIN recipients r ON r.message_id = m.id \
                 JOIN reports p ON p.message_id = m.id \
                 WHERE m.origin_peer IS NULL AND r.peer IS NULL AND p.peer IS NULL",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(none, 1, "all of it is for subscribers of ours");
    }

    #[test]
    fn what_is_new_here_is_moved_to_a_shared_database_as_well() {
        // `store::postgres::import` names every column: when there is a new one, so must it.
        assert_eq!(MIGRATIONS.len(), 5);
    }

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
