//! `remold batch submit`, `status`, `cancel` and `report`: jobs that workers share.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use serde_json::json;

use super::BatchArgs;
use super::plan::Planned;
use crate::batch::share;
use crate::cli::{CliError, Exit, config, io};
use crate::server::store_settings;
use crate::store::{JobRow, Jobs, Millis, NewJob, StoreError};

/// What is done with a job that workers share.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Shared {
    /// Hand a job to the workers of a database: after --, what remold batch is told
    Submit(SubmitArgs),
    /// Tell how the jobs of a database are doing
    Status(StatusArgs),
    /// Hand out no more of a job
    Cancel(JobArgs),
    /// Print the lines of the report of a job, as far as it is done
    Report(JobArgs),
}

/// Hand a job to the workers of a database
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold batch submit --config /etc/remold.toml -- /srv/in --out /srv/out --device nokia-6100,safe
  remold worker --config /etc/remold.toml          # on as many machines as there are
  remold batch status --config /etc/remold.toml

Every worker must reach the inputs and the folder of the results under the same names. --watch,
--dry-run, --report, --resume and --halt are not for jobs that are shared.")]
pub(super) struct SubmitArgs {
    /// The configuration, which names the database
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Inputs that a worker gets at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    share: u64,
    /// What remold batch is told
    #[arg(last = true, required = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

/// Which jobs to tell of.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// The configuration, which names the database
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Print a line of JSON for each job
    #[arg(long)]
    json: bool,
    /// The job; all of them where it is not given
    #[arg(value_name = "JOB")]
    job: Option<String>,
}

/// Which job.
#[derive(Debug, clap::Args)]
pub(super) struct JobArgs {
    /// The configuration, which names the database
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The job, as submit told its id
    #[arg(value_name = "JOB")]
    job: String,
}

/// The arguments of a job by themselves.
#[derive(Debug, Parser)]
#[command(name = "remold batch", no_binary_name = true)]
struct Alone {
    #[command(flatten)]
    args: BatchArgs,
}

/// Runs one of them.
pub(super) fn run(shared: &Shared) -> Result<Exit, CliError> {
    match shared {
        Shared::Submit(args) => submit(args),
        Shared::Status(args) => status(args),
        Shared::Cancel(args) => {
            if !open(&args.config)?.cancel(&args.job).map_err(failed)? {
                return Err(unknown(&args.job));
            }
            Ok(Exit::Done)
        }
        Shared::Report(args) => report(args),
    }
}

/// What arguments plan.
pub(super) fn planned(arguments: &[String]) -> Result<Planned, CliError> {
    let usage = |message: String| CliError::new(Exit::Usage, message);
    let alone = Alone::try_parse_from(arguments).map_err(|error| {
        let text = error.to_string();
        usage(text.lines().next().unwrap_or_default().to_owned())
    })?;
    let args = alone.args;
    let odd = [
        (args.shared.is_some(), "a job"),
        (args.watch.watch, "--watch"),
        (args.dry_run, "--dry-run"),
        (args.journal.report.is_some(), "--report"),
        (args.journal.resume || args.journal.retry_failed, "--resume"),
        (args.bounds.halt.is_some(), "--halt"),
    ];
    if let Some((_, what)) = odd.iter().find(|(there, _)| *there) {
        return Err(usage(format!("{what} is not for jobs that are shared")));
    }
    Planned::new(&args)
}

/// The jobs of the database that a configuration names.
pub(super) fn open(path: &Path) -> Result<Jobs, CliError> {
    let config = config::read(Some(path))?;
    if config.store.database.is_none() {
        let missing = "the configuration names no store.database";
        return Err(CliError::new(Exit::Config, missing));
    }
    let settings = store_settings(&config).map_err(failed)?;
    Jobs::open(&settings).map_err(failed)
}

#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn failed(error: StoreError) -> CliError {
    CliError::new(Exit::Internal, error.to_string())
}

/// The time of this machine.
pub(super) fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

fn unknown(job: &str) -> CliError {
    CliError::new(Exit::Usage, format!("there is no job {job}"))
}

