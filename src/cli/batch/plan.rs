//! From a command line and a job file to a job.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::file::{DeviceTable, JobFile};
use super::{BatchArgs, Targets};
use crate::batch::input::{Inputs, Search};
use crate::batch::manifest::{self, Entry};
use crate::batch::object::{self, Objects};
use crate::batch::template::Field;
use crate::batch::watch::Watch;
use crate::batch::{Device, Halt, Job, Template};
use crate::cli::target::{self, TargetArgs};
use crate::cli::{CliError, Exit, io};
use crate::limits::Limits;

/// Time for one input where nobody says how much.
const DEADLINE: Duration = Duration::from_secs(300);

/// Octets of a list of inputs that are read.
const LONGEST_LIST: usize = 1 << 30;

/// The report's name where nobody gives it one.
const REPORT: &str = "remold-report.jsonl";

/// A job, and how it is run.
pub(super) struct Planned {
    pub(super) job: Job,
    pub(super) report: PathBuf,
    /// Whether the report is written at all.
    pub(super) keeps_journal: bool,
    pub(super) resume: bool,
    pub(super) retry_failed: bool,
    pub(super) watch: Option<Watch>,
    operands: Vec<PathBuf>,
    listed: Vec<Entry>,
    search: Search,
}

impl Planned {
    /// Reads all that decides a job.
    pub(super) fn new(args: &BatchArgs) -> Result<Self, CliError> {
        let file = match &args.file {
            Some(path) => JobFile::read(path)?,
            None => JobFile::default(),
        };
        let limits = Limits::default();
        let (mut devices, everyone) = every_device(&args.targets, &file, &limits)?;
        let mut operands = args.inputs.clone();
        if operands.is_empty() && args.manifest.is_none() {
            operands.clone_from(&file.inputs);
        }
        let manifest = args.manifest.as_ref().or(file.manifest.as_ref());
        let mut listed = listed(&mut operands, manifest.map(PathBuf::as_path))?;
        let entries = listed.iter_mut().map(|entry| &mut entry.path);
        for path in operands.iter_mut().chain(entries) {
            *path = object::local(std::mem::take(path));
        }
        for id in listed.iter().flat_map(|entry| &entry.devices) {
            if devices.iter().all(|device| device.name != *id) {
                devices.push(by_id(id, &args.targets, &limits)?);
            }
        }
        let watching = args.watch.watch;
        let out = args.out.as_ref().or(file.out.as_ref());
        let out = match out {
            Some(out) => out.clone(),
            None if args.dry_run => PathBuf::from("."),
            None => return usage("--out says which folder the results go to"),
        };
        let names = args.output_name.clone().or(file.output_name.clone());
        let names = match names {
            Some(names) => names,
            None if watching => "{dir}/{name}.{device}.{ext}".parse().unwrap_or_default(),
            None => Template::default(),
        };
        if devices.len() > 1 && !names.has(Field::Device) {
            return usage("with several devices the names of results have a {device}");
        }
        if watching
            && operands
                .iter()
                .any(|operand| object::url(operand).is_some())
        {
            return usage("--watch looks at folders, and not at buckets");
        }
        let report = args.journal.report.clone().or(file.report.clone());
        let asked = report.is_some();
        let report = report.unwrap_or_else(|| out.join(REPORT));
        let retry_failed = args.journal.retry_failed;
        let resume = args.journal.resume || retry_failed || watching;
        if resume && io::is_dash(&report) {
            return usage("a report on stdout cannot be gone on from");
        }
        if args.dry_run && resume {
            return usage("--dry-run leaves nothing to go on from");
        }
        let mut policy = args.policy.policy();
        file.policy.lay_under(&mut policy);
        let watch = watching.then(|| Watch {
            settle: args
                .watch
                .settle
                .or(file.watch.settle)
                .unwrap_or(Duration::from_secs(2)),
            poll: args
                .watch
                .poll
                .or(file.watch.poll)
                .unwrap_or(Duration::from_secs(1)),
            done: args.watch.done_dir.clone().or(file.watch.done_dir.clone()),
            failed: args
                .watch
                .failed_dir
                .clone()
                .or(file.watch.failed_dir.clone()),
        });
        let mut without = vec![out.clone(), report.clone()];
        without.extend(
            watch
                .iter()
                .flat_map(|w| [w.done.clone(), w.failed.clone()])
                .flatten(),
        );
        if !args.dry_run {
            outputs_are_no_inputs(&operands, &without)?;
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            job: Job {
                out,
                devices,
                everyone,
                names,
                policy,
                registry: args.codecs.registry()?,
                objects: objects(),
                limits,
                jobs: args.bounds.jobs.or(file.jobs).unwrap_or(processors),
                memory: args.bounds.memory.or(file.memory),
                deadline: args.bounds.deadline.or(file.deadline).unwrap_or(DEADLINE),
                halt: args.bounds.halt.or(file.halt).unwrap_or(Halt::Never),
                force: args.force,
                durable: args.journal.durable || file.durable,
                ordered: args.journal.ordered || file.ordered,
                dry_run: args.dry_run,
                explain: args.explain,
            },
            report,
            keeps_journal: asked || !args.dry_run,
            resume,
            retry_failed,
            watch,
            operands,
            listed,
            search: Search {
                hidden: args.hidden || file.hidden,
                without,
            },
        })
    }

    /// The inputs that are there now.
    pub(super) fn inputs(&self) -> Result<Inputs, CliError> {
        let mut inputs = Inputs::default();
        inputs.add_operands(&self.operands, &self.search, self.job.objects.as_ref());
        inputs.add_entries(self.listed.clone());
        Ok(inputs)
    }
}

