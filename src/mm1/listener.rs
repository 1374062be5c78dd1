//! The accept loop.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::service::handle;
use super::watched::Watched;
use super::{Edge, Tls};
use crate::listen::{Shares, accept};
use crate::relay::{Happening, Interface};

/// Octets of a request head, of which no phone needs a quarter.
const HEAD: usize = 64 << 10;
/// Headers of a request.
const HEADERS: usize = 100;

/// Serves connections until `stop` turns true; then accepts no more, lets every request that has
/// begun be answered, and returns.
pub async fn serve(listener: TcpListener, edge: Arc<Edge>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(edge.bounds.connections.max(1)));
    let shares = Shares::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((place, stream, peer)) = accepted else {
            continue;
        };
        let gateway = edge.identity.load().is_gateway(peer.ip());
        let most = if gateway {
            usize::MAX
        } else {
            edge.bounds.connections_each
        };
        // One address that wants more than its share is not told so: it would only cost more.
        if let Some(share) = shares.take(peer.ip(), most) {
            let (edge, stop) = (edge.clone(), stop.clone());
            connections.spawn(async move {
                let relay = edge.relay.clone();
                relay.watch().happened(&Happening::Opened(Interface::Mm1));
                secured(stream, peer, edge, stop).await;
                relay.watch().happened(&Happening::Closed(Interface::Mm1));
                drop((place, share));
            });
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn secured(
    stream: TcpStream,
    peer: SocketAddr,
    edge: Arc<Edge>,
    stop: watch::Receiver<bool>,
) {
    // Only the speed of small answers depends on it.
    let _ = stream.set_nodelay(true);
    let Some(Tls(acceptor)) = edge.tls.clone() else {
        return connection(stream, peer, edge, stop).await;
    };
    let greeted = tokio::time::timeout(edge.bounds.header_timeout, acceptor.accept(stream));
    if let Ok(Ok(stream)) = greeted.await {
        connection(stream, peer, edge, stop).await;
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    edge: Arc<Edge>,
    mut stop: watch::Receiver<bool>,
) {
    let bounds = edge.bounds;
    let (stream, activity) = Watched::new(stream);
    let service = service_fn(move |request| {
        let edge = edge.clone();
        async move { handle(&edge, peer.ip(), request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.header_timeout)
        .max_buf_size(HEAD)
        .max_headers(HEADERS)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut stopping = false;
    // However it ends, what was promised to the peer was in an answer that went out before.
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = activity.idle_for(bounds.idle_timeout) => return,
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
