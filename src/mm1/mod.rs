//! MM1: the HTTP interface that phones send over and fetch from (OMA-MMS-CTR, OMA-MMS-ENC).
//!
//! Phones post PDUs to any path and fetch from `/m/TOKEN`. They are slow, reached through odd
//! gateways, and some of what comes is no phone: so this edge has its own accept loop with a
//! bound on everything a stranger can make us keep.

mod body;
mod identity;
mod listener;
mod service;
mod watched;

pub use identity::Identity;
pub use listener::serve;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::relay::Relay;

/// The interface: what it is connected to and what it bears.
#[derive(Debug)]
pub struct Edge {
    relay: Arc<Relay>,
    identity: ArcSwap<Identity>,
    bounds: Bounds,
    /// KiB of request bodies that may still be held.
    room: Arc<Semaphore>,
    tls: Option<Tls>,
}

/// What takes connections over TLS.
#[derive(Clone)]
struct Tls(tokio_rustls::TlsAcceptor);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

/// What strangers may ask of the interface at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections open at one time. Others wait to be accepted.
    pub connections: usize,
    /// Connections open at one time from one address that is no gateway: behind a gateway are many
    /// phones, behind any other address is one.
    pub connections_each: usize,
    /// Time to send the head of a request, and to begin another one.
    pub header_timeout: Duration,
    /// Time without an octet either way, after which a connection is closed. Longer than the
    /// longest adaptation.
    pub idle_timeout: Duration,
    /// Time to send the body of a request.
    pub body_timeout: Duration,
    /// Octets of request bodies held at one time, over all connections.
    pub body_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 4_000,
            connections_each: 32,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(120),
            body_bytes: 64 << 20,
        }
    }
}

impl Edge {
    /// An interface to `relay`.
    #[must_use]
    pub fn new(relay: Arc<Relay>, identity: Identity, bounds: Bounds) -> Self {
        let room = Semaphore::new((bounds.body_bytes / body::KIB).min(Semaphore::MAX_PERMITS));
        Self {
            relay,
            identity: ArcSwap::from_pointee(identity),
            bounds,
            room: Arc::new(room),
            tls: None,
        }
    }

    /// Recognises subscribers in another way from now on.
    pub fn set_identity(&self, identity: Identity) {
        self.identity.store(Arc::new(identity));
    }

    /// The same interface over TLS: a connection that does not greet so is closed.
    #[must_use]
    pub fn with_tls(mut self, acceptor: tokio_rustls::TlsAcceptor) -> Self {
        self.tls = Some(Tls(acceptor));
        self
    }
}
