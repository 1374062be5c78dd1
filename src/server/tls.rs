//! TLS: certificates from files, read again when the configuration is, and roots to check others by.
//! All of it by rustls over aws-lc-rs; no other provider is linked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::config;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read, or is not PEM.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: String,
    },
    /// The certificate and the key do not belong together, or are of a kind that is not known.
    #[error("{path}: {error}")]
    Certificate {
        /// The file of the certificate.
        path: PathBuf,
        /// What is wrong with it.
        error: rustls::Error,
    },
    /// The library refused its own settings.
    #[error("TLS: {0}")]
    Settings(rustls::Error),
}

/// A certificate in use. [`Served::load`] again replaces it without a connection being closed.
#[derive(Debug)]
pub struct Served {
    current: ArcSwap<CertifiedKey>,
}

impl Served {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// Where a file cannot be read or the two do not belong together.
    pub fn new(files: &config::Tls) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self {
            current: ArcSwap::new(Arc::new(certified(files)?)),
        }))
    }

    /// Reads a certificate and its key, and serves them from now on.
    ///
    /// # Errors
    /// As [`Served::new`]; what was served is served on then.
    pub fn load(&self, files: &config::Tls) -> Result<(), TlsError> {
        self.current.store(Arc::new(certified(files)?));
        Ok(())
    }

    /// What takes connections with it.
    ///
    /// # Errors
    /// Where the library refuses its settings.
    pub fn acceptor(self: &Arc<Self>) -> Result<tokio_rustls::TlsAcceptor, TlsError> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Settings)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        Ok(tokio_rustls::TlsAcceptor::from(Arc::new(config)))
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// What makes connections to others, whose certificates must lead to a root in `roots`, a PEM file,
/// or without one to those that browsers know.
///
/// # Errors
/// Where the file cannot be read or holds no certificate.
pub fn client(roots: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let store = self::roots(roots)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Settings)?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Whose certificates are believed: those of a PEM file, or without one those that browsers know.
///
/// # Errors
/// Where the file cannot be read or holds no certificate.
pub fn roots(file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match file {
        Some(path) => {
            for certificate in certificates(path)? {
                store
                    .add(certificate)
                    .map_err(|error| TlsError::Certificate {
                        path: path.to_owned(),
                        error,
                    })?;
            }
        }
        None => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    Ok(store)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certified(files: &config::Tls) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| TlsError::File {
        path: files.key.clone(),
        error: error.to_string(),
    })?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|error| TlsError::Certificate {
        path: files.certificate.clone(),
        error,
    })
}

/// The certificates of a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |error: String| TlsError::File {
        path: path.to_owned(),
        error,
    };
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(PathBuf);

    impl Files {
        fn new(name: &str) -> Self {
            let name = format!("remold-tls-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, host: &str) -> config::Tls {
            let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
            let files = config::Tls {
                certificate: self.0.join(format!("{host}.pem")),
                key: self.0.join(format!("{host}.key")),
            };
            std::fs::write(&files.certificate, made.cert.pem()).unwrap();
            std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
            files
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// The certificate that a client of `roots` is shown, where it accepts it.
    fn shown(served: &Arc<Served>, roots: &Path, host: &'static str) -> Option<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (near, far) = tokio::io::duplex(1 << 16);
            let acceptor = served.acceptor().unwrap();
            let connector = tokio_rustls::TlsConnector::from(client(Some(roots)).unwrap());
            let name = rustls::pki_types::ServerName::try_from(host).unwrap();
            let (_, connected) = tokio::join!(acceptor.accept(far), connector.connect(name, near));
            let stream = connected.ok()?;
            let (_, session) = stream.get_ref();
            Some(session.peer_certificates()?.first()?.to_vec())
        })
    }

    #[test]
    fn a_certificate_is_replaced_while_it_is_served() {
        let files = Files::new("replaced");
        let (first, second) = (files.write("a.example"), files.write("b.example"));
        let served = Served::new(&first).unwrap();
        let before = shown(&served, &first.certificate, "a.example").unwrap();
        assert_eq!(shown(&served, &second.certificate, "b.example"), None);
        served.load(&second).unwrap();
        let after = shown(&served, &second.certificate, "b.example").unwrap();
        assert_ne!(before, after);
        let mixed = config::Tls {
            certificate: first.certificate.clone(),
            key: second.key.clone(),
        };
        assert!(matches!(
            served.load(&mixed),
            Err(TlsError::Certificate { .. })
        ));
        assert!(shown(&served, &second.certificate, "b.example").is_some());
    }

    #[test]
    fn a_file_that_is_none_is_named() {
        let files = Files::new("none");
        let mut good = files.write("a.example");
        good.certificate = good.key.clone();
        let error = Served::new(&good).unwrap_err().to_string();
        assert!(error.ends_with("there is no certificate in it"), "{error}");
        assert!(client(Some(&files.0.join("missing"))).is_err());
        assert!(client(None).is_ok());
    }
}
