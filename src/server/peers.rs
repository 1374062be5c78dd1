//! MM4 as the configuration has it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::StartError;
use super::config::Config;
use crate::mm4::client::{Timeouts, Trust};
use crate::mm4::{Bounds, Edge, Identity, Intake};
use crate::relay::Relay;

/// The peers and what it takes to speak with them.
pub(super) struct Peers {
    /// Where they are listened to.
    pub(super) listen: SocketAddr,
    /// Who we are for them.
    pub(super) identity: Identity,
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
        let roots = roots(mm4.authorities.as_deref())?;
        let trust = Trust::new(roots).map_err(|error| StartError::Certificate {
            file: "TLS".to_owned(),
            error: error.to_string(),
        })?;
        let tls = match (&mm4.certificate, &mm4.key) {
            (Some(certificate), Some(key)) => Some(acceptor(certificate.get_ref(), key)?),
            _ => None,
        };
        Ok(Some(Self {
            listen: mm4.listen,
            identity: Identity {
                host: mm4.host_name(),
                gate: Arc::new(gate),
                trust,
                timeouts: Timeouts::default(),
            },
            bounds: mm4.bounds(&config.limits),
            tls,
        }))
    }

    /// The interface that listens to them.
    pub(super) fn edge(&self, relay: &Arc<Relay>) -> Edge {
        let intake = Intake::new(relay.clone(), self.identity.gate.clone());
        let host = self.identity.host.clone();
        Edge::new(Arc::new(intake), host, self.bounds, self.tls.clone())
    }
}

fn failed(file: &Path, error: &dyn std::fmt::Display) -> StartError {
    StartError::Certificate {
        file: file.display().to_string(),
        error: error.to_string(),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| failed(file, &error))
}

/// Whose certificates are believed: those of a file, or those that browsers believe.
fn roots(file: Option<&Path>) -> Result<RootCertStore, StartError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots
                    .add(certificate)
                    .map_err(|error| failed(file, &error))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(roots)
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, StartError> {
    let chain = certificates(certificate)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, secret)
        })
        .map_err(|error| failed(certificate, &error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
