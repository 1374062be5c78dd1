//! The interface to operators: figures, health, and the API under `/v1`, on a port, a thread and a
//! runtime of their own, so that they answer while the rest is busy.

mod adapt;
mod answer;
mod auth;
mod devices;
mod messages;
mod peers;
mod query;
mod route;
mod service;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

use super::adapter::Adapter;
use super::metrics::Metrics;
use super::reload::Reloader;
use crate::mm4::Board;
use crate::relay::{Interface, Relay, Surroundings};
use crate::store::Site;
use answer::{Answer, ApiError};
use auth::Who;
use query::Query;
use route::{Access, Found, Route, find};

/// Connections at one time.
const CONNECTIONS: usize = 64;
/// Time to send the head of a request, and to begin another one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time to send the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Time for one connection, however many requests it carries.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// Pause before a token that is none is answered: guessing takes its time.
const WRONG_TOKEN: Duration = Duration::from_millis(500);
/// Octets of the body of a request that carries no message.
const SMALL_BODY: usize = 64 << 10;

/// What requests of operators reach.
pub(super) struct Panel {
    pub(super) board: Board,
    pub(super) relay: Arc<Relay>,
    pub(super) store: Arc<dyn Site>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) reloader: Arc<Reloader>,
    pub(super) clock: Arc<dyn Surroundings>,
    pub(super) adapter: Arc<Adapter>,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) started: Instant,
}

/// A request that may be served.
struct Call<'a> {
    panel: &'a Panel,
    id: Option<String>,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
    who: Who,
}

/// Which routes a port serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// All of them.
    Admin,
    /// `POST /v1/adapt` and health alone.
    Adapt,
}

/// The interface while it runs.
#[derive(Debug)]
pub(super) struct Running {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts to answer on each listener.
    pub(super) fn start(
        ports: Vec<(TcpListener, Port, Option<TlsAcceptor>)>,
        panel: Panel,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .thread_name("admin")
            .enable_all()
            .build()?;
        let (stop, stopped) = watch::channel(false);
        let panel = Arc::new(panel);
        let thread = std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut all = tokio::task::JoinSet::new();
                    for (listener, port, tls) in ports {
                        let (panel, stopped) = (panel.clone(), stopped.clone());
                        all.spawn(serve(listener, port, tls, panel, stopped));
                    }
                    while all.join_next().await.is_some() {}
                });
                // What is still being adapted has nobody to go to.
                runtime.shutdown_timeout(Duration::from_secs(1));
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Stops answering.
    pub(super) fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: TcpListener,
    port: Port,
    tls: Option<TlsAcceptor>,
    panel: Arc<Panel>,
    mut stopped: watch::Receiver<bool>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue;
        };
        let (panel, tls) = (panel.clone(), tls.clone());
        tokio::spawn(async move {
            panel.metrics.opened(Interface::Admin.name());
            let whole = async {
                match tls {
                    None => connection(stream, port, peer, &panel).await,
                    Some(tls) => {
                        let greeted = tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream));
                        if let Ok(Ok(stream)) = greeted.await {
                            connection(stream, port, peer, &panel).await;
                        }
                    }
                }
            };
            // Whoever asks and goes away is not waited for.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, whole).await;
            panel.metrics.closed(Interface::Admin.name());
            drop(place);
        });
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    port: Port,
    peer: SocketAddr,
    panel: &Arc<Panel>,
) {
    let service = service_fn(move |request| {
        let panel = panel.clone();
        async move { Ok::<_, std::convert::Infallible>(handle(panel, port, peer, request).await) }
    });
    // However it ends, whoever asked sees it.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Answers one request.
async fn handle(
    panel: Arc<Panel>,
    port: Port,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Answer {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let (route, id) = match find(head.method.as_str(), path) {
        Found::Route(route, id) if port == Port::Admin || route.on_adapt_port() => (route, id),
        Found::OtherMethods(methods) => return ApiError::method(&methods).answer(),
        _ => {
            return ApiError::not_found("there is nothing here; see /v1/openapi.json").answer();
        }
    };
    let answer = answer(&panel, route, id, peer, &head, body).await;
    panel.metrics.admin(route.path, answer.status().as_u16());
    answer
}

async fn answer(
    panel: &Arc<Panel>,
    route: &'static Route,
    id: Option<String>,
    peer: SocketAddr,
    head: &hyper::http::request::Parts,
    body: Incoming,
) -> Answer {
    let config = panel.reloader.current();
    let who = match auth::who(&config.admin.tokens, peer, &head.headers) {
        Ok(who) => who,
        Err(_) if route.access == Access::Open => Who::anybody(peer),
        Err(error) => {
            tokio::time::sleep(WRONG_TOKEN).await;
            return error.answer();
        }
    };
    if !who.may(route.access) {
        return ApiError::forbidden("this needs a token with the role operator").answer();
    }
    let query = match Query::parse(head.uri.query().unwrap_or(""), route.query) {
        Ok(query) => query,
        Err(error) => return error.answer(),
    };
    let most = if route.takes_message() {
        config.adapt.body_bytes
    } else {
        SMALL_BODY
    };
    let body = match read(body, most).await {
        Ok(body) => body,
        Err(error) => return error.answer(),
    };
    let (panel, headers) = (panel.clone(), head.headers.clone());
    let work = move || {
        let about = id.clone();
        let call = Call {
            panel: &panel,
            id,
            query,
            headers,
            body,
            who,
        };
        let answer = (route.handler)(&call).unwrap_or_else(|error| error.answer());
        let status = answer.status().as_u16();
        let (by, about) = (call.who.name(), about.unwrap_or_default());
        if route.is_audited() {
            info!(audit = true, by, %peer, action = route.operation, about, status, "admin");
        } else {
            debug!(by, %peer, action = route.operation, about, status, "admin");
        }
        answer
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(_) => ApiError::internal("something went wrong").answer(),
    }
}

/// Reads a body within its bounds.
async fn read(body: Incoming, most: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("the body may have {most} octets"),
        )
    };
    let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if declared > most {
        return Err(too_large());
    }
    let reading = async {
        let (mut body, mut octets) = (body, BytesMut::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiError::bad("the body is cut off"))?;
            if let Ok(data) = frame.into_data() {
                if octets.len().saturating_add(data.len()) > most {
                    return Err(too_large());
                }
                octets.extend_from_slice(&data);
            }
        }
        Ok(octets.freeze())
    };
    tokio::time::timeout(BODY_TIMEOUT, reading)
        .await
        .unwrap_or_else(|_| {
            Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "timeout",
                "the body is too slow",
            ))
        })
}
