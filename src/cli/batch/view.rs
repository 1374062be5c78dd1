//! What a job shows while it runs.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::plan::Planned;
use super::signals::Heard;
use super::{BatchArgs, Progress, sum};
use crate::batch::{Control, Event, Line, Tally};
use crate::cli::{CliError, Exit, explain, io};

/// How often a program is told how far it is.
const OFTEN: Duration = Duration::from_secs(1);

/// What a job shows, and how it is told to stop.
pub(super) struct View {
    /// What the job is told.
    pub(super) control: Control,
    json: bool,
    explain: bool,
    dry_run: bool,
    /// Whether stdout is the report's.
    report_on_stdout: bool,
    watching: bool,
    bar: Option<ProgressBar>,
    signals: AtomicU8,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tally: Tally,
    /// The last complaint: an input is not complained about once for each device.
    complaint: Option<(String, String)>,
    told: Option<Instant>,
}

impl View {
    pub(super) fn new(args: &BatchArgs, planned: &Planned) -> Self {
        let watching = planned.watch.is_some();
        let bar = args.progress == Progress::Auto
            && !watching
            && !args.explain
            && std::io::stderr().is_terminal();
        Self {
            control: Control::default(),
            json: args.progress == Progress::Json,
            explain: args.explain,
            dry_run: args.dry_run,
            report_on_stdout: planned.keeps_journal && io::is_dash(&planned.report),
            watching,
            bar: bar.then(bar_of_results),
            signals: AtomicU8::new(0),
            state: Mutex::default(),
        }
    }

    /// Shows what happened.
    pub(super) fn show(&self, event: &Event<'_>) {
        match event {
            Event::Begun(tally) => {
                self.lock().tally = (*tally).clone();
                if let Some(bar) = &self.bar {
                    bar.set_length(tally.results);
                    bar.set_position(tally.skipped);
                    bar.reset_eta();
                }
                self.tell(&json!({ "event": "begun", "inputs": tally.inputs,
                    "results": tally.results, "skipped": tally.skipped }));
            }
            Event::Finished {
                line,
                plan,
                device,
                tally,
            } => {
                if let (true, Some(report), Some(plan)) = (self.explain, line.report(), plan) {
                    let page = explain::page(report, plan, &device.caps);
                    self.print(&format!("{} for {}\n{page}\n", line.input(), line.target));
                }
                self.complain_of(line);
                self.finished(line, tally);
            }
        }
    }

    fn finished(&self, line: &Line, tally: &Tally) {
        let mut state = self.lock();
        state.tally = (*tally).clone();
        if let Some(bar) = &self.bar {
            bar.inc(1);
            let saved = tally.bytes_in.saturating_sub(tally.bytes_out);
            let failed = tally.failures();
            bar.set_message(format!("{} saved, {failed} failed", sum::octets(saved)));
        }
        if !self.json {
            return;
        }
        let now = Instant::now();
        let due = state
            .told
            .is_none_or(|told| now.saturating_duration_since(told) >= OFTEN);
        if due {
            state.told = Some(now);
        }
        drop(state);
        self.tell(
            &json!({ "event": "result", "input": line.input(), "target": line.target,
            "verdict": line.verdict(), "bytes_in": line.input_bytes, "bytes_out": line.output_bytes,
            "ms": line.ms(), "error": line.error }),
        );
        if due {
            self.tell(&json!({ "event": "progress", "done": tally.done,
                "results": tally.results, "skipped": tally.skipped, "failed": tally.failures(),
                "bytes_in": tally.bytes_in, "bytes_out": tally.bytes_out,
                "seconds": tally.seconds,
                "seconds_left": tally.time_left().map(|left| left.as_secs_f64()) }));
        }
    }

    /// Shows the sum of a job that has ended.
    pub(super) fn end(&self, tally: &Tally, exit: Exit) -> Result<(), CliError> {
        self.clear();
        self.tell(&json!({ "event": "end", "exit": exit.code(), "summary": tally }));
        if !self.json {
            self.print(&sum::page(tally, self.dry_run));
        }
        Ok(())
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says on stderr what is wrong.
    pub(super) fn complain(&self, what: &str) {
        self.on_stderr(&format!("remold: {}", what.replace(['\n', '\r'], " ")));
    }

    fn complain_of(&self, line: &Line) {
        let Some(error) = &line.error else { return };
        let complaint = (line.input().to_owned(), error.to_string());
        let mut state = self.lock();
        if state.complaint.as_ref() == Some(&complaint) {
            return;
        }
        let text = format!("{}: {}", complaint.0, complaint.1);
        state.complaint = Some(complaint);
        drop(state);
        self.complain(&text);
    }

    fn on_stderr(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// Prints for a person: on stdout, unless that is the report's.
    pub(super) fn print(&self, text: &str) {
        if self.report_on_stdout || self.json {
            return self.on_stderr(text.trim_end());
        }
        // Who does not listen any more misses nothing that the report does not say.
        let print = || drop(io::print(text));
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Tells a program.
    fn tell(&self, event: &serde_json::Value) {
        if self.json {
            // As above.
            let _ = io::print(format!("{event}\n"));
        }
    }

    /// Whether a signal was to end the job.
    pub(super) fn is_interrupted(&self) -> bool {
        self.signals.load(Ordering::SeqCst) > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard for View {
    fn interrupted(&self) {
        match self.signals.fetch_add(1, Ordering::SeqCst) {
            0 => {
                if !self.watching {
                    self.complain("what is under way ends; Ctrl-C again stops it");
                }
                self.control.finish();
            }
            1 => {
                self.complain("stopping; Ctrl-C again ends at once");
                self.control.stop();
            }
            _ => std::process::exit(130),
        }
    }

    fn terminated(&self) {
        self.signals.fetch_add(2, Ordering::SeqCst);
        self.control.stop();
    }

    fn tell_status(&self) {
        let line = sum::status(&self.lock().tally);
        self.complain(&line);
    }
}

fn bar_of_results() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{bar:24} {pos}/{len}  {per_sec}  {msg}  {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
