//! Pushes as short messages by SMPP 3.4: one connection that is kept, bound again when it breaks.

mod receipt;
mod session;
mod submit;
mod wire;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusmpp::Pdu;
use rusmpp::pdus::SubmitSm;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;

use super::breaker::Failure;
use super::masked;
use crate::relay::{Notice, Notifier, NotifyError};
use crate::server::config::{HostPort, SmppTable};
use receipt::{About, Awaited};

/// Short messages that wait for a place in the window at most.
const QUEUE: usize = 256;
/// The first wait before a connection is tried again.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait before a connection is tried again.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a connection must have stood for the waits to begin anew.
const STEADY: Duration = Duration::from_secs(10);
/// Time to part from the service centre when this ends.
const PARTING: Duration = Duration::from_secs(2);

/// Pushes through a short message service centre.
///
/// While there is no connection, every push comes back at once as postponed. A service centre that
/// throttles is waited for, up to the time of a push.
#[derive(Debug)]
pub struct Smpp {
    table: SmppTable,
    orders: Option<mpsc::Sender<Order>>,
    shared: Arc<Shared>,
    stop: Option<watch::Sender<()>>,
    parted: Mutex<Receiver<()>>,
    runtime: Option<Runtime>,
}

/// What a session and those who push both see.
struct Shared {
    bind: Pdu,
    address: HostPort,
    tls: Option<TlsConnector>,
    timing: Timing,
    /// `Err` with the reason while there is no connection.
    bound: Mutex<Result<(), String>>,
    awaited: Mutex<Awaited>,
}

/// How long and how much.
#[derive(Debug, Clone, Copy)]
struct Timing {
    /// Time for an answer, and to connect.
    answer: Duration,
    /// Silence after which the connection is tried.
    enquire: Duration,
    /// Submissions under way.
    window: usize,
    /// Time between submissions.
    pace: Option<Duration>,
}

/// A short message to submit, and who waits for the answer.
struct Order {
    pdu: SubmitSm,
    about: About,
    /// When nobody waits any more.
    until: tokio::time::Instant,
    reply: SyncSender<Result<(), Failure>>,
}

impl Smpp {
    /// As the configuration says, and begins to connect.
    pub(super) fn new(table: &SmppTable) -> std::io::Result<Self> {
        let tls = match table.tls {
            true => Some(super::authorities(table.ca_file.as_ref()).connector()?),
            false => None,
        };
        let pace = |rate: u32| Duration::from_secs(1).checked_div(rate);
        let shared = Arc::new(Shared {
            bind: submit::bind(table).map_err(std::io::Error::other)?,
            address: table.address.clone(),
            tls,
            timing: Timing {
                answer: table.timeout_seconds.duration(),
                enquire: table.enquire_seconds.seconds(),
                window: usize::try_from(table.window.number()).unwrap_or(usize::MAX),
                pace: table.per_second.and_then(|rate| pace(rate.number())),
            },
            bound: Mutex::new(Err("not connected yet".to_owned())),
            awaited: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("smpp")
            .enable_all()
            .build()?;
        let (orders, ordered) = mpsc::channel(QUEUE);
        let (stop, stopped) = watch::channel(());
        let (parting, parted) = sync_channel(1);
        let both = shared.clone();
        runtime.spawn(async move {
            keep_bound(both, ordered, stopped).await;
            // Where nobody waits for it, nobody needs to know.
            let _ = parting.try_send(());
        });
        Ok(Self {
            table: table.clone(),
            orders: Some(orders),
            shared,
            stop: Some(stop),
            parted: Mutex::new(parted),
            runtime: Some(runtime),
        })
    }

    fn submit(&self, notice: &Notice<'_>) -> Result<(), Failure> {
        let address = &self.table.address;
        let away = |why: &str| Failure::Away(format!("{}:{}: {why}", address.host, address.port));
        if let Err(why) = &*self.shared.bound() {
            return Err(away(why));
        }
        let orders = self.orders.as_ref().ok_or_else(|| away("stopped"))?;
        let push = Bytes::copy_from_slice(notice.push);
        let submissions =
            submit::submissions(&self.table, notice.number, &push).map_err(Failure::Never)?;
        // As long to get into the window as then for the answer.
        let answer = self.shared.timing.answer;
        let now = tokio::time::Instant::now();
        let mut answers = Vec::with_capacity(submissions.len());
        for pdu in submissions {
            let (reply, answer_of_one) = sync_channel(1);
            let order = Order {
                pdu,
                about: About {
                    message_id: notice.message_id.to_owned(),
                    number: masked(notice.number),
                },
                until: now.checked_add(answer).unwrap_or(now),
                reply,
            };
            orders.try_send(order).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => away("too many short messages wait"),
                mpsc::error::TrySendError::Closed(_) => away("stopped"),
            })?;
            answers.push(answer_of_one);
        }
        // The session answers in time; this is for the case that it does not.
        let until = Instant::now() + answer.saturating_mul(2) + FIRST;
        for answer in answers {
            let left = until.saturating_duration_since(Instant::now());
            match answer.recv_timeout(left) {
                Ok(result) => result?,
                Err(RecvTimeoutError::Disconnected) => return Err(away("the connection broke")),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Failure::Silent("no answer in time".to_owned()));
                }
            }
        }
        Ok(())
    }
}

