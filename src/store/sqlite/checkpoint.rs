//! Moving what was committed from the write-ahead log into the database.
//!
//! SQLite would do it in the thread that writes, and every caller of that moment would wait. So a
//! thread beside it does, which keeps nobody from writing. It cannot catch up with a writer that
//! never pauses, and the log only begins anew where it was caught up with: where the log has grown
//! long, the writer does what is left, which is little by then.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::database;
use crate::store::StoreError;

/// Octets that callers commit between two checkpoints, about.
const EVERY: usize = 4 << 20;
/// Pages of the log from which on the writer helps: 32 MiB.
const LONG: i64 = 8_192;

/// The thread. It ends when this and every [`Trigger`] is dropped.
pub(super) struct Checkpointer {
    trigger: Option<Trigger>,
    thread: Option<JoinHandle<()>>,
}

/// What the writer tells the thread, and hears from it.
#[derive(Clone)]
pub(super) struct Trigger {
    wake: SyncSender<()>,
    written: Arc<AtomicUsize>,
    long: Arc<AtomicBool>,
}

impl Checkpointer {
    /// Starts the thread with a connection of its own.
    pub(super) fn start(database_path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(database_path).map_err(database)?;
        connection
            .busy_timeout(Duration::from_secs(5))
            .map_err(database)?;
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -256;")
            .map_err(database)?;
        let (wake, woken) = sync_channel(1);
        let trigger = Trigger {
            wake,
            written: Arc::new(AtomicUsize::new(0)),
            long: Arc::new(AtomicBool::new(false)),
        };
        let long = trigger.long.clone();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || serve(&connection, &woken, &long))
            .map_err(|error| StoreError::io("checkpoint thread", &error))?;
        Ok(Self {
            trigger: Some(trigger),
            thread: Some(thread),
        })
    }

    /// What the writer needs; none where the thread is ending.
    pub(super) fn trigger(&self) -> Option<Trigger> {
        self.trigger.clone()
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.trigger = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Trigger {
    /// About so many octets were committed. Gives whether the writer should help.
    pub(super) fn committed(&self, octets: usize) -> bool {
        let written = self.written.fetch_add(octets, Ordering::Relaxed);
        if written.saturating_add(octets) >= EVERY {
            self.written.store(0, Ordering::Relaxed);
            // Where the channel is full, the thread is about to look anyway.
            let _ = self.wake.try_send(());
        }
        self.long.swap(false, Ordering::Relaxed)
    }
}

fn serve(connection: &Connection, woken: &Receiver<()>, long: &AtomicBool) {
    while woken.recv().is_ok() {
        // What fails now is tried again; the log holds everything until then.
        if let Ok(pages) = checkpoint(connection)
            && pages >= LONG
        {
            long.store(true, Ordering::Relaxed);
        }
    }
}

/// Moves what can be moved without making anybody wait. Gives the pages in the log.
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?
        .query_row([], |row| row.get(1))
}

#[cfg(test)]
mod tests {
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Store, conformance};

    #[test]
    fn the_log_does_not_grow_for_ever() {
        let folder = std::env::temp_dir().join(format!("remold-log-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let (store, _) = SqliteStore::open(&folder).unwrap();
        let body = bytes::Bytes::from(vec![7; 60_000]);
        for number in 0..2_000 {
            let sent = conformance::submission(number);
            store.accept(&sent, &body, 0).unwrap();
        }
        let log = std::fs::metadata(folder.join("store.db-wal")).unwrap();
        // 120 MB went through it.
        assert!(log.len() < 80 << 20, "{} octets", log.len());
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
