//! The service centre on one machine: everything wired together, started and stopped.

mod adapter;
mod admin;
pub mod cdr;
pub mod config;
mod fault;
mod fitter;
pub mod logging;
pub mod metrics;
mod notify;
mod peers;
pub(crate) mod plugins;
mod process;
mod reload;
mod site;
mod surroundings;
pub mod tls;
mod watch;

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch::channel;
use tokio::task::JoinHandle as Task;
use tracing::{error, info, warn};

pub use cdr::CdrError;
pub use config::{Config, ConfigError};
pub use logging::Logs;
pub use notify::{Hook, HttpHook, Kannel, Log, Pap, Smpp};
pub use reload::{Changed, ReloadError, Reloaded};
pub use tls::TlsError;

#[cfg(feature = "postgres")]
pub(crate) use site::settings as store_settings;

use crate::Limits;
use crate::mm1::{self, Edge};
use crate::mm4::{self, Bell, Couriers};
use crate::relay::foreign::Directory;
use crate::relay::{Notifier, Relay, Surroundings, Terms};
use crate::store::StoreError;
use adapter::Adapter;
use admin::{Panel, Port};
use fault::Fault;
use fitter::Engine;
use metrics::Metrics;
use plugins::Codecs;
use reload::{Certificates, Reloader};
use surroundings::System;
use tls::Served;
use watch::{WatchedFitter, WatchedNotifier, Watcher};

/// How often what is kept no longer is deleted.
const TIDY: Duration = Duration::from_secs(60);
/// Longest sleep of those who do what is due, and their pause after the store failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A service centre that runs.
#[derive(Debug)]
pub struct Server {
    mm1: SocketAddr,
    admin: SocketAddr,
    adapt: Option<SocketAddr>,
    url: String,
    orphans: usize,
    stop: tokio::sync::watch::Sender<bool>,
    edge: Option<Task<()>>,
    mm4: Option<SocketAddr>,
    peers: Option<Task<()>>,
    couriers: Option<Couriers>,
    runtime: Option<Runtime>,
    dispatcher: Option<JoinHandle<()>>,
    stopping: Arc<AtomicBool>,
    wake: SyncSender<()>,
    drain: Duration,
    metrics: Arc<Metrics>,
    reloader: Arc<Reloader>,
    panel: admin::Running,
    records: Option<cdr::Writing>,
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
    /// A certificate could not be read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Charging records could not be written.
    #[error("charging records: {0}")]
    Cdr(#[from] CdrError),
    /// The plugins could not be read.
    #[error("plugins: {0}")]
    Plugins(std::io::Error),
    /// The soundfont could not be read.
    #[error("media.soundfont: {0}")]
    Soundfont(std::io::Error),
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
        Self::start_logged(config, notifier, Logs::none())
    }

