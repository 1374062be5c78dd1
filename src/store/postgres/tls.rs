//! TLS on the way to the database. Where it is spoken, the certificate is checked: a connection
//! that anybody could have answered protects nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as Secured;

use crate::store::StoreError;

/// Makes secured streams.
#[derive(Clone)]
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts `roots`, or the authorities of the web.
    pub(super) fn new(roots: Option<Arc<RootCertStore>>) -> Result<Self, StoreError> {
        let wrong = |error: rustls::Error| StoreError::Database(format!("TLS: {error}"));
        let roots = roots.unwrap_or_else(|| {
            let web = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
            Arc::new(web.collect())
        });
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(wrong)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Stream<S>;
    type TlsConnect = Connect;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Connect, Self::Error> {
        Ok(Connect {
            connector: TlsConnector::from(self.0.clone()),
            // A Unix socket has no name, and no TLS.
            name: ServerName::try_from(if host.is_empty() { "localhost" } else { host })?
                .to_owned(),
        })
    }
}

/// A connection about to be secured.
pub(super) struct Connect {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Connect {
    type Stream = Stream<S>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { Ok(Stream(self.connector.connect(self.name, stream).await?)) })
    }
}

/// A secured connection.
pub(super) struct Stream<S = tokio_postgres::Socket>(Secured<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_in_the_handshake_and_a_socket_is_not() {
        let mut tls = Tls::new(None).unwrap();
        let mut name = |host| {
            let made = MakeTlsConnect::<tokio_postgres::Socket>::make_tls_connect(&mut tls, host);
            made.map(|connect| connect.name.to_str().into_owned())
        };
        assert_eq!(name("db.example.net").unwrap(), "db.example.net");
        assert_eq!(name("192.0.2.1").unwrap(), "192.0.2.1");
        assert_eq!(name("").unwrap(), "localhost");
        assert!(name("not a name").is_err());
    }

    #[test]
    fn authorities_of_an_operator_stand_for_those_of_the_web() {
        let none = Arc::new(RootCertStore::empty());
        assert!(Tls::new(Some(none)).is_ok());
    }
}
