//! `remold adapt` and `remold explain`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::codecs::CodecArgs;
use super::message::{self, Form, Loaded};
use super::target::TargetArgs;
use super::{CliError, Exit, explain, io, pdu};
use crate::adapt::report::Verdict;
use crate::adapt::{self, Adapted, Context, Engine, Policy, Report};
use crate::limits::Limits;
use crate::media::{Cancel, Registry};
use crate::profile::Capabilities;

/// Examples shown under the help of `adapt`.
const EXAMPLES: &str = "Examples:
  remold adapt message.mms -o fitted.mms --device nokia-6100
  remold adapt photo.jpg -o small.jpg --max-size 30000 --max-image 160x120
  remold adapt mail.eml -o fitted.eml --uaprof phone.xml --report report.json
  remold adapt message.mms -o parts/ --to parts --device flip-176x220
  remold adapt clip.mp4 -o clip.3gp --device s60-2nd
  remold adapt clip.mp4 -o still.jpg --device qwerty-no-video
  remold adapt - -o - --header 'User-Agent: Nokia6610/1.0' < in.mms > out.mms";

/// The kind of file to write.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum To {
    /// An MM1 PDU
    Pdu,
    /// A MIME message
    Mime,
    /// A folder with one file a part
    Parts,
}

/// Fit one message to one device
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct AdaptArgs {
    /// MM1 PDU with a body, MIME message (.eml) or plain media file; `-` is stdin
    input: PathBuf,
    /// Where the result goes, in the kind of the input; `-` is stdout
    #[arg(short, long)]
    output: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    /// Write a JSON report on what was done and why; `-` is stdout
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Kind of file to write, where it is not the kind of the input
    #[arg(long, value_enum)]
    to: Option<To>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    codecs: CodecArgs,
}

/// Show what `adapt` would do to each part and why; nothing is encoded or written
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold explain message.mms --device s40-gen1
  remold explain message.mms --device nokia-6100 --operator telstra --json")]
pub(super) struct ExplainArgs {
    /// MM1 PDU with a body, MIME message (.eml) or plain media file; `-` is stdin
    input: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    codecs: CodecArgs,
}

/// What an operator would configure.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    /// Language of notices where the device names none, such as en or de
    #[arg(
        long,
        value_name = "TAG",
        default_value = "en",
        help_heading = "Policy"
    )]
    language: String,
    /// Put no notice into the message where a part had to go
    #[arg(long, help_heading = "Policy")]
    no_notice: bool,
    /// Leave sounds and clips whole: where one does not fit whole, a still picture or a notice
    /// takes its place
    #[arg(long, help_heading = "Policy")]
    no_shorten: bool,
    /// Adapt although the device asks for messages as they were sent
    #[arg(long, help_heading = "Policy")]
    ignore_suppression: bool,
}

impl PolicyArgs {
    /// The policy that these options mean.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            ignore_device_suppression: self.ignore_suppression,
            language: self.language.clone(),
            notices: !self.no_notice,
            shorten: !self.no_shorten,
            ..Policy::default()
        }
    }
}

/// Runs `remold adapt`.
pub(super) fn adapt(args: &AdaptArgs) -> Result<Exit, CliError> {
    let started = Instant::now();
    let limits = Limits::default();
    let caps = args.target.resolve(&limits)?.capabilities;
    let registry = args.codecs.registry()?;
    let loaded = message::load(&args.input, &limits)?;
    let bar = super::progress::for_octets(loaded.octets.len());
    let Adapted {
        message: result,
        mut report,
    } = carry_out(&loaded, &caps, &args.policy, &registry, &limits)?;
    bar.finish_and_clear();
    about_input(&mut report, &loaded, &args.input);
    report.refuse_lost_medium(&loaded.form);
    let result = result.filter(|_| report.verdict != Verdict::Refused);
    if let Some(result) = result {
        write(args, &loaded, &result, &report)?;
        report.output = Some(args.output.display().to_string());
    }
    report.ms.total = started.elapsed().as_secs_f64() * 1000.0;
    if let Some(path) = &args.report {
        let mut line = json(&report)?;
        line.push('\n');
        io::write_output_atomic(path, line.as_bytes(), args.force)?;
    }
    explain::summary(&report);
    if report.verdict == Verdict::Refused {
        return Err(refusal(&report, &args.input));
    }
    Ok(Exit::Done)
}

/// Runs `remold explain`.
pub(super) fn explain(args: &ExplainArgs) -> Result<Exit, CliError> {
    let limits = Limits::default();
    let resolution = args
        .target
        .resolve(&limits)
        .map_err(|error| error.as_json(args.json))?;
    let registry = args.codecs.registry().map_err(|e| e.as_json(args.json))?;
    let loaded = message::load(&args.input, &limits).map_err(|e| e.as_json(args.json))?;
    let policy = args.policy.policy();
    let caps = &resolution.capabilities;
    let context = Context {
        caps,
        policy: &policy,
        registry: &registry,
        limits: &limits,
    };
    let plan = adapt::plan(&loaded.message, loaded.size, context);
    let mut report = adapt::report_of_plan(&loaded.message, &plan, caps);
    about_input(&mut report, &loaded, &args.input);
    if args.json {
        io::print(json(&report)? + "\n")?;
    } else {
        io::print(explain::page(&report, &plan, caps))?;
    }
    Ok(if report.verdict == Verdict::Refused {
        Exit::Refused
    } else {
        Exit::Done
    })
}

fn carry_out(
    loaded: &Loaded,
    caps: &Capabilities,
    policy: &PolicyArgs,
    registry: &Registry,
    limits: &Limits,
) -> Result<Adapted, CliError> {
    let (policy, cancel) = (policy.policy(), Cancel::new());
    let started = Instant::now();
    let engine = Engine {
        context: Context {
            caps,
            policy: &policy,
            registry,
            limits,
        },
        cancel: &cancel,
        now: &|| started.elapsed(),
    };
    adapt::adapt(&loaded.message, loaded.size, engine)
        .map_err(|error| CliError::new(Exit::Interrupted, error.to_string()))
}

fn about_input(report: &mut Report, loaded: &Loaded, input: &Path) {
    report.input = Some(input.display().to_string());
    report.input_sha256 = Some(pdu::hex(&Sha256::digest(&loaded.octets)));
    let odd = loaded
        .warnings
        .iter()
        .map(|w| format!("{} (at byte {})", w.message, w.offset));
    report.warnings.splice(0..0, odd);
}

fn write(
    args: &AdaptArgs,
    loaded: &Loaded,
    result: &crate::Message,
    report: &Report,
) -> Result<(), CliError> {
    let octets = match args.to {
        Some(To::Parts) => {
            return pdu::write_parts(&result.body.parts, &args.output, args.force).map(|_| ());
        }
        None if report.verdict == Verdict::Unchanged => loaded.octets.to_vec(),
        None => message::encode(&loaded.form, result)?,
        Some(To::Mime) => message::encode(&Form::Mime, result)?,
        Some(To::Pdu) => match &loaded.form {
            form @ Form::Pdu(_) => message::encode(form, result)?,
            _ => crate::mms::pdu::encode(&message::as_retrieve_conf(result))
                .map_err(|error| CliError::new(Exit::Internal, error.to_string()))?,
        },
    };
    io::write_output_atomic(&args.output, &octets, args.force)
}

fn refusal(report: &Report, input: &Path) -> CliError {
    CliError::new(Exit::Refused, report.refusal()).in_file(io::shown(input))
}

fn json(report: &Report) -> Result<String, CliError> {
    serde_json::to_string(report).map_err(|e| CliError::new(Exit::Internal, e.to_string()))
}
