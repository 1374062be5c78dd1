//! One thread that writes, and commits for many callers at once.
//!
//! A commit costs a sync of the disk whatever it holds. So whoever asks while one is under way
//! waits and shares the next. Each caller's statements are a savepoint: if they fail, the others'
//! stand. Nobody hears of success before the commit.

use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::checkpoint::{self, Trigger};
use super::database;
use crate::store::fault::{Asked, Point};
use crate::store::{StoreError, Told};

/// Callers that share one commit at most.
const GROUP: usize = 256;
/// What the rows of one caller put into the log, in octets, beside the body of a message.
const ROWS: usize = 8 << 10;

/// Runs one caller's statements in the open transaction, or none where there is no transaction, and
/// gives what tells the caller how it ended.
type Job = (
    usize,
    Box<dyn FnOnce(Result<&Connection, StoreError>) -> Finish + Send>,
);
/// Tells a caller the result, given what became of the commit.
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Hears of each commit: how many callers shared it, and how long it took.
pub type CommitWatch = Box<dyn Fn(usize, Duration) + Send>;

/// The way to the thread. The thread ends, with the last commit done, when this is dropped.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection of its own.
    pub(super) fn start(
        connection: Connection,
        trigger: Option<Trigger>,
        faults: Asked,
        watch: CommitWatch,
    ) -> Result<Self, StoreError> {
        let (jobs, queue) = channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&connection, &queue, trigger.as_ref(), &faults, &watch))
            .map_err(|error| StoreError::io("writer thread", &error))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `work` in a transaction and waits until it is durable.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_weighing(0, work)
    }

    /// Runs `work`, which writes about `octets` beside its rows, and waits until it is durable.
    pub(super) fn run_weighing<T: Send + 'static>(
        &self,
        octets: usize,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, result) = sync_channel(1);
        let told = Box::new(move |outcome| {
            // A caller that no longer waits needs no answer.
            let _ = answer.send(outcome);
        });
        self.run_telling(octets, work, told);
        result.recv().map_err(|_| StoreError::Closed)?
    }

    /// Runs `work` as [`Writer::run_weighing`] does, and returns at once. `told` hears of the end, on
    /// the thread that writes.
    pub(super) fn run_telling<T: Send + 'static>(
        &self,
        octets: usize,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        told: Told<T>,
    ) {
        let job = Box::new(move |connection: Result<&Connection, StoreError>| {
            attempt(connection, work, told)
        });
        if let Some(jobs) = self.jobs.as_ref() {
            // Where nobody reads any more, the job is dropped, and with it whoever is to be told.
            let _ = jobs.send((octets.saturating_add(ROWS), job));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

fn attempt<T: Send + 'static>(
    connection: Result<&Connection, StoreError>,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    told: Told<T>,
) -> Finish {
    let result = connection.and_then(|connection| in_savepoint(connection, work));
    Box::new(move |committed| told(committed.and(result)))
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let execute = |sql| {
        connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute([]))
            .map_err(database)
    };
    execute("SAVEPOINT job")?;
    let result = work(connection);
    if result.is_err() {
        execute("ROLLBACK TO job")?;
    }
    execute("RELEASE job")?;
    result
}

fn serve(
    connection: &Connection,
    queue: &Receiver<Job>,
    trigger: Option<&Trigger>,
    faults: &Asked,
    watch: &CommitWatch,
) {
    while let Ok((octets, first)) = queue.recv() {
        let execute = |sql| {
            connection
                .prepare_cached(sql)
                .and_then(|mut statement| statement.execute([]))
                .map(|_| ())
                .map_err(database)
        };
        if let Err(error) = execute("BEGIN IMMEDIATE") {
            first(Err(error.clone()))(Err(error));
            continue;
        }
        let open = || {
            faults
                .at(Point::RowWrite)
                .map(|()| connection)
                .map_err(|error| StoreError::io("rows of a message", &error))
        };
        let mut written = octets;
        let mut finish = vec![first(open())];
        while finish.len() < GROUP
            && let Ok((octets, job)) = queue.try_recv()
        {
            written = written.saturating_add(octets);
            finish.push(job(open()));
        }
        let started = Instant::now();
        let committed = faults
            .at(Point::Commit)
            .map_err(|error| StoreError::io("commit", &error))
            .and_then(|()| execute("COMMIT"));
        watch(finish.len(), started.elapsed());
        if committed.is_err() && !connection.is_autocommit() {
            // Nothing of a failed commit may stay for the next one to carry along.
            let _ = execute("ROLLBACK");
        }
        // What is committed is committed, whatever happens next.
        let _ = faults.at(Point::Committed);
        for finish in finish {
            finish(committed.clone());
        }
        if trigger.is_some_and(|trigger| trigger.committed(written)) {
            // Where it fails, the log grows and this is asked for again.
            let _ = checkpoint::checkpoint(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_callers_mistake_does_not_undo_anothers_work() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (n UNIQUE)")
            .unwrap();
        let writer =
            Writer::start(connection, None, Asked::default(), Box::new(|_, _| {})).unwrap();
        let insert = |n: i64| {
            writer.run(move |c| {
                c.execute("INSERT INTO t VALUES (?1)", [n])
                    .map_err(database)?;
                c.execute("INSERT INTO t VALUES (?1)", [n + 1])
                    .map_err(database)
            })
        };
        std::thread::scope(|scope| {
            let good = scope.spawn(|| insert(1));
            assert_eq!(good.join().unwrap(), Ok(1));
            assert!(scope.spawn(|| insert(2)).join().unwrap().is_err());
            assert_eq!(scope.spawn(|| insert(3)).join().unwrap(), Ok(1));
        });
        let count = writer
            .run(|c| {
                c.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
                    .map_err(database)
            })
            .unwrap();
        assert_eq!(count, 4);
    }
}