    /// As [`Server::start`]; reading the configuration again changes `logs` as well.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_logged(
        config: &Config,
        notifier: Option<Arc<dyn Notifier>>,
        logs: Logs,
    ) -> Result<Self, StartError> {
        let listener = listen(*config.mm1.listen.get_ref())?;
        let admin_listener = listen(*config.admin.listen.get_ref())?;
        let adapt_listener = match &config.adapt.listen {
            Some(address) => Some(listen(*address.get_ref())?),
            None => None,
        };
        let mm1 = address(&listener)?;
        let admin = address(&admin_listener)?;
        let adapt = adapt_listener.as_ref().map(address).transpose()?;
        let mm1_tls = config.mm1.tls.as_ref().map(Served::new).transpose()?;
        let admin_tls = config.admin.tls.as_ref().map(Served::new).transpose()?;
        let scheme = if mm1_tls.is_some() { "https" } else { "http" };
        let url = config.mm1.url.as_ref().map_or_else(
            || format!("{scheme}://{mm1}"),
            |url| url.as_str().to_owned(),
        );
        let metrics = Arc::new(Metrics::new());
        let fault = Fault::from_environment().map_err(StartError::System)?;
        let (wake, woken) = sync_channel(1);
        let bell = Arc::new(Bell::default());
        let site::Opened { store, orphans } =
            site::open(config, fault.clone(), &metrics, wake.clone(), bell.clone())?;
        let limits = Limits {
            message_bytes: config.limits.message_bytes,
            ..Limits::default()
        };
        let table = &config.plugins;
        let cache = table.cache.clone();
        let cache = cache.unwrap_or_else(|| config.store.folder.join("compiled-plugins"));
        let base =
            plugins::built_in(config.media.soundfont.as_deref()).map_err(StartError::Soundfont)?;
        let codecs = Codecs::new(base, table.folder.as_deref(), &cache, &metrics)
            .map_err(StartError::Plugins)?;
        let codecs = Arc::new(codecs);
        let fitter = WatchedFitter {
            fitter: Engine::new(config, limits.clone(), codecs.clone())
                .map_err(StartError::System)?
                .counted(metrics.clone()),
            metrics: metrics.clone(),
        };
        let surroundings: Arc<dyn Surroundings> =
            Arc::new(System::new(wake.clone(), bell.clone(), fault));
        let relay = Relay::new(
            store.clone(),
            Arc::new(fitter),
            surroundings.clone(),
            config.terms(url.clone()),
            limits.clone(),
        );
        let peers = peers::Peers::configured(config)?;
        let registry = peers.as_ref().and_then(|peers| peers.registry.clone());
        let relay = relay
            .with_peers(config.mm4.routes(), config.mm4.terms(), config.mm4.names())
            .with_directory(
                registry
                    .clone()
                    .map(|registry| registry as Arc<dyn Directory>),
            )
            .watched_by(Arc::new(Watcher(metrics.clone())));
        let relay = Arc::new(relay);
        let mm4_listener = match &peers {
            Some(peers) => Some(listen(peers.listen)?),
            None => None,
        };
        let mm4 = mm4_listener.as_ref().map(address).transpose()?;
        let notifier = WatchedNotifier {
            notifier: match notifier {
                Some(notifier) => notifier,
                None => notify::configured(&config.notify).map_err(StartError::System)?,
            },
            metrics: metrics.clone(),
        };
        let mut edge = Edge::new(relay.clone(), config.identity(), config.bounds());
        if let Some(tls) = &mm1_tls {
            edge = edge.with_tls(tls.acceptor()?);
        }
        let edge = Arc::new(edge);
        let reloader = Arc::new(Reloader::new(
            config,
            logs,
            metrics.clone(),
            surroundings.clone(),
            Certificates {
                mm1: mm1_tls.clone(),
                mm4: peers.as_ref().and_then(|peers| peers.served.clone()),
                admin: admin_tls.clone(),
            },
            live(&relay, &edge),
            codecs.clone(),
        ));
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = channel(false);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("mm1")
            .enable_all()
            .build()
            .map_err(StartError::System)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(StartError::System)?
        };
        let adapt_bytes = Limits {
            message_bytes: config.adapt.body_bytes,
            ..limits
        };
        let queue = usize::try_from(config.adapt.queue.number()).unwrap_or(usize::MAX);
        let board = peers.as_ref().map(peers::Peers::board).unwrap_or_default();
        let adapter = Adapter::new(queue, adapt_bytes, codecs.clone(), metrics.clone())
            .map_err(StartError::System)?;
        let panel = Panel {
            board: board.clone(),
            relay: relay.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
            reloader: reloader.clone(),
            clock: surroundings.clone(),
            adapter: Arc::new(adapter),
            stopping: stopping.clone(),
            started: Instant::now(),
        };
        let admin_acceptor = admin_tls.as_ref().map(Served::acceptor).transpose()?;
        let mut ports = vec![(admin_listener, Port::Admin, admin_acceptor.clone())];
        ports.extend(adapt_listener.map(|listener| (listener, Port::Adapt, admin_acceptor)));
        let records = cdr::Writing::start(store, reloader.clone(), metrics.clone(), surroundings)?;
        let panel = admin::Running::start(ports, panel).map_err(StartError::System)?;
        let (peer_edge, couriers) = match (peers, mm4_listener) {
            (Some(peers), Some(listener)) => {
                let listener = {
                    let _inside = runtime.enter();
                    tokio::net::TcpListener::from_std(listener).map_err(StartError::System)?
                };
                let edge = Arc::new(peers.edge(&relay));
                let served = runtime.spawn(mm4::serve(listener, edge, stopped.clone()));
                let mut couriers = Couriers::start(&relay, &peers.identity, &board, bell)
                    .map_err(StartError::System)?;
                if let Some(registry) = &registry {
                    couriers.ask(&relay, registry).map_err(StartError::System)?;
                }
                (Some(served), Some(couriers))
            }
            _ => (None, None),
        };
        let flag = stopping.clone();
        let failures = metrics.clone();
        let dispatcher = std::thread::Builder::new()
            .name("dispatcher".to_owned())
            .spawn(move || dispatch(&relay, &notifier, woken, &flag, &failures))
            .map_err(StartError::System)?;
        let edge = runtime.spawn(mm1::serve(listener, edge, stopped));
        info!(%mm1, %admin, version = env!("CARGO_PKG_VERSION"), "started");
        Ok(Self {
            mm1,
            admin,
            adapt,
            url,
            orphans,
            stop,
            edge: Some(edge),
            mm4,
            peers: peer_edge,
            couriers,
            runtime: Some(runtime),
            dispatcher: Some(dispatcher),
            stopping,
            wake,
            drain: Duration::from_secs(u64::from(config.admin.drain_seconds.number())),
            metrics,
            reloader,
            panel,
            records,
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

    /// Where operators are listened to: `/livez`, `/readyz`, `/metrics` and `/v1`.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Where `POST /v1/adapt` has a port of its own, where it has one.
    #[must_use]
    pub fn adapt(&self) -> Option<SocketAddr> {
        self.adapt
    }

    /// Reads the configuration file again. What cannot change while the server runs is named.
    ///
    /// # Errors
    /// Where there is no file, or a mistake in it; nothing changes then.
    pub fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.reloader.reload()
    }

    /// Whether everything that should run does: what a watchdog asks.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let runs = |thread: &Option<JoinHandle<()>>| {
            thread.as_ref().is_some_and(|thread| !thread.is_finished())
        };
        let edge = self.edge.as_ref().is_some_and(|edge| !edge.is_finished());
        edge && runs(&self.dispatcher)
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
        self.metrics.drain();
        self.stop.send_replace(true);
        // A full channel wakes the dispatcher as well.
        let _ = self.wake.try_send(());
        let mut drained = true;
        if let Some(couriers) = self.couriers.take() {
            drained &= couriers.stop();
        }
        if let (Some(runtime), Some(edge)) = (self.runtime.take(), self.edge.take()) {
            info!("stopping");
            let peers = self.peers.take();
            let both = async {
                edge.await?;
                match peers {
                    Some(peers) => peers.await,
                    None => Ok(()),
                }
            };
            drained &= runtime
                .block_on(async { tokio::time::timeout(self.drain, both).await })
                .is_ok_and(|joined| joined.is_ok());
            runtime.shutdown_timeout(PAUSE);
        }
        if let Some(dispatcher) = self.dispatcher.take() {
            drained &= dispatcher.join().is_ok();
            if drained {
                info!("stopped");
            } else {
                warn!("stopped, and gave up what was under way for too long");
            }
        }
        if let Some(records) = &mut self.records {
            records.stop();
        }
        // Last, so that whoever watches sees it drain.
        self.panel.stop();
        drained
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// What of a configuration that is read again counts at once. The numbers that are ours and the
/// size of messages do not: others hold copies of them.
fn live(relay: &Arc<Relay>, edge: &Arc<Edge>) -> Box<reload::Apply> {
    let (relay, edge) = (relay.clone(), edge.clone());
    Box::new(move |config| {
        edge.set_identity(config.identity());
        relay.change_terms(|terms| {
            *terms = Terms {
                numbering: terms.numbering.clone(),
                message_bytes: terms.message_bytes,
                ..config.terms(terms.base_url.clone())
            };
        });
    })
}

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| StartError::Listen { address, error })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(StartError::System)
}

