//! `remold plugin`, and what other commands need of plugins.

#[cfg(feature = "plugins")]
mod bench;
#[cfg(feature = "plugins")]
mod files;
mod new;
#[cfg(feature = "plugins")]
mod show;
#[cfg(feature = "plugins")]
mod sign;
#[cfg(feature = "plugins")]
mod trial;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::media::ConvertArgs;
use super::{CliError, Exit};
use crate::media::Registry;

/// List, check, try out and begin plugins
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Begin a plugin: a folder that builds with `cargo build --release`
    New(new::NewArgs),
    /// Try a plugin out: what it is, good files, damaged files, limits, twice the same
    Check(CheckArgs),
    /// Convert a medium with a plugin: with the options of `media convert`
    Run(RunArgs),
    /// Say what a folder of plugins holds and what is refused
    List(ListArgs),
    /// Compile plugins now, so that the next start need not
    Compile(CompileArgs),
    /// Sign a plugin, so that a manifest can pin who made it
    Sign(SignArgs),
    /// Measure a plugin: its start, its speed, and the built-in codec of the same format
    Bench(BenchArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold plugin check my-codec.wasm --sample photo.qoi
  remold plugin check my-codec.wasm --sample a.qoi --sample b.qoi --json")]
#[cfg_attr(
    not(feature = "plugins"),
    allow(dead_code, reason = "the options are parsed all the same")
)]
struct CheckArgs {
    /// The component
    plugin: PathBuf,
    /// A file that it reads; may be repeated
    #[arg(long, value_name = "FILE")]
    sample: Vec<PathBuf>,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold plugin run qoi.wasm photo.qoi -o photo.png
  remold plugin run ota-bitmap.wasm logo.png -o logo.otb
  remold plugin run ima-adpcm.wasm memo.wav -o memo.amr
  remold plugin run openh264.wasm holiday.mp4 -o holiday.3gp --video-codec h264")]
#[cfg_attr(
    not(feature = "plugins"),
    allow(dead_code, reason = "the options are parsed all the same")
)]
struct RunArgs {
    /// The component
    plugin: PathBuf,
    #[command(flatten)]
    convert: Box<ConvertArgs>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold plugin list /etc/remold/plugins
  remold plugin list --names")]
#[cfg_attr(
    not(feature = "plugins"),
    allow(dead_code, reason = "the options are parsed all the same")
)]
struct ListArgs {
    /// The folder
    #[arg(required_unless_present = "names")]
    folder: Option<PathBuf>,
    /// Print the names of the formats and codecs that are known already, for `codec-id`
    #[arg(long)]
    names: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold plugin compile /etc/remold/plugins/*.wasm
  remold plugin compile qoi.wasm --cache /var/lib/remold/compiled-plugins")]
#[cfg_attr(
    not(feature = "plugins"),
    allow(dead_code, reason = "the options are parsed all the same")
)]
struct CompileArgs {
    /// The components
    #[arg(required = true)]
    plugins: Vec<PathBuf>,
    /// Where compiled plugins are kept; without it where commands keep them
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold plugin bench qoi.wasm --sample photo.qoi
  remold plugin bench amr-nb.wasm --sample memo.amr
  remold plugin bench ota-bitmap.wasm")]
#[cfg_attr(
    not(feature = "plugins"),
    allow(dead_code, reason = "the options are parsed all the same")
)]
struct BenchArgs {
    /// The component
    plugin: PathBuf,
    /// A file that it reads; encoders need none
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// How often each thing is measured
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold plugin sign qoi.wasm --key author.key --new-key
  remold plugin sign qoi.wasm --key author.key")]
#[cfg_attr(
    not(feature = "plugins"),
    allow(dead_code, reason = "the options are parsed all the same")
)]
struct SignArgs {
    /// The component; the signature goes to a file of its name with .sig behind it
    plugin: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Make the key first; its file must not be there
    #[arg(long)]
    new_key: bool,
}

/// Runs `remold plugin`.
pub(super) fn run(args: Args) -> Result<Exit, CliError> {
    match args.command {
        PluginCommand::New(args) => new::new(&args),
        #[cfg(feature = "plugins")]
        PluginCommand::Check(args) => trial::check(&args),
        #[cfg(feature = "plugins")]
        PluginCommand::Run(args) => trial::run(&args),
        #[cfg(feature = "plugins")]
        PluginCommand::List(args) => show::list(&args),
        #[cfg(feature = "plugins")]
        PluginCommand::Compile(args) => files::compile(&args),
        #[cfg(feature = "plugins")]
        PluginCommand::Bench(args) => bench::bench(&args),
        #[cfg(feature = "plugins")]
        PluginCommand::Sign(args) => sign::sign(&args),
        #[cfg(not(feature = "plugins"))]
        _ => Err(missing()),
    }
}

/// Adds the codecs of a folder of plugins, and warns of those that cannot be used.
///
/// # Errors
///
/// Where the folder cannot be read, or plugins are not compiled in.
#[cfg(feature = "plugins")]
pub(super) fn register(folder: &Path, registry: &mut Registry) -> Result<(), CliError> {
    files::register(folder, registry)
}

/// Says that there are none.
#[cfg(not(feature = "plugins"))]
pub(super) fn register(_: &Path, _: &mut Registry) -> Result<(), CliError> {
    Err(missing())
}

#[cfg(not(feature = "plugins"))]
fn missing() -> CliError {
    CliError::new(Exit::Usage, crate::server::plugins::NOT_COMPILED_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "plugins"))]
    fn without_the_feature_it_is_said_plainly() {
        let error = register(Path::new("x"), &mut Registry::builtin()).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
        assert!(error.message.contains("not compiled in"), "{error}");
    }

    #[test]
    #[cfg(feature = "plugins")]
    fn a_folder_that_is_not_there_is_wrong_usage() {
        let error = register(Path::new("/no/such"), &mut Registry::builtin()).unwrap_err();
        assert_eq!(error.exit, Exit::Usage);
    }
}
