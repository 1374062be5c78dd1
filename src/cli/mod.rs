//! The command line: one file per subcommand, and what they share.

mod exit;
mod io;
mod pdu;
mod profile;
mod target;

pub use exit::{CliError, Exit};

use std::ffi::OsString;

use clap::{Parser, Subcommand};

/// Fit multimedia messages to the phones that receive them.
#[derive(Debug, Parser)]
#[command(name = "remold", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show or build MM1 PDUs, WAP pushes, multipart bodies and MIME messages
    Pdu(pdu::Args),
    /// Show, find, list and import what devices can take
    Profile(profile::Args),
}

/// Runs one command line and returns its exit code. Errors are already printed.
pub fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let usage = error.use_stderr();
            // A closed stdout or stderr leaves nobody to tell.
            let _ = error.print();
            return if usage { Exit::Usage } else { Exit::Done };
        }
    };
    let outcome = match cli.command {
        Command::Pdu(args) => pdu::run(args),
        Command::Profile(args) => profile::run(args),
    };
    outcome.unwrap_or_else(|error| error.report())
}
