//! Working a job off.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rayon::prelude::*;

use super::deadline::Deadlines;
use super::files::Folder;
use super::input::Input;
use super::item::{Bench, Finished};
use super::journal::{Journal, Past, mark};
use super::line::settings;
use super::memory::Gate;
use super::names::Names;
use super::object;
use super::sequence::Sequence;
use super::{Control, Device, Halt, Job, Line, Tally, Told};
use crate::adapt::Plan;

/// How many inputs for each thread may wait for one before them where results are told in order.
const AHEAD: usize = 8;

/// A stack on which the deepest of our parsers and codecs has room.
const STACK: usize = 8 << 20;

/// A job with its inputs and its journal.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// What is done to each input.
    pub job: &'a Job,
    /// The inputs.
    pub inputs: &'a [Input],
    /// Where lines go.
    pub journal: &'a Journal,
    /// The file of the journal, which names what is temporary.
    pub journal_path: &'a Path,
    /// What earlier runs did; `None` where there are none to go on with.
    pub past: Option<&'a Past>,
    /// Whether what failed in earlier runs is tried again.
    pub retry_failed: bool,
    /// The inputs that are done, from the first number up to and without the second; `None` for all.
    /// The others count for the names of results.
    pub share: Option<(usize, usize)>,
}

/// What a job tells of while it runs.
#[derive(Debug)]
pub enum Event<'a> {
    /// It begins: what is to be done is known.
    Begun(&'a Tally),
    /// A result is there, and in the journal.
    Finished {
        /// The line in the journal.
        line: &'a Line,
        /// What was planned, where plans were asked for.
        plan: Option<&'a Plan>,
        /// The device.
        device: &'a Device,
        /// The sum so far.
        tally: &'a Tally,
    },
}

/// How a job ended.
#[derive(Debug)]
pub struct Ending {
    /// What came of it.
    pub tally: Tally,
    /// Whether failures ended it.
    pub halted: bool,
    /// Why the journal could not be written, which ends a job.
    pub journal: Option<io::Error>,
}

/// Devices of an input, by their indexes.
type Devices = Arc<[usize]>;

/// An input that is to be done, by its index, for some devices.
type Todo = (usize, Devices);

impl Run<'_> {
    /// Works the job off and tells how it goes. It ends early where `control` says so.
    ///
    /// # Errors
    /// Where the output folder cannot be written to.
    pub fn go(&self, control: &Control, tell: &(dyn Fn(Event<'_>) + Sync)) -> io::Result<Ending> {
        let begun = Instant::now();
        let job = self.job;
        let folder = match job.dry_run {
            true => None,
            false => Some(Folder::new(
                &job.out,
                &mark(self.journal_path),
                job.durable,
            )?),
        };
        let fingerprint = |device: &Device| settings(&device.caps, &job.policy);
        let bench = Bench {
            job,
            inputs: self.inputs,
            names: Names::new(&job.out, &job.names, self.inputs),
            folder,
            gate: Gate::new(job.memory, job.jobs),
            deadlines: Deadlines::default(),
            control,
            past: self.past,
            settings: job.devices.iter().map(fingerprint).collect(),
        };
        let (todo, tally) = self.todo(&bench);
        tell(Event::Begun(&tally));
        let work = Work {
            run: self,
            bench: &bench,
            todo: &todo,
            begun,
            next: AtomicUsize::new(0),
            sequence: job
                .ordered
                .then(|| Sequence::new(job.jobs.saturating_mul(AHEAD))),
            state: Mutex::new(State {
                tally,
                failed: 0,
                halted: false,
                journal: None,
            }),
            tell,
        };
        work.work();
        let mut state = work
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        state.tally.seconds = begun.elapsed().as_secs_f64();
        Ok(Ending {
            tally: state.tally,
            halted: state.halted,
            journal: state.journal,
        })
    }

    /// What earlier runs left to do.
    fn todo(&self, bench: &Bench<'_>) -> (Vec<Todo>, Tally) {
        let job = self.job;
        let everyone: Devices = (0..job.everyone.min(job.devices.len())).collect();
        let all: Vec<Todo> = self
            .inputs
            .iter()
            .enumerate()
            .filter(|(index, _)| {
                self.share
                    .is_none_or(|(first, beyond)| (first..beyond).contains(index))
            })
            .map(|(index, input)| (index, self.devices(input, &everyone)))
            .collect();
        let mut tally = Tally {
            inputs: wide(all.len()),
            results: all.iter().map(|(_, devices)| wide(devices.len())).sum(),
            ..Tally::default()
        };
        let Some(past) = self.past.filter(|past| !past.is_empty()) else {
            return (all, tally);
        };
        let left = |(index, devices): Todo| {
            let rest: Vec<usize> = devices
                .iter()
                .copied()
                .filter(|device| !self.is_done(bench, past, index, *device))
                .collect();
            if rest.len() == devices.len() {
                (index, devices)
            } else {
                (index, rest.into())
            }
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(job.jobs)
            .build();
        let todo: Vec<Todo> = match pool {
            Ok(pool) => pool.install(|| all.into_par_iter().map(left).collect()),
            Err(_) => all.into_iter().map(left).collect(),
        };
        let rest: u64 = todo.iter().map(|(_, devices)| wide(devices.len())).sum();
        tally.skipped = tally.results.saturating_sub(rest);
        let todo = todo.into_iter().filter(|(_, devices)| !devices.is_empty());
        (todo.collect(), tally)
    }

    fn devices(&self, input: &Input, everyone: &Devices) -> Devices {
        let Some(own) = &input.devices else {
            return everyone.clone();
        };
        let index = |name: &String| {
            let is = |device: &Device| device.name == *name;
            self.job.devices.iter().position(is)
        };
        own.iter().filter_map(index).collect()
    }

    fn is_done(&self, bench: &Bench<'_>, past: &Past, index: usize, device: usize) -> bool {
        let (Some(input), Some(target)) = (self.inputs.get(index), self.job.devices.get(device))
        else {
            return false;
        };
        let Some(done) = past.of(&input.path, &target.name) else {
            return false;
        };
        let settings = bench.settings.get(device).map_or("", String::as_str);
        let goes_to = |path: &Path| bench.names.lead_to(index, &target.name, path);
        let holds = || match object::url(&input.path) {
            Some(url) => {
                let look = || bench.job.objects.look(url).ok();
                done.holds_of(input.found.or_else(look), settings, goes_to)
            }
            None => done.holds(&input.path, settings, goes_to),
        };
        !(done.failed && self.retry_failed) && holds()
    }
}

/// A job at work.
struct Work<'a> {
    run: &'a Run<'a>,
    bench: &'a Bench<'a>,
    todo: &'a [Todo],
    begun: Instant,
    next: AtomicUsize,
    sequence: Option<Sequence<Finished>>,
    state: Mutex<State>,
    tell: &'a (dyn Fn(Event<'_>) + Sync),
}

