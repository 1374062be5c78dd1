//! One node's store: rows in SQLite, bodies in files beside it.
//!
//! WAL with `synchronous = FULL`: a commit that returned is on the disk, also when the power goes.
//! One thread writes, so that many callers share one sync; a few connections read beside it. Another
//! moves what was committed from the log to the database, so that no caller waits for that.

mod backup;
mod boxes;
mod checkpoint;
mod outbox;
mod prompt;
mod query;
mod schema;
mod search;
mod verbs;
mod writer;

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

pub use self::backup::{BackupError, Manifest, back_up, restore};
use self::checkpoint::Checkpointer;
pub use self::writer::CommitWatch;
use self::writer::Writer;
use super::StoreError;
use super::bodies::{Bodies, sync_folder};
use super::fault::{Asked, Faults};

/// Connections for reading. Opening one takes longer than a hundred reads, so who comes while all
/// are in use waits for one.
const READERS: usize = 4;
/// Statements that each connection keeps prepared: more than there are.
const STATEMENTS: usize = 96;

/// A store in a folder.
pub struct SqliteStore {
    bodies: Bodies,
    writer: Writer,
    _checkpointer: Checkpointer,
    readers: Mutex<Readers>,
    returned: Condvar,
    database: std::path::PathBuf,
    /// Held until the store is dropped: no other process writes the same files.
    _lock: File,
}

/// The connections for reading.
#[derive(Default)]
struct Readers {
    idle: Vec<Connection>,
    open: usize,
}

/// What opening a store found to clean up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Files without a row: their senders were never told that the message was accepted.
    pub orphans: usize,
    /// Work that was under way when the process ended, and is due again: nobody else can have it,
    /// because nobody else has the store open.
    pub released: usize,
}

impl SqliteStore {
    /// Opens the store in `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has it open, [`StoreError::Newer`] where a
    /// later version of this program wrote it, and whatever the file system says.
    pub fn open(folder: &Path) -> Result<(Self, Recovery), StoreError> {
        Self::open_with(folder, None)
    }

    /// Opens the store like [`SqliteStore::open`], with somebody who makes it fail.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`].
    pub fn open_with(
        folder: &Path,
        faults: Option<Arc<dyn Faults>>,
    ) -> Result<(Self, Recovery), StoreError> {
        Self::open_watched(folder, faults, Box::new(|_, _| {}))
    }

    /// As [`SqliteStore::open_with`]; `watch` hears of each commit.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`].
    pub fn open_watched(
        folder: &Path,
        faults: Option<Arc<dyn Faults>>,
        watch: CommitWatch,
    ) -> Result<(Self, Recovery), StoreError> {
        let faults = Asked(faults);
        let io = |error| StoreError::io("folder of the store", &error);
        std::fs::create_dir_all(folder).map_err(io)?;
        let lock = super::lock(folder)?;
        let bodies = Bodies::open(folder.join("bodies"), faults.clone())?;
        let path = folder.join("store.db");
        let mut connection = Connection::open(&path).map_err(database)?;
        prepare(&connection)?;
        schema::migrate(&mut connection)?;
        sync_folder(folder).map_err(io)?;
        let known = names(&connection)?;
        let orphans = bodies.collect(&known)?;
        let released = release(&connection)?;
        let checkpointer = Checkpointer::start(&path)?;
        let store = Self {
            bodies,
            writer: Writer::start(connection, checkpointer.trigger(), faults, watch)?,
            _checkpointer: checkpointer,
            readers: Mutex::default(),
            returned: Condvar::new(),
            database: path,
            _lock: lock,
        };
        Ok((store, Recovery { orphans, released }))
    }

    /// Reads with one of the connections for that.
    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut reader = Borrowed {
            store: self,
            connection: self.idle(),
        };
        if reader.connection.is_none() {
            reader.connection = Some(self.open_reader()?);
        }
        match &reader.connection {
            Some(connection) => work(connection).map_err(database),
            None => Err(StoreError::Closed),
        }
    }

    /// An idle connection, or `None` where the caller may open another.
    fn idle(&self) -> Option<Connection> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = readers.idle.pop() {
                return Some(connection);
            }
            if readers.open < READERS {
                readers.open = readers.open.saturating_add(1);
                return None;
            }
            readers = self
                .returned
                .wait(readers)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn open_reader(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.database, flags).map_err(database)?;
        connection
            .busy_timeout(Duration::from_secs(5))
            .map_err(database)?;
        keep_statements(&connection)?;
        Ok(connection)
    }
}

/// Brings the tables of a store to those of this program, for who reads them by other means.
#[cfg(feature = "postgres")]
pub(super) fn brought_up(connection: &mut Connection) -> Result<(), StoreError> {
    schema::migrate(connection)
}

/// A connection that goes back when its reader is done, or its place where it could not be opened.
struct Borrowed<'a> {
    store: &'a SqliteStore,
    connection: Option<Connection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        let mut readers = self
            .store
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match self.connection.take() {
            Some(connection) => readers.idle.push(connection),
            None => readers.open = readers.open.saturating_sub(1),
        }
        drop(readers);
        self.store.returned.notify_one();
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SqliteStore({})", self.database.display())
    }
}

