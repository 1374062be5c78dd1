//! `remold profile`.

mod import;
mod show;

use super::{CliError, Exit};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what one device can take, and who says so
    Show(show::Show),
    /// Find the device behind the headers of a request
    Match(show::Match),
    /// Turn UAProf documents into a device database
    Import(import::Args),
    /// List classes and devices with their limits
    List(show::List),
}

pub(super) fn run(args: Args) -> Result<Exit, CliError> {
    match args.command {
        Command::Show(args) => show::show(&args),
        Command::Match(args) => show::find(&args),
        Command::Import(args) => import::run(&args),
        Command::List(args) => show::list(&args),
    }
}
