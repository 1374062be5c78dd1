//! Threads that run verbs, many in one transaction.
//!
//! A transaction costs a round trip and, where it wrote, a sync of the server's disk, whatever it
//! holds. So who asks while a connection is busy waits, and shares the next transaction. All
//! statements are sent before the first answer is waited for. A verb that fails ends the
//! transaction for all; then each of them is tried by itself.
//!
//! Two transactions that change the same rows in different orders wait for each other until the server
//! ends one of them. So verbs that change one row come in the order of these rows, and those that change
//! many, in an order of their own, are alone in their transaction.
//!
//! What fails because of the database or the way to it is tried again until a verb has waited long
//! enough. Verbs are written so that doing one twice does no harm: who lost the connection while it
//! committed cannot know.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::connect::{Failure, Session, Target};
use crate::store::StoreError;
use crate::store::fault::{Asked, Point};

/// Verbs that share one transaction at most.
const GROUP: usize = 64;
/// How long a verb is tried before its caller hears that the database is away.
const PATIENCE: Duration = Duration::from_secs(8);
/// A transaction that takes longer than this has lost its server.
const LONGEST: Duration = Duration::from_secs(30);
/// Pauses between attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Hears of each transaction that wrote: how many verbs shared it, and how long it took.
pub type CommitWatch = Box<dyn Fn(usize, Duration) + Send + Sync>;

/// What connections are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Verbs that only read.
    Read,
    /// Verbs that write.
    Write,
}

/// Threads with a connection each, and the verbs that wait for them.
pub(super) struct Pool {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Box<dyn Job>>,
    closed: bool,
}

/// A verb under way.
trait Job: Send {
    /// Runs the verb's statements in the open transaction.
    fn run<'a>(
        &'a mut self,
        session: &'a Session,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;
    /// Tells the caller what came of it.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
    /// Until when it is tried.
    fn deadline(&self) -> Instant;
    /// Which rows it locks.
    fn locks(&self) -> Locks;
}

/// The rows of recipients and reports that a verb locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Locks {
    /// None that others change.
    None,
    /// The one with this number.
    One(i64),
    /// Many.
    Many,
}

struct Verb<T, F> {
    work: F,
    result: Option<Result<T, StoreError>>,
    answer: SyncSender<Result<T, StoreError>>,
    deadline: Instant,
    locks: Locks,
}

impl<T: Send, F: AsyncFn(&Session) -> Result<T, Failure> + Send> Job for Verb<T, F> {
    fn run<'a>(
        &'a mut self,
        session: &'a Session,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
        Box::pin(async move {
            self.result = match (self.work)(session).await {
                Ok(value) => Some(Ok(value)),
                Err(Failure::Told(error)) => Some(Err(error)),
                Err(failure) => return Err(failure),
            };
            Ok(())
        })
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = self.result.unwrap_or(Err(StoreError::Closed));
        // A caller that no longer waits needs no answer.
        let _ = self.answer.send(committed.and(result));
    }

    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn locks(&self) -> Locks {
        self.locks
    }
}

