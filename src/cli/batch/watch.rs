//! `remold batch --watch`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::plan::Planned;
use super::sum;
use super::view::View;
use crate::batch::watch::{Settling, Watch, put_away};
use crate::batch::{Event, Input, Journal, Line, Run, Told};
use crate::cli::{CliError, Exit};

/// How long a signal waits at most.
const NAP: Duration = Duration::from_millis(50);

/// Works off what appears until a signal comes.
pub(super) fn watch(planned: &Planned, how: &Watch, view: &View) -> Result<Exit, CliError> {
    let (journal, past) = planned.open_journal(view)?;
    let mut past = past.unwrap_or_default();
    let mut settling = Settling::default();
    let mut failures = 0_u64;
    while view.control.told() == Told::GoOn {
        let there = |input: &Input| input.path.symlink_metadata().is_ok();
        let mut inputs = planned.inputs()?.found;
        inputs.retain(there);
        let settled = settling.settled(inputs, Instant::now(), how.settle);
        if settled.is_empty() {
            nap(how.poll, view);
            continue;
        }
        let (lines, failed) = pass(planned, &settled, &journal, &past, view)?;
        failures = failures.saturating_add(failed);
        for line in &lines {
            past.learn(line);
        }
        let mut outcomes: BTreeMap<&str, bool> = BTreeMap::new();
        for line in &lines {
            *outcomes.entry(line.input()).or_default() |= line.error.is_some();
        }
        for input in &settled {
            let name = input.path.display().to_string();
            let failed = match outcomes.get(name.as_str()) {
                Some(failed) => *failed,
                // It was done in an earlier life, or is not done now.
                None if view.control.told() == Told::GoOn => is_failed(planned, &past, input),
                None => continue,
            };
            settling.took(&input.path);
            let folder = if failed { &how.failed } else { &how.done };
            if let Some(folder) = folder {
                tidy(input, folder, &mut settling, view);
            }
        }
    }
    Ok(if failures > 0 {
        Exit::Refused
    } else {
        Exit::Done
    })
}

/// Works off what has settled; gives the lines, and how many results failed.
fn pass(
    planned: &Planned,
    inputs: &[Input],
    journal: &Journal,
    past: &crate::batch::journal::Past,
    view: &View,
) -> Result<(Vec<Line>, u64), CliError> {
    let run = Run {
        job: &planned.job,
        inputs,
        journal,
        journal_path: &planned.report,
        past: Some(past),
        retry_failed: planned.retry_failed,
        share: None,
    };
    let lines = Mutex::new(Vec::new());
    let ending = run
        .go(&view.control, &|event| {
            if let Event::Finished { line, .. } = &event {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.push((*line).clone());
            }
            view.show(&event);
        })
        .map_err(|error| super::not_writable(&error, &planned.job.out))?;
    let ending = super::journal_written(ending, &planned.report, view)?;
    if ending.tally.done > 0 {
        view.print(&format!("{}\n", sum::status(&ending.tally)));
    }
    let lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((lines, ending.tally.failures()))
}

fn is_failed(planned: &Planned, past: &crate::batch::journal::Past, input: &Input) -> bool {
    let devices = &planned.job.devices;
    devices.iter().any(|device| {
        let done = past.of(&input.path, &device.name);
        done.is_some_and(|done| done.failed)
    })
}

fn tidy(input: &Input, folder: &Path, settling: &mut Settling, view: &View) {
    match put_away(input, folder) {
        Ok(_) => settling.moved(&input.path),
        Err(error) => {
            let (from, to) = (input.path.display(), folder.display());
            view.complain(&format!("{from}: cannot be moved to {to}: {error}"));
        }
    }
}

fn nap(time: Duration, view: &View) {
    let until = Instant::now().checked_add(time);
    while view.control.told() == Told::GoOn {
        let left = until.map_or(NAP, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(NAP));
    }
}
