//! Signals that a batch job is told things by.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{CliError, Exit};

/// Who hears of signals.
pub(super) trait Heard: Send + Sync + 'static {
    /// SIGINT came.
    fn interrupted(&self);
    /// SIGTERM came.
    fn terminated(&self);
    /// SIGUSR1 came.
    fn tell_status(&self);
}

/// Signals, caught from the moment this is made.
pub(super) struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    status: Signal,
}

impl Signals {
    /// Catches SIGINT, SIGTERM and SIGUSR1.
    pub(super) fn catch() -> Result<Self, CliError> {
        let failed = |error: std::io::Error| {
            CliError::new(Exit::Internal, format!("signals cannot be caught: {error}"))
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let inside = runtime.enter();
        let interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let status = signal(SignalKind::user_defined1()).map_err(failed)?;
        drop(inside);
        Ok(Self {
            runtime,
            interrupt,
            terminate,
            status,
        })
    }

    /// Hands on what comes, on a thread that ends with the process.
    pub(super) fn hand_to(self, heard: &Arc<impl Heard>) {
        let heard = heard.clone();
        std::thread::spawn(move || {
            let Self {
                runtime,
                mut interrupt,
                mut terminate,
                mut status,
            } = self;
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => heard.interrupted(),
                        _ = terminate.recv() => heard.terminated(),
                        _ = status.recv() => heard.tell_status(),
                    }
                }
            });
        });
    }
}
