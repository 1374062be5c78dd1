//! The sum of a job.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::Line;

/// How many of the slowest results are named.
const SLOWEST: usize = 5;

/// What came of the results so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Inputs of the job.
    pub inputs: u64,
    /// Results that the job is to have: one for each input and device.
    pub results: u64,
    /// Results that an earlier run made.
    pub skipped: u64,
    /// Results that came to something, be it a failure.
    pub done: u64,
    /// Results by verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Results by what they were changed or refused for: rules, and kinds of failures.
    pub reasons: BTreeMap<String, u64>,
    /// Octets of the inputs of all results that were written.
    pub bytes_in: u64,
    /// Octets of these results.
    pub bytes_out: u64,
    /// What took longest, the longest first.
    pub slowest: Vec<Slow>,
    /// Seconds since the job began.
    pub seconds: f64,
}

/// A result that took long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slow {
    /// Milliseconds.
    pub ms: f64,
    /// The input.
    pub input: String,
    /// The device.
    pub target: String,
}

impl Tally {
    /// Adds what became of an input for a device.
    pub fn add(&mut self, line: &Line) {
        self.done = self.done.saturating_add(1);
        count(&mut self.verdicts, line.verdict());
        let mut reasons: Vec<&str> = match (&line.error, line.report()) {
            (Some(error), None) => vec![error.code.name()],
            (error, Some(report)) => {
                let parts = report.parts.iter().flat_map(|part| &part.reasons);
                let code = error.as_ref().map(|error| error.code.name());
                parts.map(|reason| reason.rule).chain(code).collect()
            }
            (None, None) => Vec::new(),
        };
        reasons.sort_unstable();
        reasons.dedup();
        for reason in reasons {
            count(&mut self.reasons, reason.to_owned());
        }
        if let (Some(before), Some(after)) = (line.input_bytes, line.output_bytes) {
            self.bytes_in = self.bytes_in.saturating_add(before);
            self.bytes_out = self.bytes_out.saturating_add(after);
        }
        self.note_time(line);
    }

    fn note_time(&mut self, line: &Line) {
        let ms = line.ms();
        let full = self.slowest.len() >= SLOWEST;
        if full && self.slowest.last().is_some_and(|last| last.ms >= ms) {
            return;
        }
        let at = self.slowest.partition_point(|slow| slow.ms >= ms);
        let slow = Slow {
            ms,
            input: line.input().to_owned(),
            target: line.target.clone(),
        };
        self.slowest.insert(at, slow);
        self.slowest.truncate(SLOWEST);
    }

    /// Results with this verdict.
    #[must_use]
    pub fn with(&self, verdict: &str) -> u64 {
        self.verdicts.get(verdict).copied().unwrap_or(0)
    }

    /// Results that came to nothing.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.with("failed").saturating_add(self.with("refused"))
    }

    /// Results that are still to come.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.results
            .saturating_sub(self.skipped)
            .saturating_sub(self.done)
    }

    /// Time that the rest will take, if it goes on as it went; `None` before anything is done.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        if self.done == 0 {
            return None;
        }
        let each = Duration::try_from_secs_f64(self.seconds).ok()?;
        let nanos = each
            .as_nanos()
            .saturating_mul(u128::from(self.left()))
            .checked_div(u128::from(self.done))?;
        u64::try_from(nanos).ok().map(Duration::from_nanos)
    }
}

fn count<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    let count = counts.entry(key).or_insert(0);
    *count = count.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::line::{Body, Code, Failure};
    use crate::profile::Capabilities;
    use std::path::Path;

    fn line(ms: f64) -> Line {
        Line {
            body: Body::failed(Path::new("a"), None, 0, &Capabilities::default(), ms),
            target: format!("{ms}"),
            settings: String::new(),
            input_bytes: Some(10),
            input_modified: None,
            input_octets: None,
            output_bytes: None,
            output_sha256: None,
            error: Some(Failure::new(Code::Deadline, "late")),
            dry_run: false,
        }
    }

    #[test]
    fn the_slowest_come_first_and_are_few() {
        let mut tally = Tally {
            results: 20,
            skipped: 2,
            ..Tally::default()
        };
        for ms in [3.0, 9.0, 1.0, 7.0, 5.0, 8.0, 2.0] {
            tally.add(&line(ms));
        }
        let slowest: Vec<f64> = tally.slowest.iter().map(|slow| slow.ms).collect();
        assert_eq!(slowest, [9.0, 8.0, 7.0, 5.0, 3.0]);
        assert_eq!((tally.failures(), tally.left(), tally.bytes_in), (7, 11, 0));
        assert_eq!(tally.reasons.get("deadline"), Some(&7));
        tally.seconds = 14.0;
        assert_eq!(tally.time_left(), Some(Duration::from_secs(22)));
    }
}
