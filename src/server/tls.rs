//! TLS by rustls.

use std::fmt;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::engine::Cause;
use super::sniff::{Ended, within};
use crate::base::clock::sleep;
use crate::base::error::InvalidSetting;
use crate::shutdown::Draining;

/// What a server needs to speak TLS 1.2 and 1.3.
#[derive(Clone)]
pub(crate) struct Tls(TlsAcceptor);

impl Tls {
    /// Reads both PEM files; what cannot be accepted is named, and nothing of the key is ever shown.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, InvalidSetting> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
        let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
        let certificates = certificates.ok_or_else(|| {
            wrong(
                "server.tls_certificate",
                certificate,
                "a PEM file with at least one certificate",
            )
        })?;
        let secret = PrivateKeyDer::from_pem_file(key)
            .map_err(|_| wrong("server.tls_key", key, "a PEM file with a private key"))?;
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, secret));
        let mut config = config.map_err(|_| wrong("server.tls_key", key, "the private key of the certificate"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Leads through the handshake, within its limit.
    ///
    /// A drain shortens the wait for its beginning alone: whoever has begun believes to be connected, and may be far
    /// away.
    pub(super) async fn accept(
        self,
        stream: TcpStream,
        limit: Duration,
        draining: &Draining,
    ) -> Result<TlsStream<TcpStream>, Ended> {
        let mut deadline = pin!(async {
            sleep(limit).await;
            Cause::TlsHandshake
        });
        within(stream.peek(&mut [0]), &mut deadline, draining).await?;
        tokio::select! {
            biased;
            accepted = self.0.accept(stream) => accepted.map_err(Ended::ByThePeer),
            cause = deadline => Err(Ended::ByUs(cause)),
        }
    }
}

fn wrong(key: &str, path: &Path, allowed: &str) -> InvalidSetting {
    let state = if path.exists() { "unfit" } else { "not there" };
    InvalidSetting::new(key, format!("the file {}, which is {state}", path.display()), allowed)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}
