//! `remold media`: one medium, without a message around it.

mod convert;
mod convert_clip;
mod input;
mod probe;

use clap::Subcommand;

pub(super) use convert::Args as ConvertArgs;
#[cfg(feature = "plugins")]
pub(super) use convert::anew as convert_anew;

use super::{CliError, Exit};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what the octets really are: type, codec, size, frames, duration, rotation
    Probe(probe::Args),
    /// Make another format of a medium, or a smaller one
    Convert(Box<convert::Args>),
}

pub(super) fn run(args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Probe(args) => probe::run(args),
        Command::Convert(args) => convert::run(&args),
    }
}
