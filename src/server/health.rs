//! `/livez` and `/readyz`, on a port, a thread and a runtime of their own: they answer while the
//! rest is busy.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use crate::relay::Relay;

/// Connections at one time.
const CONNECTIONS: usize = 32;
/// Time for one connection.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is seen whether there is still a relay to ask.
const TICK: Duration = Duration::from_secs(1);

/// Starts to answer on `listener`, until the relay is gone.
pub(super) fn start(
    listener: TcpListener,
    relay: &Arc<Relay>,
    stopping: Arc<AtomicBool>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // This thread must not keep the store open.
    let relay = Arc::downgrade(relay);
    std::thread::Builder::new()
        .name("health".to_owned())
        .spawn(move || runtime.block_on(serve(listener, relay, stopping)))
        .map(|_| ())
}

async fn serve(listener: TcpListener, relay: Weak<Relay>, stopping: Arc<AtomicBool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    while relay.strong_count() > 0 {
        let Ok(Ok((stream, _))) = tokio::time::timeout(TICK, listener.accept()).await else {
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            continue;
        };
        let (relay, stopping) = (relay.clone(), stopping.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let (status, text) = answer(request.uri().path(), &relay, &stopping);
                let mut response = Response::new(Full::new(Bytes::from(text + "\n")));
                *response.status_mut() = status;
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // Whoever asks and goes away is not waited for.
            let _ = tokio::time::timeout(TIMEOUT, connection).await;
            drop(place);
        });
    }
}

fn answer(path: &str, relay: &Weak<Relay>, stopping: &AtomicBool) -> (StatusCode, String) {
    let unavailable = |why: String| (StatusCode::SERVICE_UNAVAILABLE, why);
    match path {
        "/livez" => (StatusCode::OK, "alive".to_owned()),
        "/readyz" if stopping.load(Ordering::Relaxed) => unavailable("stopping".to_owned()),
        "/readyz" => match relay.upgrade().map(|relay| relay.page()) {
            Some(Ok(page)) => {
                let text = format!(
                    "ready: {} messages, {} recipients wait, {} reports wait",
                    page.messages, page.waiting, page.reports
                );
                (StatusCode::OK, text)
            }
            Some(Err(error)) => unavailable(error.to_string()),
            None => unavailable("stopping".to_owned()),
        },
        _ => (StatusCode::NOT_FOUND, "/livez or /readyz".to_owned()),
    }
}