fn submit(args: &SubmitArgs) -> Result<Exit, CliError> {
    let internal = |error: String| CliError::new(Exit::Internal, error);
    let planned = planned(&args.arguments)?;
    let inputs = planned.inputs()?;
    for note in &inputs.notes {
        io::complain(note);
    }
    if inputs.found.is_empty() {
        return Err(CliError::new(Exit::Nothing, "there are no inputs"));
    }
    let mut octets = [0; 8];
    getrandom::fill(&mut octets).map_err(|error| internal(error.to_string()))?;
    let id = format!("{:016x}", u64::from_be_bytes(octets));
    let folder = std::env::current_dir().map_err(|error| internal(error.to_string()))?;
    let folder = folder
        .to_str()
        .ok_or_else(|| internal("the name of this folder is not UTF-8".to_owned()))?;
    let arguments =
        serde_json::to_string(&args.arguments).map_err(|error| internal(error.to_string()))?;
    let lines = share::to_lines(&inputs.found).map_err(|error| internal(error.to_string()))?;
    let job = NewJob {
        id: id.clone(),
        arguments,
        folder: folder.to_owned(),
        inputs: lines,
        count: u64::try_from(inputs.found.len()).unwrap_or(u64::MAX),
        share: args.share,
        submitted_at: now(),
    };
    open(&args.config)?.submit(job).map_err(failed)?;
    io::print(format!("{id}\n"))?;
    Ok(Exit::Done)
}

fn status(args: &StatusArgs) -> Result<Exit, CliError> {
    let jobs = open(&args.config)?;
    let rows = jobs.status(args.job.as_deref(), now()).map_err(failed)?;
    if let (Some(job), true) = (&args.job, rows.is_empty()) {
        return Err(unknown(job));
    }
    for row in &rows {
        let names = set_aside(&jobs, row)?;
        if args.json {
            let line = json!({
                "job": row.id,
                "state": state(row),
                "inputs": row.inputs,
                "done": row.done,
                "leased": row.leased,
                "results": row.results,
                "failures": row.failures,
                "setAside": names,
            });
            io::print(format!("{line}\n"))?;
            continue;
        }
        io::print(format!(
            "{} {}: {} of {} inputs done, {} being worked on, {} results, {} failed\n",
            row.id,
            state(row),
            row.done,
            row.inputs,
            row.leased,
            row.results,
            row.failures
        ))?;
        for name in names {
            io::print(format!(
                "  set aside, it took three workers with it: {name}\n"
            ))?;
        }
    }
    Ok(Exit::Done)
}

fn state(row: &JobRow) -> &'static str {
    let set_aside = u64::try_from(row.set_aside.len()).unwrap_or(u64::MAX);
    if row.cancelled {
        "cancelled"
    } else if row.done.saturating_add(set_aside) >= row.inputs {
        "done"
    } else {
        "open"
    }
}

/// Names of the inputs that were set aside.
fn set_aside(jobs: &Jobs, row: &JobRow) -> Result<Vec<String>, CliError> {
    if row.set_aside.is_empty() {
        return Ok(Vec::new());
    }
    let lines = jobs.inputs(&row.id).map_err(failed)?.unwrap_or_default();
    let inputs = share::from_lines(&lines)
        .map_err(|error| CliError::new(Exit::Internal, error.to_string()))?;
    let name = |at: &u64| {
        let input = inputs.get(usize::try_from(*at).ok()?)?;
        Some(input.path.display().to_string())
    };
    Ok(row.set_aside.iter().filter_map(name).collect())
}

fn report(args: &JobArgs) -> Result<Exit, CliError> {
    let jobs = open(&args.config)?;
    let known = jobs.status(Some(&args.job), now()).map_err(failed)?;
    if known.is_empty() {
        return Err(unknown(&args.job));
    }
    let mut stdout = std::io::stdout().lock();
    let mut written = Ok(());
    jobs.report(&args.job, &mut |lines| {
        if written.is_ok() {
            written = stdout.write_all(lines);
        }
    })
    .map_err(failed)?;
    written.map_err(|error| CliError::new(Exit::Internal, format!("stdout: {error}")))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_makes_no_sense_for_many_is_refused() {
        for odd in [
            "in --out out --watch",
            "in --out out --dry-run",
            "in --out out --resume",
            "in --out out --report a.jsonl",
            "in --out out --halt never",
            "in --out out --nothing-of-ours",
            "in",
        ] {
            let refused = planned(&words(odd)).map(|_| ()).unwrap_err();
            assert_eq!(refused.exit, Exit::Usage, "{odd}");
        }
        let planned = planned(&words("in --out out --device safe --jobs 3")).unwrap();
        assert_eq!(planned.job.jobs, 3);
    }

    #[test]
    fn a_job_is_done_when_what_is_left_was_set_aside() {
        let mut row = JobRow {
            id: "j".to_owned(),
            folder: "/".to_owned(),
            arguments: "[]".to_owned(),
            inputs: 3,
            submitted_at: 0,
            cancelled: false,
            done: 2,
            leased: 0,
            results: 2,
            failures: 0,
            set_aside: Vec::new(),
        };
        assert_eq!(state(&row), "open");
        row.set_aside = vec![1];
        assert_eq!(state(&row), "done");
        row.cancelled = true;
        assert_eq!(state(&row), "cancelled");
    }
}