impl Pool {
    pub(super) fn start(
        target: &Target,
        threads: usize,
        purpose: Use,
        faults: Asked,
        watch: Arc<dyn Fn(usize, Duration) + Send + Sync>,
    ) -> Result<Self, StoreError> {
        let queue = Arc::<Queue>::default();
        let mut pool = Self {
            queue: queue.clone(),
            threads: Vec::new(),
        };
        for _ in 0..threads {
            let worker = Worker {
                target: target.clone(),
                purpose,
                faults: faults.clone(),
                watch: watch.clone(),
            };
            let queue = queue.clone();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| StoreError::io("runtime of the store", &error))?;
            let thread = std::thread::Builder::new()
                .name("store".to_owned())
                .spawn(move || {
                    let mut session = None;
                    while let Some(jobs) = queue.take() {
                        runtime.block_on(worker.work(&mut session, jobs));
                    }
                })
                .map_err(|error| StoreError::io("thread of the store", &error))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Runs a verb and waits until it is done: where it wrote, until that is durable.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl AsyncFn(&Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_locking(Locks::None, work)
    }

    /// Runs a verb that locks rows which others change.
    pub(super) fn run_locking<T: Send + 'static>(
        &self,
        locks: Locks,
        work: impl AsyncFn(&Session) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, result) = sync_channel(1);
        self.queue.put(Box::new(Verb {
            work,
            result: None,
            answer,
            deadline: Instant::now() + PATIENCE,
            locks,
        }))?;
        result.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn put(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.closed {
            return Err(StoreError::Closed);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for verbs and takes those that are there. `None` when there will be none any more.
    fn take(&self) -> Option<Vec<Box<dyn Job>>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(first) = waiting.jobs.pop_front() {
                if first.locks() == Locks::Many {
                    return Some(vec![first]);
                }
                let mut jobs = vec![first];
                let mut later = VecDeque::new();
                while jobs.len() < GROUP
                    && let Some(job) = waiting.jobs.pop_front()
                {
                    match job.locks() {
                        Locks::Many => later.push_back(job),
                        _ => jobs.push(job),
                    }
                }
                later.append(&mut waiting.jobs);
                waiting.jobs = later;
                jobs.sort_by_key(|job| job.locks());
                return Some(jobs);
            }
            if waiting.closed {
                return None;
            }
            waiting = self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.closed = true;
        drop(waiting);
        self.changed.notify_all();
    }
}

/// One of the threads.
struct Worker {
    target: Target,
    purpose: Use,
    faults: Asked,
    watch: Arc<dyn Fn(usize, Duration) + Send + Sync>,
}

impl Worker {
    /// Does `jobs` and tells their callers.
    async fn work(&self, link: &mut Option<Session>, mut jobs: Vec<Box<dyn Job>>) {
        let done = self.attempt(link, &mut jobs).await;
        for job in jobs {
            match &done {
                Ok(()) => job.finish(Ok(())),
                // Whose fault it was shows when each is tried by itself.
                Err(failure) => self.insist(link, job, failure.error()).await,
            }
        }
    }

    /// Tries one job by itself until it is done, cannot be, or has waited long enough.
    async fn insist(&self, link: &mut Option<Session>, job: Box<dyn Job>, before: StoreError) {
        let deadline = job.deadline();
        let mut job = [job];
        let mut outcome = Err(before);
        let mut pause = PAUSES.0;
        while Instant::now() < deadline {
            let done = self.attempt(link, &mut job).await;
            let again = done.as_ref().is_err_and(Failure::passes);
            outcome = done.map_err(|failure| failure.error());
            if !again {
                break;
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSES.1);
        }
        let [job] = job;
        job.finish(outcome);
    }

    /// One transaction, on a new connection where there is none.
    async fn attempt(
        &self,
        link: &mut Option<Session>,
        jobs: &mut [Box<dyn Job>],
    ) -> Result<(), Failure> {
        if link.as_ref().is_some_and(Session::is_closed) {
            *link = None;
        }
        let session = match link {
            Some(session) => session,
            None => link.insert(self.target.open().await?),
        };
        let Ok(done) = timeout(LONGEST, self.transaction(session, jobs)).await else {
            *link = None;
            return Err(Failure::Silent);
        };
        if done.is_err() {
            let back = timeout(LONGEST, session.batch("ROLLBACK")).await;
            // A connection that cannot even give up is of no use.
            if !matches!(back, Ok(Ok(()))) {
                *link = None;
            }
        }
        done
    }

