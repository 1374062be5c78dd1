//! `remold batch`.

mod file;
#[cfg(feature = "s3")]
mod objects;
mod plan;
#[cfg(feature = "postgres")]
mod shared;
mod signals;
mod sum;
mod view;
mod watch;
#[cfg(feature = "postgres")]
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codecs::CodecArgs;
use super::target::parse_box;
use super::{CliError, Exit, io};
use crate::batch::{Ending, Halt, Journal, JournalError, Run, Template};
use crate::dimensions::Dimensions;

use plan::Planned;
use signals::Signals;
use view::View;
#[cfg(feature = "postgres")]
pub(super) use worker::{WorkerArgs, worker};

/// Examples shown under the help of `batch`.
const EXAMPLES: &str = "Examples:
  remold batch photos/ --out small/ --device nokia-6100
  remold batch 'in/**/*.jpg' mail.eml --out out/ --device s40-gen1,flip-176x220,safe
  find in -name '*.mms' | remold batch - --out out/ --device nokia-6100@telstra
  remold batch s3://photos/2026 --out small/ --device nokia-6100   # built with --features s3
  remold batch --manifest list.csv --out out/ --device safe --report report.jsonl
  remold batch photos/ --out small/ --resume            # goes on where it ended
  remold batch photos/ --out small/ --retry-failed      # and tries again what failed
  remold batch photos/ --out small/ --device safe --dry-run --explain
  remold batch in/ --out out/ --memory 512M --jobs 4 --deadline 30s --halt soon,fail=10
  remold batch --watch in/ --out out/ --done-dir done/ --failed-dir failed/
  remold batch --job job.toml --resume
  remold report small/remold-report.jsonl -o report.html

Names of results: {dir} {stem} {name} {device} {ext} {n} stand for the folder of the input below
the one that was given, its name without and with its extension, the device, the extension of the
result, and the number of the input.

SIGINT (Ctrl-C) ends what is under way and begins nothing more; a second one stops it. SIGUSR1 tells
on stderr where the job is. Exit codes: 0 done, 3 some inputs failed, 4 nothing to do, 5 the job file
is invalid, 130 interrupted.";

/// Fit many messages and media to one or many devices
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct BatchArgs {
    /// Jobs that workers share
    #[cfg(feature = "postgres")]
    #[command(subcommand)]
    shared: Option<shared::Shared>,
    /// Files, folders with all that is below them, patterns such as 'in/**/*.jpg'; `-` reads a list
    /// of files from stdin, one a line or ended by zeros
    #[arg(value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// A list of inputs: JSON Lines with input, device and output, or CSV with these columns
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// A job in TOML; what the command line says counts more
    #[arg(long = "job", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Folder for the results
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Names of results below that folder [default: {dir}/{stem}.{device}.{ext}]
    #[arg(long, value_name = "TEMPLATE")]
    output_name: Option<Template>,
    /// Replace files that this job did not write
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    watch: WatchArgs,
    /// Inputs whose names begin with a full stop are inputs, too
    #[arg(long)]
    hidden: bool,
    /// Plan everything and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print for each result what happens to each part and why
    #[arg(long)]
    explain: bool,
    /// What is told while the job runs; json is a line for each event on stdout
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    progress: Progress,
    #[command(flatten)]
    policy: super::adapt::PolicyArgs,
    #[command(flatten)]
    codecs: CodecArgs,
}

/// Which devices to fit to.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Target")]
struct Targets {
    /// Classes or devices, each with a result of its own; ID@OPERATOR lays an operator's limits over
    /// one [default: safe]
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    device: Vec<String>,
    /// A UAProf document; may be repeated
    #[arg(long, value_name = "FILE")]
    uaprof: Vec<PathBuf>,
    /// Capabilities as `remold profile show --json` prints them; may be repeated
    #[arg(long, value_name = "FILE.json")]
    caps: Vec<PathBuf>,
    /// Lay an operator's limits over all devices that have none of their own
    #[arg(long, value_name = "ID|FILE.toml")]
    operator: Option<String>,
    /// Octets of a whole message, whatever the device says
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    max_size: Option<u64>,
    /// Box for pictures, whatever the device says
    #[arg(long, value_name = "WxH", value_parser = parse_box)]
    max_image: Option<Dimensions>,
    /// Media types the devices take, whatever they say themselves
    #[arg(long, value_name = "TYPE,…", value_delimiter = ',')]
    accept: Option<Vec<String>>,
}

/// The report, which is also what a job goes on from.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Report")]
struct JournalArgs {
    /// Write a line of JSON for each input and device as soon as its result is there; `-` is stdout
    /// [default: remold-report.jsonl in the folder of the results]
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Go on: what the report says was done, and is there whole, is not done again
    #[arg(long)]
    resume: bool,
    /// Go on, and do again what failed
    #[arg(long)]
    retry_failed: bool,
    /// Write the report in the order of the inputs
    #[arg(long)]
    ordered: bool,
    /// Sync each result and each line to the disk
    #[arg(long)]
    durable: bool,
}

/// Bounds of the job.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Bounds")]
struct Bounds {
    /// Inputs that are worked on at the same time [default: as many as there are processors]
    #[arg(short, long, value_name = "N", value_parser = plan::parse_jobs)]
    jobs: Option<usize>,
    /// Memory of the whole process, such as 512M or 2G; an input that may need more fails
    #[arg(long, value_name = "BYTES", value_parser = plan::parse_size)]
    memory: Option<u64>,
    /// Time for one input and all of its devices, such as 30s or 5m [default: 5m]
    #[arg(long, value_name = "TIME", value_parser = plan::parse_time)]
    deadline: Option<std::time::Duration>,
    /// When failures end the job: never, soon,fail=N or now,fail=N [default: never]
    #[arg(long, value_name = "WHEN")]
    halt: Option<Halt>,
    /// Niceness of the process, 0 to 19
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=19))]
    nice: Option<u8>,
}