impl Notifier for Smpp {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        self.submit(notice).map_err(|failure| match failure {
            Failure::Away(why) => NotifyError::Unavailable(why),
            Failure::Silent(why) | Failure::Later(why) => NotifyError::Temporary(why),
            Failure::Never(why) => NotifyError::Permanent(why),
        })
    }
}

impl Drop for Smpp {
    fn drop(&mut self) {
        self.orders = None;
        self.stop = None;
        // Either the connection was closed in good order, or the time for that is over.
        let parted = self
            .parted
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        let _ = parted.recv_timeout(PARTING);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Order {
    fn answer(self, result: Result<(), Failure>) {
        match self.reply.try_send(result) {
            // Whoever asked has given up.
            Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
        }
    }
}

impl Shared {
    fn bound(&self) -> std::sync::MutexGuard<'_, Result<(), String>> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn awaited(&self) -> std::sync::MutexGuard<'_, Awaited> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("address", &self.address)
            .field("timing", &self.timing)
            .finish_non_exhaustive()
    }
}

/// Binds, again and again, until the notifier is dropped.
async fn keep_bound(
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    mut stopped: watch::Receiver<()>,
) {
    let orders = Arc::new(tokio::sync::Mutex::new(orders));
    let mut wait = FIRST;
    loop {
        let began = Instant::now();
        // In a task of its own, so that a panic in a codec ends one session and not all of them.
        let session = session::run(shared.clone(), orders.clone(), stopped.clone());
        let ended = match tokio::spawn(session).await {
            Ok(Ok(())) => return,
            Ok(Err(why)) => why,
            Err(error) => error.to_string(),
        };
        if began.elapsed() >= STEADY {
            wait = FIRST;
        }
        let pause = shortened(wait);
        let HostPort { host, port } = &shared.address;
        tracing::warn!("SMPP to {host}:{port}: {ended}; connecting again in {pause:.1?}");
        *shared.bound() = Err(ended);
        // Nobody pushes any more but those who saw the connection stand.
        while let Ok(order) = orders.lock().await.try_recv() {
            order.answer(Err(Failure::Away("the connection broke".to_owned())));
        }
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(pause) => {}
        }
        wait = wait.saturating_mul(2).min(LONGEST);
    }
}

/// A wait without a random part of at most half of it, so that many servers do not come back
/// together.
fn shortened(wait: Duration) -> Duration {
    let [random, ..] = super::unguessable();
    wait.mul_f64(1.0 - f64::from(random) / 512.0)
}

#[cfg(test)]
mod tests;
