//! TLS towards gateways.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Whose certificates are believed.
#[derive(Debug, Clone)]
pub(in crate::server) struct Authorities(Arc<RootCertStore>);

impl Default for Authorities {
    /// Those of the web.
    fn default() -> Self {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
        Self(Arc::new(roots.collect()))
    }
}

impl Authorities {
    /// Those of the web and those in a file of PEM.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no certificate.
    pub(in crate::server) fn from_file(path: &Path) -> Result<Self, String> {
        let mut store: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        let web = store.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
            let certificate = certificate.map_err(|error| error.to_string())?;
            store.add(certificate).map_err(|error| error.to_string())?;
        }
        if store.len() == web {
            return Err("there is no certificate in it".to_owned());
        }
        Ok(Self(Arc::new(store)))
    }

    /// The certificates.
    #[cfg(feature = "postgres")]
    pub(in crate::server) fn roots(&self) -> Arc<RootCertStore> {
        self.0.clone()
    }

    /// What connects with these.
    pub(super) fn connector(&self) -> Result<TlsConnector, std::io::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)?
            .with_root_certificates(self.0.clone())
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects to a host, with TLS where there is a connector.
pub(super) async fn connect(
    host: &str,
    port: u16,
    tls: Option<&TlsConnector>,
) -> std::io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let Some(connector) = tls else {
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
    Ok(Box::new(connector.connect(name, stream).await?))
}
