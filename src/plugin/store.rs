//! What the host knows of one running job, and how it holds the job to its terms.

use std::time::Duration;

use remold_plugin_abi::v0_1_0::remold::codec::host_log::{self, Level};
use remold_plugin_abi::v0_1_0::remold::codec::types;
use wasmtime::ResourceLimiter;

use super::error::clean;
use super::host::{Clock, LogSink};
use crate::media::Cancel;

/// The state of one job.
pub(super) struct State {
    pub(super) meter: Meter,
    pub(super) log: Log,
    pub(super) clock: Clock,
    /// When the call that is under way is stopped, by the clock.
    pub(super) deadline: Duration,
    pub(super) cancel: Cancel,
    /// Why the call was stopped.
    pub(super) stopped: Option<Stop>,
}

/// Why a call was stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its time was over.
    Deadline,
    /// Nobody waits for it.
    Cancelled,
}

impl State {
    /// Whether the job may run on.
    pub(super) fn look(&mut self) -> Option<Stop> {
        if self.cancel.is_cancelled() {
            self.stopped = Some(Stop::Cancelled);
        } else if (self.clock)() >= self.deadline {
            self.stopped = Some(Stop::Deadline);
        }
        self.stopped
    }
}

/// Counts what a job takes.
#[derive(Debug)]
pub(super) struct Meter {
    /// Octets of all memories together.
    pub(super) most: usize,
    /// Entries of one table.
    pub(super) entries: usize,
    held: usize,
    /// The most octets that were held at a time.
    pub(super) peak: usize,
    /// Whether more was asked for than there is.
    pub(super) refused: bool,
}

impl Meter {
    pub(super) const fn new(most: usize, entries: usize) -> Self {
        Self {
            most,
            entries,
            held: 0,
            peak: 0,
            refused: false,
        }
    }
}

/// Core instances, memories and tables of one component.
const PIECES: usize = 16;

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let held = self.held.saturating_sub(current).saturating_add(desired);
        if held > self.most {
            self.refused = true;
            return Ok(false);
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.held = held;
        self.peak = self.peak.max(held);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.entries && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        PIECES
    }

    fn tables(&self) -> usize {
        PIECES
    }

    fn memories(&self) -> usize {
        PIECES
    }
}

/// The lines that a job said.
pub(super) struct Log {
    pub(super) plugin: String,
    lines: usize,
    line_bytes: usize,
    dropped: bool,
    /// Those that are odd, for the report.
    pub(super) warnings: Vec<String>,
    sink: Option<LogSink>,
}

impl Log {
    pub(super) const fn new(
        plugin: String,
        lines: usize,
        line_bytes: usize,
        sink: Option<LogSink>,
    ) -> Self {
        Self {
            plugin,
            lines,
            line_bytes,
            dropped: false,
            warnings: Vec::new(),
            sink,
        }
    }

    fn say(&mut self, level: Level, message: &str) {
        if self.lines == 0 {
            if !std::mem::replace(&mut self.dropped, true) {
                self.tell("says more than is kept");
            }
            return;
        }
        self.lines = self.lines.saturating_sub(1);
        let line = clean(message, self.line_bytes);
        self.tell(&line);
        if matches!(level, Level::Warn | Level::Error) {
            self.warnings.push(format!("{}: {line}", self.plugin));
        }
    }

    fn tell(&self, line: &str) {
        if let Some(sink) = &self.sink {
            sink(&self.plugin, line);
        }
    }
}

impl host_log::Host for State {
    fn log(&mut self, level: Level, message: String) {
        self.log.say(level, &message);
    }
}

impl types::Host for State {}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn memory_is_counted_over_all_memories() {
        let mut meter = Meter::new(100, 10);
        assert!(meter.memory_growing(0, 60, None).unwrap());
        assert!(meter.memory_growing(0, 30, Some(30)).unwrap());
        assert!(!meter.memory_growing(30, 40, Some(30)).unwrap());
        assert!(!meter.refused);
        assert!(!meter.memory_growing(60, 80, None).unwrap());
        assert!(meter.refused && meter.peak == 90);
        assert!(meter.table_growing(0, 10, None).unwrap());
        assert!(!meter.table_growing(0, 11, None).unwrap());
    }

    #[test]
    fn only_the_first_lines_are_kept_and_none_is_long() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let sink: LogSink = Arc::new(move |plugin: &str, line: &str| {
            ears.lock().unwrap().push(format!("{plugin} {line}"));
        });
        let mut log = Log::new("p".to_owned(), 2, 5, Some(sink));
        log.say(Level::Info, "first line");
        log.say(Level::Warn, "a\nb");
        for _ in 0..1000 {
            log.say(Level::Error, "more");
        }
        assert_eq!(
            *heard.lock().unwrap(),
            ["p first…", "p a b", "p says more than is kept"]
        );
        assert_eq!(log.warnings, ["p: a b"]);
    }

    #[test]
    fn a_job_is_stopped_by_its_time_or_by_its_caller() {
        let cancel = Cancel::new();
        let mut state = State {
            meter: Meter::new(0, 0),
            log: Log::new(String::new(), 0, 0, None),
            clock: Arc::new(|| Duration::from_millis(5)),
            deadline: Duration::from_millis(6),
            cancel: cancel.clone(),
            stopped: None,
        };
        assert_eq!(state.look(), None);
        state.deadline = Duration::from_millis(5);
        assert_eq!(state.look(), Some(Stop::Deadline));
        cancel.cancel();
        assert_eq!(state.look(), Some(Stop::Cancelled));
    }
}
