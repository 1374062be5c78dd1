//! MM4 as the configuration has it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsAcceptor;

use super::config::Config;
use super::tls::{self, Served};
use super::{StartError, TlsError};
use crate::mm4::client::{Timeouts, Trust};
use crate::mm4::{Board, Bounds, Edge, Enum, Identity, Intake, Resolver};
use crate::relay::Relay;

/// How long a name server may take.
const NAME_SERVER: Duration = Duration::from_secs(3);

/// The peers and what it takes to speak with them.
pub(super) struct Peers {
    /// Where they are listened to.
    pub(super) listen: SocketAddr,
    /// Who we are for them.
    pub(super) identity: Identity,
    /// The certificate that they are shown, where there is one.
    pub(super) served: Option<Arc<Served>>,
    /// Who says to which network a number belongs, where that is asked.
    pub(super) registry: Option<Arc<Enum>>,
    bounds: Bounds,
    tls: Option<TlsAcceptor>,
}

impl Peers {
    /// What the configuration says; `None` where it has no peer.
    pub(super) fn configured(config: &Config) -> Result<Option<Self>, StartError> {
        let mm4 = &config.mm4;
        if mm4.peers.is_empty() {
            return Ok(None);
        }
        let gate = mm4.gate(config.terms(String::new()).numbering);
        let roots = tls::roots(mm4.authorities.as_deref())?;
        let trust = Trust::new(roots).map_err(TlsError::Settings)?;
        let served = mm4.tls().as_ref().map(Served::new).transpose()?;
        let tls = served.as_ref().map(Served::acceptor).transpose()?;
        Ok(Some(Self {
            listen: mm4.listen,
            identity: Identity {
                host: mm4.host_name(),
                gate: Arc::new(gate),
                trust,
                timeouts: Timeouts::default(),
                resolver: resolver(config),
            },
            registry: mm4
                .enum_apex()
                .map(|apex| Arc::new(Enum::new(resolver(config), apex))),
            bounds: mm4.bounds(&config.limits),
            served,
            tls,
        }))
    }

    /// How they are doing.
    pub(super) fn board(&self) -> Board {
        Board::new(&self.identity.gate)
    }

    /// The interface that listens to them.
    pub(super) fn edge(&self, relay: &Arc<Relay>) -> Edge {
        let intake = Intake::new(relay.clone(), self.identity.gate.clone());
        let host = self.identity.host.clone();
        Edge::new(Arc::new(intake), host, self.bounds, self.tls.clone())
    }
}

/// Those name servers that the configuration says, or else those of the system.
fn resolver(config: &Config) -> Resolver {
    let servers = &config.mm4.name_servers;
    if servers.is_empty() {
        // Without the file, one on this machine is asked.
        Resolver::of_system(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    } else {
        Resolver::new(servers.clone(), NAME_SERVER)
    }
}
