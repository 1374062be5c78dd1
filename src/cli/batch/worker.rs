//! `remold worker`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::plan::{self, Planned};
use super::shared::{self, failed, now};
use super::signals::{Heard, Signals};
use crate::batch::{Control, Input, Journal, JournalError, Run, Told, share};
use crate::cli::{CliError, Exit, io};
use crate::store::{Jobs, Millis, Share, StoreError};

/// For how long a worker has a share, if it does not say that it still lives.
const LEASE: Duration = Duration::from_secs(60);
/// How often it looks for work where there is none, and after the database failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Milliseconds before a share that could not be done is handed out again.
const LATER: Millis = 5_000;
/// How long a signal waits at most.
const NAP: Duration = Duration::from_millis(100);

/// Work off the batch jobs of a database, with any number of others
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold worker --config /etc/remold.toml
  remold worker --config /etc/remold.toml --jobs 8 --memory 4G --once

SIGINT or SIGTERM ends what is under way and begins nothing more; a second one stops it, and what
was not done is handed out to others. A worker that dies costs its share the time of a lease, and
nothing is done twice that was written whole.")]
pub(crate) struct WorkerArgs {
    /// The configuration, which names the database
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Inputs that are worked on at the same time [default: as the job says, or as many as there are
    /// processors]
    #[arg(short, long, value_name = "N", value_parser = plan::parse_jobs)]
    jobs: Option<usize>,
    /// Memory of the whole process, such as 512M or 2G
    #[arg(long, value_name = "BYTES", value_parser = plan::parse_size)]
    memory: Option<u64>,
    /// How long others leave a share to a worker that says nothing any more [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = plan::parse_time)]
    lease: Option<Duration>,
    /// End where no job is left to do
    #[arg(long)]
    once: bool,
}

/// How a worker is told to stop.
#[derive(Default)]
struct Ears {
    stopping: AtomicBool,
    control: Mutex<Arc<Control>>,
}

impl Ears {
    fn listen(&self, control: &Arc<Control>) {
        let mut current = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        *current = control.clone();
    }

