//! Certificates for services that speak TLS, and clients that trust them.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use seaworthy::AppBuilder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate of `localhost` with its key, in files, and who trusts it.
pub struct Identity {
    roots: RootCertStore,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Identity {
    pub fn make(name: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = std::env::temp_dir().join(format!("seaworthy-tls-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        Self {
            roots,
            certificate,
            key,
        }
    }

    /// A builder of a service that speaks TLS by it.
    pub fn builder(&self) -> AppBuilder {
        super::builder()
            .setting("server.tls_certificate", self.certificate.to_str().unwrap())
            .setting("server.tls_key", self.key.to_str().unwrap())
    }

    pub async fn connect(&self, addr: SocketAddr, protocol: &[u8]) -> TlsStream<TcpStream> {
        self.shake_hands(TcpStream::connect(addr).await.unwrap(), protocol)
            .await
    }

    pub async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, protocol: &[u8]) -> TlsStream<S> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap()
    }
}