    async fn transaction(
        &self,
        session: &Session,
        jobs: &mut [Box<dyn Job>],
    ) -> Result<(), Failure> {
        let writes = self.purpose == Use::Write;
        let count = jobs.len();
        // A single verb that reads needs no transaction around its statement.
        let bracketed = writes || count > 1;
        if writes {
            for _ in 0..count {
                self.fault(Point::RowWrite)?;
            }
        }
        let started = Instant::now();
        let begin = async {
            match bracketed {
                true => session.batch("BEGIN").await,
                false => Ok(()),
            }
        };
        let all = join_all(jobs.iter_mut().map(|job| job.run(session)));
        // Polled in this order, so BEGIN is sent first.
        let (begun, done) = futures_util::future::join(begin, all).await;
        begun?;
        first_cause(done)?;
        if writes {
            self.fault(Point::Commit)?;
        }
        if bracketed {
            session.batch("COMMIT").await?;
        }
        if writes {
            (self.watch)(count, started.elapsed());
            // What is committed is committed, whatever happens next.
            let _ = self.faults.at(Point::Committed);
        }
        Ok(())
    }

    fn fault(&self, point: Point) -> Result<(), Failure> {
        self.faults
            .at(point)
            .map_err(|error| Failure::Undo(StoreError::io("rows of a message", &error)))
    }
}

/// Why a transaction ended: not that of a statement which was refused because of another.
fn first_cause(done: Vec<Result<(), Failure>>) -> Result<(), Failure> {
    let mut failed: Option<Failure> = None;
    for failure in done.into_iter().filter_map(Result::err) {
        let aborted = matches!(&failed, Some(Failure::Database(error))
            if error.code() == Some(&tokio_postgres::error::SqlState::IN_FAILED_SQL_TRANSACTION));
        if failed.is_none() || aborted {
            failed = Some(failure);
        }
    }
    failed.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told = std::sync::mpsc::Receiver<Result<(), StoreError>>;

    fn verb() -> (Box<dyn Job>, Told) {
        locking(Locks::None)
    }

    fn locking(locks: Locks) -> (Box<dyn Job>, Told) {
        let (answer, told) = sync_channel(1);
        let verb = Verb {
            work: async |_: &Session| Ok(()),
            result: None,
            answer,
            deadline: Instant::now(),
            locks,
        };
        (Box::new(verb), told)
    }

    #[test]
    fn verbs_are_taken_together_up_to_a_bound() {
        let queue = Queue::default();
        for _ in 0..GROUP + 3 {
            queue.put(verb().0).unwrap();
        }
        assert_eq!(queue.take().map(|jobs| jobs.len()), Some(GROUP));
        queue.close();
        assert_eq!(
            queue.take().map(|jobs| jobs.len()),
            Some(3),
            "what came is done"
        );
        assert!(queue.take().is_none());
    }

    #[test]
    fn who_locks_many_rows_is_alone_and_others_come_in_the_order_of_theirs() {
        let queue = Queue::default();
        let all = [
            Locks::One(9),
            Locks::Many,
            Locks::None,
            Locks::One(4),
            Locks::Many,
        ];
        for locks in all {
            queue.put(locking(locks).0).unwrap();
        }
        let take = || -> Vec<Locks> {
            let jobs = queue.take().unwrap();
            jobs.iter().map(|job| job.locks()).collect()
        };
        assert_eq!(take(), [Locks::None, Locks::One(4), Locks::One(9)]);
        assert_eq!(take(), [Locks::Many]);
        assert_eq!(take(), [Locks::Many]);
    }

    #[test]
    fn a_store_that_closes_takes_no_more() {
        let queue = Queue::default();
        queue.close();
        assert_eq!(queue.put(verb().0), Err(StoreError::Closed));
    }

    #[test]
    fn a_verb_is_told_of_a_commit_that_failed() {
        let (job, told) = verb();
        job.finish(Err(StoreError::Stale));
        assert_eq!(told.recv().unwrap(), Err(StoreError::Stale));
        let (job, told) = verb();
        job.finish(Ok(()));
        assert_eq!(
            told.recv().unwrap(),
            Err(StoreError::Closed),
            "it never ran"
        );
    }

    #[test]
    fn the_cause_of_a_failed_transaction_is_the_first_one() {
        let told = |what: &str| Err(Failure::Row(what.to_owned()));
        let done = first_cause(vec![Ok(()), told("first"), told("second")]);
        assert!(matches!(done, Err(Failure::Row(what)) if what == "first"));
        assert!(first_cause(vec![Ok(()), Ok(())]).is_ok());
    }
}