    fn stops(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

impl Heard for Ears {
    fn interrupted(&self) {
        let again = self.stopping.swap(true, Ordering::SeqCst);
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        match again {
            true => control.stop(),
            false => control.finish(),
        }
    }

    fn terminated(&self) {
        self.interrupted();
    }

    fn tell_status(&self) {}
}

impl WorkerArgs {
    /// Milliseconds of a lease.
    fn lease(&self) -> Millis {
        let lease = self.lease.unwrap_or(LEASE);
        Millis::try_from(lease.as_millis()).unwrap_or(Millis::MAX)
    }
}

/// A job that this worker has shares of.
struct Prepared {
    id: String,
    planned: Planned,
    inputs: Vec<Input>,
}

/// Runs `remold worker`.
pub(crate) fn worker(args: &WorkerArgs) -> Result<Exit, CliError> {
    let signals = Signals::catch()?;
    let ears = Arc::<Ears>::default();
    signals.hand_to(&ears);
    let jobs = shared::open(&args.config)?;
    let name = name()?;
    let mut prepared: Option<Prepared> = None;
    while !ears.stops() {
        match jobs.lease(&name, now(), args.lease()) {
            Ok(Some(share)) => {
                if let Err(error) = one(args, &jobs, &share, &mut prepared, &ears) {
                    io::complain(&format!("job {}: {}", share.job, error.message));
                    // It counts as an attempt, so that what never works is set aside.
                    give_back(&jobs, &share, now().saturating_add(LATER), true);
                }
            }
            Ok(None) => {
                if args.once && !jobs.is_open().map_err(failed)? {
                    return Ok(Exit::Done);
                }
                nap(&ears);
            }
            Err(error) => {
                io::complain(&format!("the database fails, trying again: {error}"));
                nap(&ears);
            }
        }
    }
    Ok(Exit::Interrupted)
}

/// Works a share off.
fn one(
    args: &WorkerArgs,
    jobs: &Jobs,
    share: &Share,
    prepared: &mut Option<Prepared>,
    ears: &Ears,
) -> Result<(), CliError> {
    let job = match prepared.take().filter(|known| known.id == share.job) {
        Some(known) => known,
        None => prepare(args, jobs, &share.job)?,
    };
    let job = prepared.insert(job);
    let folder = job.planned.job.out.join(format!(".remold-{}", share.job));
    std::fs::create_dir_all(&folder).map_err(|error| in_folder(&folder, &error))?;
    let mut path = folder.join(format!("{}.jsonl", share.id));
    let opened = match Journal::resume(&path, job.planned.job.durable) {
        // Somebody sleeps over it: what he has done is found again by its octets.
        Err(JournalError::Busy) => {
            path = folder.join(format!("{}-{}.jsonl", share.id, share.fence));
            Journal::resume(&path, job.planned.job.durable)
        }
        opened => opened,
    };
    let (journal, past) = opened.map_err(|error| super::journal_error(&error, &path))?;
    let control = Arc::<Control>::default();
    ears.listen(&control);
    if ears.stops() {
        control.finish();
    }
    let run = Run {
        job: &job.planned.job,
        inputs: &job.inputs,
        journal: &journal,
        journal_path: &path,
        past: Some(&past),
        retry_failed: false,
        share: Some((share.first, share.beyond)),
    };
    let lost = AtomicBool::new(false);
    let over = AtomicBool::new(false);
    let ending = std::thread::scope(|scope| {
        scope.spawn(|| hold(args, jobs, share, &control, &over, &lost));
        let ending = run.go(&control, &|_| {});
        over.store(true, Ordering::SeqCst);
        ending
    });
    drop(journal);
    let ending = ending.map_err(|error| in_folder(&job.planned.job.out, &error))?;
    if lost.load(Ordering::SeqCst) {
        // Somebody else has it, or nobody shall.
        return Ok(());
    }
    if let Some(error) = ending.journal {
        return Err(in_folder(&path, &error));
    }
    if control.told() != Told::GoOn && ending.tally.left() > 0 {
        give_back(jobs, share, now(), false);
        return Ok(());
    }
    let lines = std::fs::read(&path).map_err(|error| in_folder(&path, &error))?;
    let (lines, failures) = latest(&lines);
    let results = u64::try_from(lines.len()).unwrap_or(u64::MAX);
    match jobs.settle(share, results, failures, lines.concat()) {
        Ok(()) | Err(StoreError::Stale) => {}
        Err(error) => return Err(failed(error)),
    }
    // What cannot be deleted now is only in the way of nobody.
    let _ = std::fs::remove_file(&path);
    let _ = std::fs::remove_dir(&folder);
    Ok(())
}

fn prepare(args: &WorkerArgs, jobs: &Jobs, id: &str) -> Result<Prepared, CliError> {
    let internal = |error: String| CliError::new(Exit::Internal, error);
    let row = jobs.status(Some(id), now()).map_err(failed)?;
    let row = row
        .into_iter()
        .next()
        .ok_or_else(|| internal("it is gone".to_owned()))?;
    let folder = Path::new(&row.folder);
    std::env::set_current_dir(folder).map_err(|error| in_folder(folder, &error))?;
    let arguments: Vec<String> =
        serde_json::from_str(&row.arguments).map_err(|error| internal(error.to_string()))?;
    let mut planned = shared::planned(&arguments)?;
    planned.job.jobs = args.jobs.unwrap_or(planned.job.jobs);
    planned.job.memory = args.memory.or(planned.job.memory);
    let lines = jobs.inputs(id).map_err(failed)?.unwrap_or_default();
    let inputs = share::from_lines(&lines).map_err(|error| internal(error.to_string()))?;
    Ok(Prepared {
        id: id.to_owned(),
        planned,
        inputs,
    })
}

/// Holds a share until it is over, and stops the work where somebody else has it.
fn hold(
    args: &WorkerArgs,
    jobs: &Jobs,
    share: &Share,
    control: &Control,
    over: &AtomicBool,
    lost: &AtomicBool,
) {
    let often = args.lease.unwrap_or(LEASE) / 4;
    let mut renewed = Instant::now();
    while !over.load(Ordering::SeqCst) {
        if renewed.elapsed() >= often {
            match jobs.renew(share, now().saturating_add(args.lease())) {
                Ok(()) => renewed = Instant::now(),
                Err(StoreError::Stale) => {
                    lost.store(true, Ordering::SeqCst);
                    control.stop();
                    return;
                }
                // Until the lease is over there is time to try again.
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
        std::thread::sleep(NAP);
    }
}

fn give_back(jobs: &Jobs, share: &Share, due_at: Millis, counts: bool) {
    // Where that fails, the lease runs out.
    let _ = jobs.give_back(share, due_at, counts);
}

/// The last line of each input and device, and how many of them failed.
fn latest(text: &[u8]) -> (Vec<Vec<u8>>, u64) {
    let mut lines: BTreeMap<String, (usize, Vec<u8>, bool)> = BTreeMap::new();
    for (place, line) in text.split_inclusive(|octet| *octet == b'\n').enumerate() {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else {
            continue;
        };
        let key: Vec<_> = ["input", "input_octets", "target"]
            .iter()
            .map(|name| value.get(name))
            .collect();
        let key = format!("{key:?}");
        let is_failed = value.get("error").is_some();
        let at = lines.get(&key).map_or(place, |(at, ..)| *at);
        lines.insert(key, (at, line.to_vec(), is_failed));
    }
    let mut lines: Vec<_> = lines.into_values().collect();
    lines.sort_by_key(|(place, ..)| *place);
    let failures = lines.iter().filter(|(.., failed)| *failed).count();
    let failures = u64::try_from(failures).unwrap_or(u64::MAX);
    (
        lines.into_iter().map(|(_, line, _)| line).collect(),
        failures,
    )
}

fn in_folder(path: &Path, error: &std::io::Error) -> CliError {
    CliError::new(Exit::Internal, format!("{}: {error}", path.display()))
}

/// What this worker is called in leases.
fn name() -> Result<String, CliError> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets)
        .map_err(|error| CliError::new(Exit::Internal, format!("no random numbers: {error}")))?;
    Ok(format!("worker-{:016x}", u64::from_be_bytes(octets)))
}

fn nap(ears: &Ears) {
    let until = Instant::now() + PAUSE;
    while !ears.stops() && Instant::now() < until {
        std::thread::sleep(NAP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_result_the_last_line_counts() {
        let text = "{\"input\":\"a\",\"target\":\"x\",\"error\":{}}\n\
                    {\"input\":\"b\",\"target\":\"x\",\"error\":{}}\n\
                    {\"input\":\"a\",\"target\":\"x\"}\nhalf";
        let (lines, failures) = latest(text.as_bytes());
        assert_eq!((lines.len(), failures), (2, 1));
        assert_eq!(lines[0], b"{\"input\":\"a\",\"target\":\"x\"}\n");
    }

    #[test]
    fn a_second_signal_stops_what_the_first_lets_end() {
        let ears = Ears::default();
        let control = Arc::<Control>::default();
        ears.listen(&control);
        ears.interrupted();
        assert_eq!((control.told(), ears.stops()), (Told::Finish, true));
        ears.terminated();
        assert_eq!(control.told(), Told::Stop);
    }

    #[test]
    fn two_workers_have_two_names() {
        assert_ne!(name().unwrap(), name().unwrap());
    }
}