/// Does what is due until the server stops, on several threads, so that a push that hangs keeps only
/// those waiting that were leased with it.
fn dispatch(
    relay: &Relay,
    notifier: &dyn Notifier,
    woken: Receiver<()>,
    stopping: &AtomicBool,
    metrics: &Metrics,
) {
    let woken = Mutex::new(woken);
    std::thread::scope(|scope| {
        for first in [true, false] {
            let woken = &woken;
            scope.spawn(move || dispatch_beside(relay, notifier, woken, stopping, metrics, first));
        }
    });
}

/// The work of one of them. The `first` also deletes what is kept no longer.
fn dispatch_beside(
    relay: &Relay,
    notifier: &dyn Notifier,
    woken: &Mutex<Receiver<()>>,
    stopping: &AtomicBool,
    metrics: &Metrics,
    first: bool,
) {
    let clock = System::clock();
    let mut tidied: Option<Instant> = None;
    while !stopping.load(Ordering::Relaxed) {
        let done = relay.run_due(notifier).and_then(|done| {
            if first && tidied.is_none_or(|at| at.elapsed() >= TIDY) {
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
                Duration::from_millis(u64::try_from(left).unwrap_or(1)).min(PAUSE)
            }
            Ok((0, None)) => PAUSE,
            Err(error) => {
                metrics.store_failed();
                error!(%error, "the store fails; trying again");
                PAUSE
            }
        };
        // One of them listens; the other takes over as soon as that one has work.
        let listening = woken.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(
            listening.recv_timeout(pause),
            Err(RecvTimeoutError::Disconnected)
        ) {
            return;
        }
    }
}
