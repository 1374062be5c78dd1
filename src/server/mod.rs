//! The service centre on one machine: everything wired together, started and stopped.

pub mod config;
mod fitter;
mod health;
mod notify;
mod peers;
mod surroundings;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use config::{Config, ConfigError};
pub use notify::{Hook, Log};

use crate::Limits;
use crate::mm1::{self, Edge};
use crate::mm4::{self, Bell, Couriers};
use crate::relay::{Notifier, Relay, Surroundings};
use crate::store::{SqliteStore, StoreError};
use fitter::Engine;
use surroundings::System;

/// How long requests that have begun may take to end once the server stops.
const DRAIN: Duration = Duration::from_secs(30);
/// How often what is kept no longer is deleted, and the longest sleep.
const TIDY: Duration = Duration::from_secs(60);
/// Pause after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A service centre that runs.
#[derive(Debug)]
pub struct Server {
    mm1: SocketAddr,
    health: SocketAddr,
    url: String,
    orphans: usize,
    stop: watch::Sender<bool>,
    edge: Option<tokio::task::JoinHandle<()>>,
    mm4: Option<SocketAddr>,
    peers: Option<tokio::task::JoinHandle<()>>,
    couriers: Option<Couriers>,
    runtime: Option<Runtime>,
    dispatcher: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
    wake: SyncSender<()>,
}

/// Why a service centre could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store could not be opened.
    #[error("{folder}: {error}")]
    Store {
        /// Where it is.
        folder: String,
        /// Why not.
        error: StoreError,
    },
    /// An address could not be listened on.
    #[error("{address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// A certificate, key or list of authorities could not be used.
    #[error("{file}: {error}")]
    Certificate {
        /// The file.
        file: String,
        /// Why not.
        error: String,
    },
    /// The system gave no threads.
    #[error("{0}")]
    System(std::io::Error),
}

