//! The server over TLS.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::identity::Identity;
use support::{Connection, Served, builder, eventually, get, metric, within};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, duplex, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

fn router() -> Router {
    Router::new().route("/", on_get(|| async { "ok" }))
}

/// Asks for a path over a connection that is there, and returns the body of the answer.
async fn ask(
    io: TokioIo<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
    protocol: &[u8],
    uri: &str,
) -> bytes::Bytes {
    let request = http::Request::get(uri)
        .header("host", "localhost")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = if protocol == b"h2" {
        let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .unwrap();
        tokio::spawn(connection);
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.version(), http::Version::HTTP_2);
        response
    } else {
        let (mut client, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        client.send_request(request).await.unwrap()
    };
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Reads one of the server's counters.
async fn count(admin: SocketAddr, counter: &str) -> f64 {
    let text = get(admin, "/metrics").await.body;
    let labels = [r#"kind="server",name="server""#, &format!(r#"counter="{counter}""#)];
    metric(&text, "seaworthy_counts_total", &labels).unwrap_or_else(|| panic!("no counter {counter} in {text}"))
}

#[tokio::test]
async fn both_protocols_are_served_over_tls() {
    let identity = Identity::make("both");
    let served = Served::start(identity.builder().build().unwrap(), router());
    for protocol in [&b"http/1.1"[..], b"h2"] {
        let io = TokioIo::new(identity.connect(served.addr, protocol).await);
        assert_eq!(ask(io, protocol, "https://localhost/").await, "ok");
    }
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
    assert_eq!(count(served.admin, "tls_handshake_timeouts").await, 2.0);
}

#[tokio::test]
async fn a_handshake_that_never_begins_does_not_hold_the_drain() {
    let identity = Identity::make("drain");
    let served = Served::start(identity.builder().build().unwrap(), router());
    let peer = Connection::open(served.addr).await;
    // Behind it in the backlog, so that it has been accepted once this is answered.
    identity.connect(served.addr, b"http/1.1").await;
    let drained = tokio::time::timeout(Duration::from_secs(5), served.end())
        .await
        .expect("ends before its deadline");
    assert!(drained.is_whole());
    peer.closed().await;
}

/// Opens a connection whose peer has sent the beginning of its handshake, and sends the rest when told.
async fn begin(
    served: &Served,
) -> (
    impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    oneshot::Sender<()>,
) {
    let mut socket = TcpStream::connect(served.addr).await.unwrap();
    let (near, far) = duplex(64 << 10);
    let (go_on, told) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let (mut said, mut heard) = split(far);
        let mut beginning = [0; 5];
        said.read_exact(&mut beginning).await.unwrap();
        socket.write_all(&beginning).await.unwrap();
        let _ = told.await;
        let (mut from, mut to) = socket.split();
        let _ = tokio::join!(copy(&mut said, &mut to), copy(&mut from, &mut heard));
    });
    (near, go_on)
}

#[tokio::test]
async fn a_peer_in_the_backlog_has_its_handshakes_own_time_in_spite_of_the_drain() {
    for protocol in [&b"http/1.1"[..], b"h2"] {
        let identity = Identity::make("backlog");
        let app = identity.builder().setting("server.max_connections", "1");
        let served = Served::start(app.build().unwrap(), router());
        let socket = TcpSocket::new_v4().unwrap();
        // From an address of its own, as one may not take every place.
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let first = socket.connect(served.addr).await.unwrap();
        let first = identity.shake_hands(first, b"http/1.1").await;
        let (slow, go_on) = begin(&served).await;
        let shaking = tokio::spawn(async move { identity.shake_hands(slow, protocol).await });
        let (addr, admin) = (served.addr, served.admin);
        let ending = tokio::spawn(served.end());
        eventually("out of the backlog", || async { count(admin, "accepted").await == 2.0 }).await;
        drop(first);
        // Longer than a connection that closes may linger.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        go_on.send(()).unwrap();
        let io = TokioIo::new(within(shaking).await.unwrap());
        let answer = ask(io, protocol, &format!("https://{addr}/")).await;
        assert_eq!(answer, "ok");
        assert!(ending.await.unwrap().is_whole());
    }
}

#[tokio::test]
async fn a_handshake_that_has_begun_and_never_ends_is_cut_by_the_drain() {
    let identity = Identity::make("cut");
    let app = identity.builder().setting("shutdown.drain", "1s").build().unwrap();
    let served = Served::start(app, router());
    let mut peer = Connection::open(served.addr).await;
    peer.write_bytes(b"\x16\x03\x01\x02\x00\x01").await;
    identity.connect(served.addr, b"http/1.1").await;
    assert_eq!(served.end().await.connections_cut, 1);
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
