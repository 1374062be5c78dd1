//! One thread that writes, and commits for many callers at once.
//!
//! A commit costs a sync of the disk whatever it holds. So whoever asks while one is under way
//! waits and shares the next. If the statements of one caller fail, the others' stand: most that
//! fail have changed nothing by then, and where one has, the whole group is done again with a
//! savepoint for each. A savepoint for each from the start would copy every page that more than one
//! of them changes. Nobody hears of success before the commit.

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

/// What one caller wants written.
trait Job: Send {
    /// Runs its statements in the open transaction. It may be run again where what it did was taken
    /// back.
    ///
    /// # Errors
    /// Where they fail, which its caller hears of in the end.
    fn run(&mut self, connection: &Connection) -> Result<(), Failed>;

    /// Makes it fail without running it.
    fn fail(&mut self, error: StoreError);

    /// Tells the caller how it ended, given what became of the commit.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// The statements of a job failed.
struct Failed;

/// What is run, what it gave, and who hears of it.
struct Work<W, T> {
    work: W,
    result: Result<T, StoreError>,
    told: Told<T>,
}

impl<W, T> Job for Work<W, T>
where
    W: FnMut(&Connection) -> Result<T, StoreError> + Send,
    T: Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Failed> {
        self.result = (self.work)(connection);
        self.result.as_ref().map(|_| ()).map_err(|_| Failed)
    }

    fn fail(&mut self, error: StoreError) {
        self.result = Err(error);
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        (self.told)(committed.and(self.result));
    }
}

/// A job in the queue, and about how many octets it writes.
type Queued = (usize, Box<dyn Job>);

/// Hears of each commit: how many callers shared it, and how long it took.
pub type CommitWatch = Box<dyn Fn(usize, Duration) + Send>;