/// Watching a folder.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Watching")]
struct WatchArgs {
    /// Go on for ever with what appears among the inputs; names are {dir}/{name}.{device}.{ext}
    #[arg(long)]
    watch: bool,
    /// How long a file has to stay as it is before it is taken [default: 2s]
    #[arg(long, value_name = "TIME", requires = "watch", value_parser = plan::parse_time)]
    settle: Option<std::time::Duration>,
    /// How often is looked [default: 1s]
    #[arg(long, value_name = "TIME", requires = "watch", value_parser = plan::parse_time)]
    poll: Option<std::time::Duration>,
    /// Folder that inputs are moved to that all went well with
    #[arg(long, value_name = "DIR", requires = "watch")]
    done_dir: Option<PathBuf>,
    /// Folder that the others are moved to
    #[arg(long, value_name = "DIR", requires = "watch")]
    failed_dir: Option<PathBuf>,
}

/// How progress is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Progress {
    /// A bar where stderr is a terminal
    #[default]
    Auto,
    /// A line of JSON for each event on stdout
    Json,
    /// Nothing but errors and the summary
    None,
}

/// Runs `remold batch`.
pub(super) fn batch(args: &BatchArgs) -> Result<Exit, CliError> {
    #[cfg(feature = "postgres")]
    if let Some(shared) = &args.shared {
        return shared::run(shared);
    }
    if let Some(nice) = args.bounds.nice {
        plan::be_nice(nice)?;
    }
    let planned = Planned::new(args)?;
    let signals = Signals::catch()?;
    let view = Arc::new(View::new(args, &planned));
    signals.hand_to(&view);
    if !planned.job.dry_run {
        let out = &planned.job.out;
        std::fs::create_dir_all(out).map_err(|error| {
            CliError::new(Exit::Internal, format!("cannot be made: {error}"))
                .in_file(io::shown(out))
        })?;
    }
    match &planned.watch {
        Some(watch) => watch::watch(&planned, watch, &view),
        None => once(&planned, &view),
    }
}

fn once(planned: &Planned, view: &View) -> Result<Exit, CliError> {
    let inputs = planned.inputs()?;
    for note in &inputs.notes {
        view.complain(note);
    }
    if inputs.found.is_empty() {
        return Err(CliError::new(Exit::Nothing, "there are no inputs"));
    }
    let (journal, past) = planned.open_journal(view)?;
    let run = Run {
        job: &planned.job,
        inputs: &inputs.found,
        journal: &journal,
        journal_path: &planned.report,
        past: past.as_ref(),
        retry_failed: planned.retry_failed,
        share: None,
    };
    let ending = carry_out(&run, view)?;
    let exit = exit(&ending, view);
    view.end(&ending.tally, exit)?;
    if exit == Exit::Nothing {
        view.complain("nothing is left to do");
    }
    Ok(exit)
}

fn carry_out(run: &Run<'_>, view: &View) -> Result<Ending, CliError> {
    let ending = run
        .go(&view.control, &|event| view.show(&event))
        .map_err(|error| not_writable(&error, &run.job.out))?;
    journal_written(ending, run.journal_path, view)
}

fn not_writable(error: &std::io::Error, out: &Path) -> CliError {
    let message = format!("cannot be written to: {error}");
    CliError::new(Exit::Internal, message).in_file(io::shown(out))
}

/// A job whose journal could not be written has not ended well, whatever it did.
fn journal_written(ending: Ending, path: &Path, view: &View) -> Result<Ending, CliError> {
    match ending.journal {
        Some(error) => {
            view.clear();
            let message = format!("cannot be written: {error}; --resume goes on");
            Err(CliError::new(Exit::Internal, message).in_file(io::shown(path)))
        }
        None => Ok(ending),
    }
}

fn exit(ending: &Ending, view: &View) -> Exit {
    let tally = &ending.tally;
    if ending.halted {
        Exit::Refused
    } else if view.is_interrupted() && tally.left() > 0 {
        Exit::Interrupted
    } else if tally.done == 0 {
        Exit::Nothing
    } else if tally.failures() > 0 {
        Exit::Refused
    } else {
        Exit::Done
    }
}

/// The error of a command whose journal cannot be used.
fn journal_error(error: &JournalError, path: &Path) -> CliError {
    let exit = match error {
        JournalError::Exists => Exit::Usage,
        JournalError::Foreign(_) => Exit::Undecodable,
        JournalError::Busy | JournalError::Io(_) => Exit::Internal,
    };
    CliError::new(exit, error.to_string()).in_file(io::shown(path))
}

impl Planned {
    /// The journal, and what is in it already.
    fn open_journal(
        &self,
        view: &View,
    ) -> Result<(Journal, Option<crate::batch::journal::Past>), CliError> {
        let durable = self.job.durable;
        if !self.keeps_journal {
            return Ok((Journal::none(), None));
        }
        let path = &self.report;
        let failed = |error: JournalError| journal_error(&error, path);
        if io::is_dash(path) {
            let journal = Journal::stdout().map_err(|error| failed(error.into()))?;
            return Ok((journal, None));
        }
        if !self.resume {
            let journal = Journal::begin(path, self.job.force || self.job.dry_run, durable);
            return Ok((journal.map_err(failed)?, None));
        }
        let (journal, past) = Journal::resume(path, durable).map_err(failed)?;
        if past.damaged > 0 {
            let at = path.display();
            view.complain(&format!(
                "{at}: {} lines cannot be read and do not count",
                past.damaged
            ));
        }
        Ok((journal, Some(past)))
    }
}
