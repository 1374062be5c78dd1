//! `remold profile`.

mod import;

use super::{CliError, Exit};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Turn UAProf documents into a device database
    Import(import::Args),
}

pub(super) fn run(args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Import(args) => import::run(&args),
    }
}