/// Where objects are read from.
fn objects() -> Arc<dyn Objects> {
    #[cfg(feature = "s3")]
    return Arc::new(super::objects::Buckets::default());
    #[cfg(not(feature = "s3"))]
    Arc::new(crate::batch::object::NoObjects(
        "this program was built without the feature s3",
    ))
}

fn usage<T>(message: &str) -> Result<T, CliError> {
    Err(CliError::new(Exit::Usage, message))
}

/// All devices, and how many of them are for every input: those of a list alone are not.
fn every_device(
    targets: &Targets,
    file: &JobFile,
    limits: &Limits,
) -> Result<(Vec<Device>, usize), CliError> {
    let mut devices = Vec::new();
    for id in &targets.device {
        devices.push(by_id(id, targets, limits)?);
    }
    for path in &targets.uaprof {
        let args = TargetArgs {
            uaprof: Some(path.clone()),
            ..over(targets, None)
        };
        devices.push(device(target::stem(path), &args, limits)?);
    }
    for path in &targets.caps {
        let args = TargetArgs {
            caps: Some(path.clone()),
            ..over(targets, None)
        };
        devices.push(device(target::stem(path), &args, limits)?);
    }
    if devices.is_empty() {
        for id in &file.device {
            devices.push(by_id(id, targets, limits)?);
        }
        for table in &file.devices {
            devices.push(of_table(table, targets, limits)?);
        }
    }
    if devices.is_empty() {
        devices.push(by_id("safe", targets, limits)?);
    }
    let mut names = BTreeSet::new();
    for device in &devices {
        if !names.insert(device.name.as_str()) {
            return usage(&format!("the device {} is there twice", device.name));
        }
    }
    let everyone = devices.len();
    Ok((devices, everyone))
}

/// What the command line lays over every device.
fn over(targets: &Targets, operator: Option<&str>) -> TargetArgs {
    TargetArgs {
        operator: operator.map(str::to_owned).or(targets.operator.clone()),
        max_size: targets.max_size,
        max_image: targets.max_image,
        accept: targets.accept.clone(),
        ..TargetArgs::default()
    }
}

/// A device by `ID` or `ID@OPERATOR`.
fn by_id(name: &str, targets: &Targets, limits: &Limits) -> Result<Device, CliError> {
    let (id, operator) = match name.split_once('@') {
        Some((id, operator)) => (id, Some(operator)),
        None => (name, None),
    };
    let args = TargetArgs {
        device: Some(id.to_owned()),
        ..over(targets, operator)
    };
    device(name.to_owned(), &args, limits)
}

fn of_table(table: &DeviceTable, targets: &Targets, limits: &Limits) -> Result<Device, CliError> {
    let common = over(targets, table.operator.as_deref());
    let args = TargetArgs {
        device: table.id.clone(),
        uaprof: table.uaprof.clone(),
        caps: table.caps.clone(),
        max_size: common.max_size.or(table.max_size),
        max_image: common.max_image.or(table.max_image),
        accept: common.accept.clone().or(table.accept.clone()),
        ..common
    };
    device(table.name.clone(), &args, limits)
}

fn device(name: String, args: &TargetArgs, limits: &Limits) -> Result<Device, CliError> {
    let caps = args.resolve(limits)?.capabilities;
    Ok(Device { name, caps })
}

/// What lists name; `-` among the operands is one on stdin.
fn listed(operands: &mut Vec<PathBuf>, manifest: Option<&Path>) -> Result<Vec<Entry>, CliError> {
    let mut listed = Vec::new();
    if let Some(path) = manifest {
        let octets = io::read_input(path, LONGEST_LIST)?;
        let text = std::str::from_utf8(&octets).map_err(|error| {
            CliError::new(Exit::Undecodable, "not UTF-8")
                .in_file(io::shown(path))
                .at(error.valid_up_to())
        })?;
        let entries = manifest::read(text).map_err(|error| {
            CliError::new(Exit::Undecodable, error.what).in_file(format!(
                "{}:{}",
                path.display(),
                error.line
            ))
        })?;
        listed.extend(entries);
    }
    let before = operands.len();
    operands.retain(|operand| !io::is_dash(operand));
    if operands.len() < before {
        let mut octets = Vec::new();
        let cap = u64::try_from(LONGEST_LIST).unwrap_or(u64::MAX);
        std::io::stdin()
            .lock()
            .take(cap)
            .read_to_end(&mut octets)
            .map_err(|error| {
                CliError::new(Exit::Internal, format!("cannot be read: {error}")).in_file("stdin")
            })?;
        listed.extend(manifest::names(&octets));
    }
    for entry in &listed {
        if let Some(Err(error)) = entry.output.as_ref().map(|text| text.parse::<Template>()) {
            let message = format!("the output of {}: {error}", entry.path.display());
            return usage(&message);
        }
    }
    Ok(listed)
}