/// What the database says, as ours.
fn database(error: rusqlite::Error) -> StoreError {
    StoreError::Database(error.to_string())
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection
        .busy_timeout(Duration::from_secs(5))
        .map_err(database)?;
    keep_statements(connection)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA temp_store = MEMORY;
             PRAGMA cache_size = -8192;",
        )
        .map_err(database)
}

/// Lets a connection keep what it has prepared. Without the guarantee that a plan does not depend on
/// values, SQLite prepares a statement anew for each value that might make another plan better, which took
/// a fifth of the processor time of a message.
fn keep_statements(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map(|_| ())
        .map_err(database)
}

/// Makes work due that was leased by a process that is gone.
fn release(connection: &Connection) -> Result<usize, StoreError> {
    let mut released: usize = 0;
    for sql in [
        "UPDATE recipients SET due_at = 0, leased = 0, fence = fence + 1 \
         WHERE leased = 1 AND due_at IS NOT NULL",
        "UPDATE reports SET due_at = 0, leased = 0, fence = fence + 1 WHERE leased = 1",
    ] {
        let changed = connection.execute(sql, []).map_err(database)?;
        released = released.saturating_add(changed);
    }
    Ok(released)
}

/// Names of the files that rows know of.
fn names(connection: &Connection) -> Result<HashSet<String>, StoreError> {
    let mut statement = connection
        .prepare("SELECT id FROM messages WHERE has_body = 1 AND octets IS NULL")
        .map_err(database)?;
    let rows = statement
        .query_map([], |row| row.get(0))
        .map_err(database)?;
    rows.collect::<rusqlite::Result<_>>().map_err(database)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, conformance};

    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("remold-sqlite-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn it_conforms() {
        for check in conformance::CHECKS {
            let folder = Folder::new(check.name);
            for body in &conformance::bodies() {
                println!("{}, bodies of {}", check.name, body.len());
                let _ = std::fs::remove_dir_all(&folder.0);
                (check.run)(
                    &mut || Box::new(SqliteStore::open(&folder.0).unwrap().0),
                    body,
                );
            }
        }
    }

    #[test]
    fn what_peers_exchange_is_charged() {
        let folder = Folder::new("exchanged");
        crate::store::outbox::check::exchanges_are_charged(
            &SqliteStore::open(&folder.0).unwrap().0,
        );
    }

    #[test]
    fn two_processes_do_not_share_a_folder() {
        let folder = Folder::new("lock");
        let (store, _) = SqliteStore::open(&folder.0).unwrap();
        assert_eq!(
            SqliteStore::open(&folder.0).map(|_| ()).unwrap_err(),
            StoreError::Locked
        );
        drop(store);
        SqliteStore::open(&folder.0).unwrap();
    }

    #[test]
    fn what_was_under_way_when_the_process_ended_is_due_at_once() {
        let folder = Folder::new("release");
        let (store, _) = SqliteStore::open(&folder.0).unwrap();
        let sent = conformance::submission(1);
        store.accept(&sent, &"body".into(), 0).unwrap();
        assert_eq!(store.lease_due(1_000, 10, 60_000).unwrap().len(), 2);
        assert!(store.lease_due(1_001, 10, 60_000).unwrap().is_empty());
        drop(store);
        let (store, recovery) = SqliteStore::open(&folder.0).unwrap();
        assert_eq!(recovery.released, 2);
        assert_eq!(store.lease_due(1_002, 10, 60_000).unwrap().len(), 2);
    }

    #[test]
    fn a_body_whose_transaction_never_came_is_collected() {
        let folder = Folder::new("orphan");
        let (store, recovery) = SqliteStore::open(&folder.0).unwrap();
        assert_eq!(recovery.orphans, 0);
        let kept = conformance::submission(1);
        let body = bytes::Bytes::from(vec![7; verbs::IN_ROW + 1]);
        store.accept(&kept, &body, 0).unwrap();
        // What is on the disk when the process dies between body and transaction.
        store.bodies.put("ff00", &"orphan".into()).unwrap();
        drop(store);
        let (store, recovery) = SqliteStore::open(&folder.0).unwrap();
        assert_eq!(recovery.orphans, 1);
        assert_eq!(store.bodies.get("ff00"), Ok(None));
        let (message, _) = store.message(&kept.id).unwrap().unwrap();
        assert_eq!(store.body(&message).unwrap().unwrap(), body);
    }

    #[test]
    fn a_submission_that_fails_leaves_nothing() {
        let folder = Folder::new("fails");
        let (store, _) = SqliteStore::open(&folder.0).unwrap();
        store
            .accept(&conformance::submission(1), &"a".into(), 0)
            .unwrap();
        let mut clash = conformance::submission(2);
        clash.recipients[0].token = conformance::submission(1).recipients[0].token.clone();
        assert_eq!(
            store.accept(&clash, &"b".into(), 0),
            Err(StoreError::Collision)
        );
        assert_eq!(store.message(&clash.id), Ok(None));
        assert_eq!(store.bodies.get(&clash.id), Ok(None));
    }
}
