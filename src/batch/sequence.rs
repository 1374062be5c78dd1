//! Telling of results in the order of their inputs, though they are done in another.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Results that wait for those before them.
pub(super) struct Sequence<T> {
    /// How far those who are fast may be ahead of the slowest: what waits here is not in the
    /// journal yet, and done again after a crash.
    window: usize,
    inner: Mutex<Inner<T>>,
    moved: Condvar,
}

struct Inner<T> {
    next: usize,
    waiting: BTreeMap<usize, Vec<T>>,
}

impl<T> Sequence<T> {
    pub(super) fn new(window: usize) -> Self {
        Self {
            window,
            inner: Mutex::new(Inner {
                next: 0,
                waiting: BTreeMap::new(),
            }),
            moved: Condvar::new(),
        }
    }

    /// Waits until number `at` is not too far ahead; `false` once `go_on` says no.
    pub(super) fn wait(&self, at: usize, go_on: impl Fn() -> bool) -> bool {
        let mut inner = self.lock();
        while at >= inner.next.saturating_add(self.window) {
            if !go_on() {
                return false;
            }
            let waited = self.moved.wait_timeout(inner, Duration::from_millis(50));
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Takes what number `at` came to, and tells all that nothing before it is missing of.
    pub(super) fn put(&self, at: usize, results: Vec<T>, mut tell: impl FnMut(T)) {
        let mut inner = self.lock();
        inner.waiting.insert(at, results);
        loop {
            let next = inner.next;
            let Some(results) = inner.waiting.remove(&next) else {
                break;
            };
            inner.next = next.saturating_add(1);
            results.into_iter().for_each(&mut tell);
        }
        drop(inner);
        self.moved.notify_all();
    }

    /// Tells of what is left where some numbers never came to anything.
    pub(super) fn finish(&self, tell: impl FnMut(T)) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        waiting.into_values().flatten().for_each(tell);
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_in_order_and_none_is_lost() {
        let sequence = Sequence::new(2);
        let mut told = Vec::new();
        assert!(sequence.wait(1, || false));
        assert!(!sequence.wait(2, || false), "too far ahead");
        sequence.put(1, vec!["b", "c"], |text| told.push(text));
        assert!(told.is_empty());
        sequence.put(0, vec!["a"], |text| told.push(text));
        sequence.put(5, vec!["f"], |text| told.push(text));
        sequence.put(3, Vec::new(), |text| told.push(text));
        assert_eq!(told, ["a", "b", "c"]);
        assert!(sequence.wait(3, || false));
        sequence.finish(|text| told.push(text));
        assert_eq!(told, ["a", "b", "c", "f"]);
    }
}
