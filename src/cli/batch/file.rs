//! A job in TOML: what does not fit a command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::plan::{parse_jobs, parse_size, parse_time};
use crate::adapt::Policy;
use crate::batch::{Halt, Template};
use crate::cli::target::parse_box;
use crate::cli::{CliError, Exit, io};
use crate::dimensions::Dimensions;

/// Octets of a job file that are read.
const LONGEST: usize = 16 << 20;

/// A job file. Keys are called as the options are; an unknown key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct JobFile {
    pub(super) inputs: Vec<PathBuf>,
    pub(super) manifest: Option<PathBuf>,
    pub(super) out: Option<PathBuf>,
    #[serde(deserialize_with = "parsed")]
    pub(super) output_name: Option<Template>,
    pub(super) report: Option<PathBuf>,
    pub(super) device: Vec<String>,
    pub(super) devices: Vec<DeviceTable>,
    #[serde(deserialize_with = "jobs")]
    pub(super) jobs: Option<usize>,
    #[serde(deserialize_with = "size")]
    pub(super) memory: Option<u64>,
    #[serde(deserialize_with = "time")]
    pub(super) deadline: Option<Duration>,
    #[serde(deserialize_with = "parsed")]
    pub(super) halt: Option<Halt>,
    pub(super) ordered: bool,
    pub(super) durable: bool,
    pub(super) hidden: bool,
    pub(super) policy: PolicyTable,
    pub(super) watch: WatchTable,
}

/// A device with all that the options of `remold adapt` can say about one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DeviceTable {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) uaprof: Option<PathBuf>,
    pub(super) caps: Option<PathBuf>,
    pub(super) operator: Option<String>,
    pub(super) max_size: Option<u64>,
    #[serde(default, deserialize_with = "boxed")]
    pub(super) max_image: Option<Dimensions>,
    pub(super) accept: Option<Vec<String>>,
}

/// What an operator decides.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct PolicyTable {
    language: Option<String>,
    notices: Option<bool>,
    shorten: Option<bool>,
    ignore_suppression: Option<bool>,
}

/// How a folder is watched.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct WatchTable {
    #[serde(deserialize_with = "time")]
    pub(super) settle: Option<Duration>,
    #[serde(deserialize_with = "time")]
    pub(super) poll: Option<Duration>,
    pub(super) done_dir: Option<PathBuf>,
    pub(super) failed_dir: Option<PathBuf>,
}

impl JobFile {
    /// Reads a job file.
    ///
    /// # Errors
    /// [`Exit::Config`] with the line and the column of what is wrong.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let octets = io::read_input(path, LONGEST)?;
        let text = String::from_utf8_lossy(&octets);
        toml::from_str(&text).map_err(|error| {
            let file = match error.span() {
                Some(span) => {
                    let (line, column) = place(&text, span.start);
                    format!("{}:{line}:{column}", path.display())
                }
                None => path.display().to_string(),
            };
            CliError::new(Exit::Config, error.message().trim_end().to_owned()).in_file(file)
        })
    }
}

impl PolicyTable {
    /// Sets what the command line left as it is.
    pub(super) fn lay_under(&self, policy: &mut Policy) {
        let usual = Policy::default();
        if let (Some(language), true) = (&self.language, policy.language == usual.language) {
            policy.language.clone_from(language);
        }
        let set = |field: &mut bool, usual: bool, value: Option<bool>| {
            if let (Some(value), true) = (value, *field == usual) {
                *field = value;
            }
        };
        set(&mut policy.notices, usual.notices, self.notices);
        set(&mut policy.shorten, usual.shorten, self.shorten);
        let ignore = &mut policy.ignore_device_suppression;
        set(
            ignore,
            usual.ignore_device_suppression,
            self.ignore_suppression,
        );
    }
}

/// Line and column of an octet, from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let last = before.rsplit('\n').next().unwrap_or("");
    (line, last.chars().count().saturating_add(1))
}

/// A number, or a text with a unit.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Number(u64),
    Text(String),
}

fn read<'de, D: Deserializer<'de>, T>(
    from: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    let text = match Value::deserialize(from)? {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text,
    };
    parse(&text).map(Some).map_err(D::Error::custom)
}

fn parsed<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err = String>,
{
    read(from, str::parse)
}

fn jobs<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    read(from, parse_jobs)
}

fn size<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    read(from, parse_size)
}

fn time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    read(from, parse_time)
}

fn boxed<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Dimensions>, D::Error> {
    read(from, parse_box)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<JobFile, CliError> {
        let name = format!("remold-job-{}-{}.toml", std::process::id(), text.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        let read = JobFile::read(&path);
        std::fs::remove_file(path).unwrap();
        read
    }

    #[test]
    fn a_job_says_what_the_options_say() {
        let job = read(
            "inputs = ['in', 'more/*.jpg']\nout = 'out'\noutput-name = '{n}.{device}.{ext}'\n\
             jobs = 3\nmemory = '512M'\ndeadline = '30s'\nhalt = 'soon,fail=3'\nordered = true\n\
             device = ['safe']\n[[devices]]\nname = 'tiny'\nid = 'nokia-6100'\nmax-size = 9000\n\
             max-image = '80x60'\n[policy]\nlanguage = 'de'\nnotices = false\n[watch]\nsettle = 5\n",
        )
        .unwrap();
        assert_eq!((job.jobs, job.memory), (Some(3), Some(512 << 20)));
        assert_eq!(job.halt, Some(Halt::Soon(3)));
        assert_eq!(job.devices[0].max_image, Some(Dimensions::new(80, 60)));
        assert_eq!(job.watch.settle, Some(Duration::from_secs(5)));
        let mut policy = Policy::default();
        job.policy.lay_under(&mut policy);
        assert!(policy.language == "de" && !policy.notices && policy.shorten);
    }

    #[test]
    fn a_mistake_has_a_line_and_a_column() {
        for (text, place) in [
            ("out = 'x'\nouput = 'y'\n", ":2:1"),
            ("jobs = 1\nmemory = 'lots'\n", ":2:10"),
            ("[[devices]]\nname = 'a'\nsize = 1\n", ":3:1"),
            ("halt = 'later'\n", ":1:8"),
            ("out = \n", ":1:7"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.exit, Exit::Config);
            assert!(
                error.file.as_ref().unwrap().ends_with(place),
                "{text}: {error}"
            );
        }
    }
}
