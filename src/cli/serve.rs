//! `remold serve`.

use std::path::PathBuf;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{self, SignalKind, signal};

use super::{CliError, Exit, config, io};
use crate::server::{Logs, Server, StartError};

/// Run a multimedia messaging service centre
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  remold serve                              # on loopback; prints what it would push to phones
  remold serve --config /etc/remold.toml
  REMOLD_MM1__LISTEN=127.0.0.1:9002 remold serve   # a variable for every key
  kill -HUP PID                             # reads the configuration again
  remold sim demo                           # a whole message from phone to phone, explained")]
pub(super) struct ServeArgs {
    /// The configuration; without one the server listens on loopback and keeps its store in the
    /// folder remold-data
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of plugins; SIGHUP reads it again. It goes before plugins.folder of the configuration
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
}

/// Runs `remold serve` until a signal ends it.
pub(super) fn serve(args: &ServeArgs) -> Result<Exit, CliError> {
    let mut config = config::read(args.config.as_deref())?;
    if args.plugins.is_some() {
        config.plugins.folder.clone_from(&args.plugins);
    }
    // Signals are caught before anything is promised.
    let mut signals = Signals::new()?;
    let logs = Logs::start(config.log).map_err(|error| CliError::new(Exit::Internal, error))?;
    let server = Server::start_logged(&config, None, logs).map_err(|error| start_error(&error))?;
    let scheme = |tls: bool| if tls { "https" } else { "http" };
    io::print(format!(
        "mm1 {}://{}\nadmin {}://{}\nstore {}\nphones fetch from {}/m/\n",
        scheme(config.mm1.tls.is_some()),
        server.mm1(),
        scheme(config.admin.tls.is_some()),
        server.admin(),
        config.store.place(),
        server.url(),
    ))?;
    if let Some(address) = server.mm4() {
        io::print(format!("mm4 smtp://{address}\n"))?;
    }
    if let Some(address) = server.adapt() {
        let scheme = scheme(config.admin.tls.is_some());
        io::print(format!("adapt {scheme}://{address}\n"))?;
    }
    if server.orphans() > 0 {
        let count = server.orphans();
        io::print(format!(
            "deleted {count} bodies whose senders were never told that they were accepted\n"
        ))?;
    }
    tell(&[NotifyState::Ready]);
    let signal = loop {
        match signals.next() {
            Signal::Hangup => reload(&server)?,
            Signal::Tick if server.is_alive() => tell(&[NotifyState::Watchdog]),
            // Without a word the watchdog starts it again.
            Signal::Tick => {}
            Signal::End(name) => break name,
        }
    };
    io::print(format!("{signal}: stopping\n"))?;
    tell(&[NotifyState::Stopping]);
    match signals.while_stopping(server) {
        Some(true) => Ok(Exit::Done),
        Some(false) => {
            let message = "requests were under way for too long and were given up";
            Err(CliError::new(Exit::Internal, message))
        }
        None => Ok(Exit::Interrupted),
    }
}

/// Reads the configuration again, and says what that did.
fn reload(server: &Server) -> Result<(), CliError> {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
    let text = match server.reload() {
        Ok(done) => {
            let keys: Vec<&str> = done.changed.iter().map(|c| c.key.as_str()).collect();
            let waiting = done.needs_restart.join(", ");
            match (keys.join(", "), waiting) {
                (keys, _) if keys.is_empty() => "reloaded: nothing changed\n".to_owned(),
                (keys, waiting) if waiting.is_empty() => format!("reloaded: {keys}\n"),
                (keys, waiting) => format!("reloaded: {keys}; needs a restart: {waiting}\n"),
            }
        }
        Err(error) => format!("not reloaded: {error}\n"),
    };
    tell(&[NotifyState::Ready]);
    io::print(text)
}

/// Tells systemd, where it listens.
fn tell(states: &[NotifyState<'_>]) {
    // Nobody who does not listen misses it.
    let _ = sd_notify::notify(states);
}

/// The error of a command that could not start a server.
pub(super) fn start_error(error: &StartError) -> CliError {
    CliError::new(Exit::Internal, error.to_string())
}

/// What wakes the command.
enum Signal {
    /// The configuration is to be read again.
    Hangup,
    /// The watchdog wants to hear something.
    Tick,
    /// The server is to stop.
    End(&'static str),
}

/// Signals, caught from the moment this is made, and the watchdog's clock.
struct Signals {
    runtime: tokio::runtime::Runtime,
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    watchdog: Option<tokio::time::Interval>,
}

impl Signals {
    fn new() -> Result<Self, CliError> {
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
        let hangup = signal(SignalKind::hangup()).map_err(failed)?;
        let watchdog = sd_notify::watchdog_enabled()
            .map(|most| (most / 2).max(Duration::from_millis(1)))
            .map(tokio::time::interval);
        drop(inside);
        Ok(Self {
            runtime,
            terminate,
            interrupt,
            hangup,
            watchdog,
        })
    }

    /// Waits for the next of them.
    fn next(&mut self) -> Signal {
        let Self {
            runtime,
            terminate,
            interrupt,
            hangup,
            watchdog,
        } = self;
        runtime.block_on(async {
            let tick = async {
                match watchdog {
                    Some(watchdog) => watchdog.tick().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = terminate.recv() => Signal::End("SIGTERM"),
                _ = interrupt.recv() => Signal::End("SIGINT"),
                _ = hangup.recv() => Signal::Hangup,
                _ = tick => Signal::Tick,
            }
        })
    }

    /// Stops the server and gives whether all that had begun ended; `None` where another signal
    /// came first.
    fn while_stopping(mut self, server: Server) -> Option<bool> {
        let (done, stopped) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            // Nobody listens any more after another signal.
            let _ = done.send(server.stop());
        });
        self.runtime.block_on(async {
            tokio::select! {
                stopped = stopped => Some(stopped.unwrap_or(false)),
                _ = self.terminate.recv() => None,
                _ = self.interrupt.recv() => None,
            }
        })
    }
}