/// The way to the thread. The thread ends, with the last commit done, when this is dropped.
pub(super) struct Writer {
    jobs: Option<Sender<Queued>>,
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
        let (jobs, queue) = channel::<Queued>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || serve(&connection, &queue, trigger.as_ref(), &faults, &watch))
            .map_err(|error| StoreError::io("writer thread", &error))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs `work` in a transaction and waits until it is durable. It is run again where others in
    /// the same transaction failed.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_weighing(0, work)
    }

    /// Runs `work`, which writes about `octets` beside its rows, and waits until it is durable.
    pub(super) fn run_weighing<T: Send + 'static>(
        &self,
        octets: usize,
        work: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
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
        work: impl FnMut(&Connection) -> Result<T, StoreError> + Send + 'static,
        told: Told<T>,
    ) {
        let job = Box::new(Work {
            work,
            result: Err(StoreError::Closed),
            told,
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

/// Jobs that share a commit.
struct Group<'a> {
    connection: &'a Connection,
    faults: &'a Asked,
    /// Each with whether it was run, or failed before.
    jobs: Vec<(Box<dyn Job>, bool)>,
    written: usize,
}

impl Group<'_> {
    /// Runs as many as there are.
    ///
    /// # Errors
    /// Where the transaction is lost, and with it all of them.
    fn gather(&mut self, first: Queued, queue: &Receiver<Queued>) -> Result<(), StoreError> {
        let mut next = Some(first);
        while let Some((octets, mut job)) = next.take() {
            self.written = self.written.saturating_add(octets);
            if let Err(error) = self.faults.at(Point::RowWrite) {
                job.fail(StoreError::io("rows of a message", &error));
                self.jobs.push((job, false));
            } else {
                let before = self.connection.total_changes();
                let failed = job.run(self.connection).is_err();
                self.jobs.push((job, true));
                let changed = self.connection.total_changes() != before;
                if self.connection.is_autocommit() || (failed && changed) {
                    return self.again();
                }
            }
            if self.jobs.len() < GROUP {
                next = queue.try_recv().ok();
            }
        }
        Ok(())
    }

    /// Begins anew, so that nothing stays of what one of them left half done.
    fn again(&mut self) -> Result<(), StoreError> {
        let connection = self.connection;
        if !connection.is_autocommit() {
            execute(connection, "ROLLBACK")?;
        }
        execute(connection, "BEGIN IMMEDIATE")?;
        for (job, _) in self.jobs.iter_mut().filter(|(_, ran)| *ran) {
            execute(connection, "SAVEPOINT job")?;
            let failed = job.run(connection).is_err();
            if connection.is_autocommit() {
                return Err(StoreError::Database("the transaction was lost".to_owned()));
            }
            if failed {
                execute(connection, "ROLLBACK TO job")?;
            }
            execute(connection, "RELEASE job")?;
        }
        Ok(())
    }
}

fn serve(
    connection: &Connection,
    queue: &Receiver<Queued>,
    trigger: Option<&Trigger>,
    faults: &Asked,
    watch: &CommitWatch,
) {
    while let Ok(mut first) = queue.recv() {
        if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
            first.1.fail(error.clone());
            first.1.finish(Err(error));
            continue;
        }
        let mut group = Group {
            connection,
            faults,
            jobs: Vec::new(),
            written: 0,
        };
        let gathered = group.gather(first, queue);
        let Group { jobs, written, .. } = group;
        let started = Instant::now();
        let committed = gathered
            .and_then(|()| {
                faults
                    .at(Point::Commit)
                    .map_err(|error| StoreError::io("commit", &error))
            })
            .and_then(|()| execute(connection, "COMMIT"));
        watch(jobs.len(), started.elapsed());
        if committed.is_err() && !connection.is_autocommit() {
            // Nothing of a failed commit may stay for the next one to carry along.
            let _ = execute(connection, "ROLLBACK");
        }
        // What is committed is committed, whatever happens next.
        let _ = faults.at(Point::Committed);
        for (job, _) in jobs {
            job.finish(committed.clone());
        }
        if trigger.is_some_and(|trigger| trigger.committed(written)) {
            // Where it fails, the log grows and this is asked for again.
            let _ = checkpoint::checkpoint(connection);
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(|_| ())
        .map_err(database)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

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

    #[test]
    fn one_that_fails_halfway_in_a_group_takes_nobody_with_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (n UNIQUE)")
            .unwrap();
        let commits = Arc::new(AtomicUsize::new(0));
        let counted = commits.clone();
        let watch = Box::new(move |_, _| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let writer = Writer::start(connection, None, Asked::default(), watch).unwrap();
        let insert = |n: i64| {
            move |c: &Connection| {
                c.execute("INSERT INTO t VALUES (?1)", [n])
                    .map_err(database)
            }
        };
        // The thread is held up until all of them wait for it.
        let (held, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (in_it, on) = (held.clone(), go.clone());
        let mut first = true;
        let hold = move |_: &Connection| {
            if std::mem::take(&mut first) {
                in_it.wait();
                on.wait();
            }
            Ok(())
        };
        writer.run_telling(0, hold, Box::new(|_| {}));
        held.wait();
        let (told, heard) = channel();
        for number in [1, 2, 1, 3] {
            let told = told.clone();
            let once = insert(number);
            let twice = insert(number + 100);
            let work = move |c: &Connection| twice(c).and_then(|_| once(c));
            let told = Box::new(move |outcome: Result<usize, _>| told.send(outcome).unwrap());
            writer.run_telling(0, work, told);
        }
        go.wait();
        let heard: Vec<bool> = heard
            .iter()
            .take(4)
            .map(|outcome| outcome.is_ok())
            .collect();
        assert_eq!(heard, [true, true, false, true]);
        let rows = |c: &Connection| {
            c.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
                .map_err(database)
        };
        assert_eq!(writer.run(rows), Ok(6));
        assert!(commits.load(Ordering::Relaxed) <= 4);
    }
}