struct State {
    tally: Tally,
    /// Inputs that failed for a device or for all.
    failed: u64,
    halted: bool,
    journal: Option<io::Error>,
}

impl Work<'_> {
    fn work(&self) {
        let job = self.run.job;
        let done = AtomicBool::new(false);
        let threads = job.jobs.clamp(1, self.todo.len().max(1));
        // Each input has a pool of its own: a thread that waits for a part of one input must not
        // take up another meanwhile. Where there are fewer inputs than threads, pools are larger.
        let each = (job.jobs / threads).max(1);
        std::thread::scope(|scope| {
            let keeper = scope.spawn(|| self.bench.deadlines.keep(self.bench.control, &done));
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(move || {
                        let pool = rayon::ThreadPoolBuilder::new()
                            .num_threads(each)
                            .stack_size(STACK)
                            .build();
                        match pool {
                            Ok(pool) => pool.install(|| self.take_inputs()),
                            Err(_) => self.take_inputs(),
                        }
                    })
                })
                .collect();
            for worker in workers {
                // A worker catches the panics of its inputs.
                let _ = worker.join();
            }
            done.store(true, Ordering::SeqCst);
            keeper.thread().unpark();
        });
        if let Some(sequence) = &self.sequence {
            sequence.finish(|finished| {
                self.finished(&finished);
            });
        }
    }

    fn take_inputs(&self) {
        let control = self.bench.control;
        loop {
            let at = self.next.fetch_add(1, Ordering::SeqCst);
            let Some((index, devices)) = self.todo.get(at) else {
                return;
            };
            let in_time = self
                .sequence
                .as_ref()
                .is_none_or(|sequence| sequence.wait(at, || control.told() == Told::GoOn));
            if !in_time || control.told() != Told::GoOn {
                return;
            }
            let mut failed = false;
            let mut later = Vec::new();
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                self.bench.work(*index, devices, &mut |finished| {
                    failed |= finished.line.error.is_some();
                    match &self.sequence {
                        Some(_) => later.push(finished),
                        None => self.finished(&finished),
                    }
                });
            }));
            if let Some(sequence) = &self.sequence {
                let place = |finished: &Finished| {
                    devices.iter().position(|device| *device == finished.device)
                };
                later.sort_by_key(place);
                sequence.put(at, later, |finished| self.finished(&finished));
            }
            if failed || outcome.is_err() {
                self.count_failure();
            }
        }
    }

    /// Writes a result into the journal and tells of it.
    fn finished(&self, finished: &Finished) {
        let Some(device) = self.run.job.devices.get(finished.device) else {
            return;
        };
        let mut state = self.lock();
        if let Err(error) = self.run.journal.append(&finished.line) {
            // Without a journal nothing more is begun: it could not be gone on with.
            state.journal.get_or_insert(error);
            self.bench.control.finish();
        }
        state.tally.seconds = self.begun.elapsed().as_secs_f64();
        state.tally.add(&finished.line);
        (self.tell)(Event::Finished {
            line: &finished.line,
            plan: finished.plan.as_ref(),
            device,
            tally: &state.tally,
        });
    }

    fn count_failure(&self) {
        let control = self.bench.control;
        let mut state = self.lock();
        state.failed = state.failed.saturating_add(1);
        match self.run.job.halt {
            Halt::Soon(most) if state.failed >= most => {
                state.halted = true;
                control.finish();
            }
            Halt::Now(most) if state.failed >= most => {
                state.halted = true;
                control.stop();
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