impl Server {
    /// Starts a service centre. Pushes go to `notifier`, or to where the configuration says.
    ///
    /// # Errors
    /// Where an address is taken or the store cannot be opened; nothing runs then.
    pub fn start(config: &Config, notifier: Option<Arc<dyn Notifier>>) -> Result<Self, StartError> {
        let listener = listen(*config.mm1.listen.get_ref())?;
        let health = listen(config.health.listen)?;
        let mm1 = address(&listener)?;
        let health_address = address(&health)?;
        let url = config
            .mm1
            .url
            .as_ref()
            .map_or_else(|| format!("http://{mm1}"), |url| url.as_str().to_owned());
        let folder = &config.store.folder;
        let (store, recovery) = SqliteStore::open(folder).map_err(|error| StartError::Store {
            folder: folder.display().to_string(),
            error,
        })?;
        let (wake, woken) = sync_channel(1);
        let bell = Arc::new(Bell::default());
        let limits = Limits {
            message_bytes: config.limits.message_bytes,
            ..Limits::default()
        };
        let engine = Engine::new(config, limits.clone()).map_err(StartError::System)?;
        let relay = Relay::new(
            Arc::new(store),
            Arc::new(engine),
            Arc::new(System::new(wake.clone(), bell.clone())),
            config.terms(url.clone()),
            limits,
        );
        let relay =
            Arc::new(relay.with_peers(config.mm4.routes(), config.mm4.terms(), config.mm4.names()));
        let peers = peers::Peers::configured(config)?;
        let mm4_listener = match &peers {
            Some(peers) => Some(listen(peers.listen)?),
            None => None,
        };
        let mm4 = mm4_listener.as_ref().map(address).transpose()?;
        let notifier = notifier.unwrap_or_else(|| notify::configured(&config.notify));
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("mm1")
            .enable_all()
            .build()
            .map_err(StartError::System)?;
        let edge = Edge::new(relay.clone(), config.identity(), config.bounds());
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(StartError::System)?
        };
        let edge = runtime.spawn(mm1::serve(listener, Arc::new(edge), stopped.clone()));
        let (peer_edge, couriers) = match (peers, mm4_listener) {
            (Some(peers), Some(listener)) => {
                let listener = {
                    let _inside = runtime.enter();
                    tokio::net::TcpListener::from_std(listener).map_err(StartError::System)?
                };
                let edge = Arc::new(peers.edge(&relay));
                let served = runtime.spawn(mm4::serve(listener, edge, stopped));
                let couriers =
                    Couriers::start(&relay, &peers.identity, bell).map_err(StartError::System)?;
                (Some(served), Some(couriers))
            }
            _ => (None, None),
        };
        health::start(health, &relay, stopping.clone()).map_err(StartError::System)?;
        let flag = stopping.clone();
        let dispatcher = std::thread::Builder::new()
            .name("dispatcher".to_owned())
            .spawn(move || dispatch(&relay, notifier.as_ref(), &woken, &flag))
            .map_err(StartError::System)?;
        Ok(Self {
            mm1,
            health: health_address,
            url,
            orphans: recovery.orphans,
            stop,
            edge: Some(edge),
            mm4,
            peers: peer_edge,
            couriers,
            runtime: Some(runtime),
            dispatcher: Some(dispatcher),
            stopping,
            wake,
        })
    }

    /// Where phones are listened to.
    #[must_use]
    pub fn mm1(&self) -> SocketAddr {
        self.mm1
    }

    /// Where peers are listened to, where there are any.
    #[must_use]
    pub fn mm4(&self) -> Option<SocketAddr> {
        self.mm4
    }

    /// Where `/livez` and `/readyz` are.
    #[must_use]
    pub fn health(&self) -> SocketAddr {
        self.health
    }

    /// The beginning of the URLs that phones are told to fetch.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Bodies without a message that starting cleaned up.
    #[must_use]
    pub fn orphans(&self) -> usize {
        self.orphans
    }

    /// Stops: accepts nothing more, lets what has begun end, and gives whether all of it did in
    /// time.
    pub fn stop(mut self) -> bool {
        self.shut_down()
    }

    fn shut_down(&mut self) -> bool {
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.send_replace(true);
        // A full channel wakes the dispatcher as well.
        let _ = self.wake.try_send(());
        let mut drained = true;
        if let Some(couriers) = self.couriers.take() {
            drained &= couriers.stop();
        }
        if let (Some(runtime), Some(edge)) = (self.runtime.take(), self.edge.take()) {
            let peers = self.peers.take();
            let both = async {
                edge.await?;
                match peers {
                    Some(peers) => peers.await,
                    None => Ok(()),
                }
            };
            drained &= runtime
                .block_on(async { tokio::time::timeout(DRAIN, both).await })
                .is_ok_and(|joined| joined.is_ok());
            runtime.shutdown_timeout(PAUSE);
        }
        if let Some(dispatcher) = self.dispatcher.take() {
            drained &= dispatcher.join().is_ok();
        }
        drained
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| StartError::Listen { address, error })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::System)
}

/// Does what is due until the server stops.
fn dispatch(relay: &Relay, notifier: &dyn Notifier, woken: &Receiver<()>, stopping: &AtomicBool) {
    let clock = System::clock();
    let mut tidied: Option<Instant> = None;
    while !stopping.load(Ordering::Relaxed) {
        let done = relay.run_due(notifier).and_then(|done| {
            if tidied.is_none_or(|at| at.elapsed() >= TIDY) {
                tidied = Some(Instant::now());
                relay.purge()?;
                relay.run_strays()?;
            }
            Ok((done, relay.next_due()?))
        });
        let pause = match done {
            Ok((1.., _)) => continue,
            Ok((0, Some(due))) => {
                let left = due.saturating_sub(clock.now()).max(1);
                Duration::from_millis(u64::try_from(left).unwrap_or(1)).min(TIDY)
            }
            Ok((0, None)) => TIDY,
            Err(error) => {
                eprintln!("remold: {error}; trying again");
                PAUSE
            }
        };
        if matches!(
            woken.recv_timeout(pause),
            Err(RecvTimeoutError::Disconnected)
        ) {
            return;
        }
    }
}
