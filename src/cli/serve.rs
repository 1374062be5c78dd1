//! `remold serve` and `remold config check`.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{CliError, Exit, io};
use crate::server::{Config, ConfigError, Server, StartError};

/// Run a multimedia messaging service centre
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold serve                              # on loopback; prints what it would push to phones
  remold serve --config /etc/remold.toml
  remold sim demo                           # a whole message from phone to phone, explained")]
pub(super) struct ServeArgs {
    /// The configuration; without one the server listens on loopback and keeps its store in the
    /// folder remold-data
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Check the configuration of a service centre
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read a configuration and say what is wrong with it, if anything is
    #[command(after_help = "Examples:
  remold config check --config /etc/remold.toml")]
    Check {
        /// The configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Runs `remold serve` until a signal ends it.
pub(super) fn serve(args: &ServeArgs) -> Result<Exit, CliError> {
    let config = match &args.config {
        Some(path) => read(path)?,
        None => Config::default(),
    };
    // Signals are caught before anything is promised.
    let waiting = Signals::new()?;
    let server = Server::start(&config, None).map_err(|error| start_error(&error))?;
    io::print(format!(
        "mm1 http://{}\nhealth http://{}\nstore {}\nphones fetch from {}/m/\n",
        server.mm1(),
        server.health(),
        config.store.folder.display(),
        server.url(),
    ))?;
    if let Some(address) = server.mm4() {
        io::print(format!("mm4 smtp://{address}\n"))?;
    }
    if server.orphans() > 0 {
        let count = server.orphans();
        io::print(format!(
            "deleted {count} bodies whose senders were never told that they were accepted\n"
        ))?;
    }
    let signal = waiting.wait();
    io::print(format!("{signal}: stopping\n"))?;
    if server.stop() {
        Ok(Exit::Done)
    } else {
        let message = "requests were under way for too long and were given up";
        Err(CliError::new(Exit::Internal, message))
    }
}

/// Runs `remold config`.
pub(super) fn config(args: &ConfigArgs) -> Result<Exit, CliError> {
    let ConfigCommand::Check { config } = &args.command;
    read(config)?;
    io::print(format!("{}: sound\n", config.display()))?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<Config, CliError> {
    Config::from_file(path).map_err(|ConfigError { place, message }| {
        let file = match place {
            Some((line, column)) => format!("{}:{line}:{column}", path.display()),
            None => path.display().to_string(),
        };
        CliError::new(Exit::Config, message).in_file(file)
    })
}

/// The error of a command that could not start a server.
pub(super) fn start_error(error: &StartError) -> CliError {
    CliError::new(Exit::Internal, error.to_string())
}

/// SIGTERM and SIGINT, caught from the moment this is made.
struct Signals {
    runtime: tokio::runtime::Runtime,
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: std::io::Error| {
            CliError::new(Exit::Internal, format!("signals cannot be caught: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let inside = runtime.enter();
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        drop(inside);
        Ok(Self {
            runtime,
            terminate,
            interrupt,
        })
    }

    /// Waits for one of them, and gives its name.
    fn wait(mut self) -> &'static str {
        self.runtime.block_on(async {
            tokio::select! {
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.interrupt.recv() => "SIGINT",
            }
        })
    }
}
