//! Keeping a plugin that fails again and again from costing every job its deadline.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::limits::PluginLimits;

/// How often a plugin failed in a row, and until when it is left alone.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    failures: AtomicU32,
    until_ms: AtomicU64,
}

impl Quarantine {
    /// Whether it may be used.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        millis(now) >= self.until_ms.load(Ordering::Relaxed)
    }

    /// A job ended as it should, or through a fault of its input.
    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// A job failed through a fault of the plugin. After a quarantine one more is enough for the
    /// next. Says whether a quarantine begins.
    pub(super) fn failed(&self, now: Duration, limits: &PluginLimits) -> bool {
        let failures = self
            .failures
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if failures >= limits.failures {
            let until = millis(now).saturating_add(limits.quarantine_ms);
            self.until_ms.store(until, Ordering::Relaxed);
            let again = limits.failures.saturating_sub(1);
            self.failures.store(again, Ordering::Relaxed);
        }
        failures >= limits.failures
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_end_in_quarantine_and_one_more_in_the_next() {
        let limits = PluginLimits {
            failures: 3,
            quarantine_ms: 1000,
            ..PluginLimits::default()
        };
        let at = Duration::from_millis;
        let quarantine = Quarantine::default();
        assert!(quarantine.is_over(at(0)));
        quarantine.failed(at(10), &limits);
        quarantine.failed(at(10), &limits);
        quarantine.succeeded();
        quarantine.failed(at(10), &limits);
        quarantine.failed(at(10), &limits);
        assert!(quarantine.is_over(at(10)));
        quarantine.failed(at(10), &limits);
        assert!(!quarantine.is_over(at(1009)) && quarantine.is_over(at(1010)));
        quarantine.failed(at(1010), &limits);
        assert!(!quarantine.is_over(at(2009)));
        quarantine.succeeded();
        quarantine.failed(at(3000), &limits);
        assert!(quarantine.is_over(at(3000)));
    }
}