/// Refuses to read what is being written.
fn outputs_are_no_inputs(operands: &[PathBuf], written: &[PathBuf]) -> Result<(), CliError> {
    for operand in operands {
        let Ok(operand) = std::fs::canonicalize(operand) else {
            continue;
        };
        let same = |out: &&PathBuf| std::fs::canonicalize(out).is_ok_and(|out| operand == out);
        if let Some(out) = written.iter().find(same) {
            let message = "is written to; it cannot be an input as well";
            return Err(CliError::new(Exit::Usage, message).in_file(io::shown(out)));
        }
    }
    Ok(())
}

/// Lowers the priority of this process, before it has any thread but one.
pub(super) fn be_nice(nice: u8) -> Result<(), CliError> {
    let done = std::process::Command::new("renice")
        .args([
            "-n",
            &nice.to_string(),
            "-p",
            &std::process::id().to_string(),
        ])
        .stdout(std::process::Stdio::null())
        .status();
    if done.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    let message = "--nice needs the program renice; start remold under nice instead";
    Err(CliError::new(Exit::Internal, message))
}

/// Reads a number of octets: `1000`, `64K`, `512M`, `2G`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is written 1000, 64K, 512M or 2G".to_owned();
    let text = text.trim_end_matches(['B', 'b']);
    let text = text.strip_suffix('i').unwrap_or(text);
    let (number, shift) = match text.chars().last() {
        Some('K' | 'k') => (text.get(..text.len().saturating_sub(1)), 10),
        Some('M' | 'm') => (text.get(..text.len().saturating_sub(1)), 20),
        Some('G' | 'g') => (text.get(..text.len().saturating_sub(1)), 30),
        _ => (Some(text), 0),
    };
    let number: u64 = number.and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    number
        .checked_mul(1 << shift)
        .filter(|size| *size > 0)
        .ok_or_else(wrong)
}

/// Reads a time: `500ms`, `30s`, `5m`, `1h`, or seconds.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(at).unwrap_or((text, ""));
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => f64::NAN,
    };
    let seconds = number.parse::<f64>().unwrap_or(f64::NAN) * factor;
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| "a time is written 500ms, 30s, 5m or 1h".to_owned())
}

/// Reads how many inputs are worked on at the same time.
pub(super) fn parse_jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse().ok().filter(|jobs| (1..=1024).contains(jobs));
    jobs.ok_or_else(|| "a number from 1 to 1024".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(parse_size("1000"), Ok(1000));
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_time("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_time("7"), Ok(Duration::from_secs(7)));
        for wrong in ["", "M", "-1", "1T", "0"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "s", "-1s", "5 days"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
        assert!(parse_jobs("0").is_err());
    }

    #[test]
    fn what_is_written_to_is_no_input_and_a_folder_around_it_may_be() {
        let dir = std::env::temp_dir().join(format!("remold-plan-{}", std::process::id()));
        let out = dir.join("out");
        std::fs::create_dir_all(&out).unwrap();
        let written = [out.clone(), dir.join("report")];
        let error = outputs_are_no_inputs(&[dir.join("out/../out")], &written).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(outputs_are_no_inputs(&[dir.clone(), dir.join("gone")], &written).is_ok());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn devices_are_named_as_they_were_asked_for() {
        let targets = Targets {
            device: vec!["nokia-6100".to_owned(), "nokia-6100@telstra".to_owned()],
            max_size: Some(30_000),
            ..Targets::default()
        };
        let file = JobFile::default();
        let (devices, everyone) = every_device(&targets, &file, &Limits::default()).unwrap();
        assert_eq!(everyone, 2);
        assert_eq!(devices[1].name, "nokia-6100@telstra");
        let size = devices[0].caps.max_message_size.as_ref().unwrap();
        assert_eq!(size.value, 30_000);
        let none = every_device(&Targets::default(), &file, &Limits::default());
        assert_eq!(none.unwrap().0[0].name, "safe");
        let twice = Targets {
            device: vec!["safe".to_owned(), "safe".to_owned()],
            ..Targets::default()
        };
        assert!(every_device(&twice, &file, &Limits::default()).is_err());
    }
}
