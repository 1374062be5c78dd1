//! Stopping an input that takes too long, or that nobody wants any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Control, Told};
use crate::media::Cancel;

/// How often is looked whether a deadline has passed.
const TICK: Duration = Duration::from_millis(10);

/// The deadlines of what is under way.
#[derive(Debug, Default)]
pub(super) struct Deadlines(Mutex<Vec<Arc<Running>>>);

/// One input that is under way.
#[derive(Debug)]
pub(super) struct Running {
    until: Option<Instant>,
    /// Stops the engine.
    pub(super) cancel: Cancel,
    expired: AtomicBool,
}

impl Running {
    /// Whether it was stopped because its time was over.
    pub(super) fn is_expired(&self) -> bool {
        self.expired.load(Ordering::SeqCst)
    }
}

/// An input that is under way until this is dropped.
pub(super) struct Watched<'a> {
    deadlines: &'a Deadlines,
    /// What is watched.
    pub(super) running: Arc<Running>,
}

impl Deadlines {
    /// Watches over an input that may take this long from now on.
    pub(super) fn begin(&self, time: Duration) -> Watched<'_> {
        let running = Arc::new(Running {
            until: Instant::now().checked_add(time),
            cancel: Cancel::new(),
            expired: AtomicBool::new(false),
        });
        self.lock().push(running.clone());
        Watched {
            deadlines: self,
            running,
        }
    }

    /// Stops what has to be stopped until `done` is set.
    pub(super) fn keep(&self, control: &Control, done: &AtomicBool) {
        while !done.load(Ordering::SeqCst) {
            let now = Instant::now();
            for running in self.lock().iter() {
                if running.until.is_some_and(|until| until <= now) {
                    running.expired.store(true, Ordering::SeqCst);
                    running.cancel.cancel();
                }
                if control.told() == Told::Stop {
                    running.cancel.cancel();
                }
            }
            std::thread::park_timeout(TICK);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Running>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let ended = |running: &Arc<Running>| !Arc::ptr_eq(running, &self.running);
        self.deadlines.lock().retain(ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_late_or_not_wanted_is_stopped() {
        let (deadlines, control) = (Deadlines::default(), Control::default());
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| deadlines.keep(&control, &done));
            let short = deadlines.begin(Duration::from_millis(1));
            let long = deadlines.begin(Duration::from_secs(3600));
            let endless = deadlines.begin(Duration::MAX);
            let wait = |running: &Running| {
                while !running.cancel.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            };
            wait(&short.running);
            assert!(short.running.is_expired());
            assert!(!long.running.cancel.is_cancelled());
            control.stop();
            wait(&long.running);
            wait(&endless.running);
            assert!(!long.running.is_expired() && !endless.running.is_expired());
            done.store(true, Ordering::SeqCst);
        });
    }
}
