//! The command line: one file per subcommand, and what they share.

mod adapt;
mod backup;
mod batch;
mod codecs;
mod config;
mod exit;
mod explain;
mod generate;
mod io;
mod media;
mod message;
mod pdu;
mod plugin;
mod profile;
mod progress;
mod report;
mod serve;
mod sim;
#[cfg(feature = "postgres")]
mod store;
mod table;
mod target;

pub use exit::{CliError, Exit};

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

/// Fit multimedia messages to the phones that receive them.
#[derive(Debug, Parser)]
#[command(name = "remold", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fit one message to one device
    Adapt(adapt::AdaptArgs),
    /// Show what adapt would do to each part and why; nothing is encoded or written
    Explain(adapt::ExplainArgs),
    /// Fit many messages and media to one or many devices
    Batch(Box<batch::BatchArgs>),
    /// Work off the batch jobs of a database, with any number of others
    #[cfg(feature = "postgres")]
    Worker(batch::WorkerArgs),
    /// Make a page of reports
    Report(report::ReportArgs),
    /// Show or build MM1 PDUs, WAP pushes, multipart bodies and MIME messages
    Pdu(pdu::Args),
    /// Show or convert one medium
    Media(media::Args),
    /// Write shell completions to stdout
    Completions(generate::CompletionsArgs),
    /// Write manual pages
    Man(generate::ManArgs),
    /// Show, find, list and import what devices can take
    Profile(profile::Args),
    /// List, check, try out and begin plugins
    Plugin(plugin::Args),
    /// Run a multimedia messaging service centre
    Serve(serve::ServeArgs),
    /// Check and show the configuration of a service centre
    Config(config::Args),
    /// Copy the store of a service centre, while it runs
    Backup(backup::BackupArgs),
    /// Make a store from a copy
    Restore(backup::RestoreArgs),
    /// Look after the store of a service centre
    #[cfg(feature = "postgres")]
    Store(store::Args),
    /// Simulated phones, to try a service centre out
    Sim(sim::Args),
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
        Command::Adapt(args) => adapt::adapt(&args),
        Command::Explain(args) => adapt::explain(&args),
        Command::Batch(args) => batch::batch(&args),
        #[cfg(feature = "postgres")]
        Command::Worker(args) => batch::worker(&args),
        Command::Report(args) => report::report(&args),
        Command::Pdu(args) => pdu::run(args),
        Command::Media(args) => media::run(args),
        Command::Completions(args) => generate::completions(&args, Cli::command()),
        Command::Man(args) => generate::man(&args, Cli::command()),
        Command::Profile(args) => profile::run(args),
        Command::Plugin(args) => plugin::run(args),
        Command::Serve(args) => serve::serve(&args),
        Command::Config(args) => config::run(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        #[cfg(feature = "postgres")]
        Command::Store(args) => store::run(&args),
        Command::Sim(args) => sim::run(args),
    };
    outcome.unwrap_or_else(|error| error.report())
}
