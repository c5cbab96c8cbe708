//! The server over TLS.

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use seaworthy::{AppBuilder, Body};
use support::{Connection, Served, builder, get, metric};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

struct Identity {
    roots: RootCertStore,
    certificate: PathBuf,
    key: PathBuf,
}

impl Identity {
    fn make(name: &str) -> Self {
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

    fn builder(&self) -> AppBuilder {
        builder()
            .setting("server.tls_certificate", self.certificate.to_str().unwrap())
            .setting("server.tls_key", self.key.to_str().unwrap())
    }

    async fn connect(&self, served: &Served, protocol: &[u8]) -> TlsStream<TcpStream> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(served.addr).await.unwrap();
        TlsConnector::from(Arc::new(config))
            .connect("localhost".try_into().unwrap(), stream)
            .await
            .unwrap()
    }
}

fn router() -> Router {
    Router::new().route("/", on_get(|| async { "ok" }))
}

#[tokio::test]
async fn both_protocols_are_served_over_tls() {
    let identity = Identity::make("both");
    let served = Served::start(identity.builder().build().unwrap(), router());
    let request = || {
        http::Request::get("https://localhost/")
            .header("host", "localhost")
            .body(Empty::new())
            .unwrap()
    };

    let io = TokioIo::new(identity.connect(&served, b"http/1.1").await);
    let (mut client, connection) = hyper::client::conn::http1::handshake::<_, Empty<bytes::Bytes>>(io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let response = client.send_request(request()).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");

    let io = TokioIo::new(identity.connect(&served, b"h2").await);
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let response = client.send_request(request().map(Body::new)).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");

    let text = get(served.admin, "/metrics").await.body;
    let labels = [r#"url_scheme="https""#];
    assert_eq!(
        metric(&text, "http_server_request_duration_seconds_count", &labels),
        Some(2.0),
        "{text}"
    );
    assert!(served.end().await.is_whole());
}

#[tokio::test]
async fn a_handshake_that_never_ends_ends_at_its_deadline() {
    let identity = Identity::make("handshake");
    let app = identity
        .builder()
        .setting("server.tls_handshake_timeout", "100ms")
        .build()
        .unwrap();
    let served = Served::start(app, router());
    for bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
        let mut peer = Connection::open(served.addr).await;
        peer.write_bytes(bytes).await;
        peer.closed().await;
    }
    let text = get(served.admin, "/metrics").await.body;
    let labels = [r#"kind="server",name="server""#, r#"counter="tls_handshake_timeouts""#];
    assert_eq!(metric(&text, "seaworthy_counts_total", &labels), Some(2.0), "{text}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_does_not_hold_the_drain() {
    let identity = Identity::make("drain");
    let served = Served::start(identity.builder().build().unwrap(), router());
    let peer = Connection::open(served.addr).await;
    // Behind it in the backlog, so that it has been accepted once this is answered.
    identity.connect(&served, b"http/1.1").await;
    let drained = tokio::time::timeout(Duration::from_secs(5), served.end())
        .await
        .expect("ends before its deadline");
    assert!(drained.is_whole());
    peer.closed().await;
}

#[test]
fn unfit_files_are_named_and_nothing_of_them_is_shown() {
    let (one, other) = (Identity::make("one"), Identity::make("other"));
    let refused = |certificate: &str, key: &str| {
        let builder = builder()
            .setting("server.tls_certificate", certificate)
            .setting("server.tls_key", key);
        builder.build().unwrap_err().to_string()
    };
    let [certificate, key, stranger] = [&one.certificate, &one.key, &other.key].map(|path| path.to_str().unwrap());
    let nowhere = refused("/nowhere.pem", key);
    assert!(
        nowhere.contains("`server.tls_certificate` is the file /nowhere.pem, which is not there"),
        "{nowhere}"
    );
    assert!(refused(certificate, certificate).contains("it must be a PEM file with a private key"));
    assert!(refused(certificate, stranger).contains("it must be the private key of the certificate"));
    let half = builder()
        .setting("server.tls_key", key)
        .build()
        .unwrap_err()
        .to_string();
    assert!(half.contains("`server.tls_certificate` is not set"), "{half}");
}
