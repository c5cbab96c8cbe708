//! Connections are bounded in number and in time; each bound has its counter.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get as on_get;
use futures_util::stream;
use support::{Connection, Served, builder, eventually, get, h2, metric};
use tokio::net::TcpSocket;

fn router() -> Router {
    Router::new()
        .route("/", on_get(|| async { "ok" }))
        .route("/hang", on_get(std::future::pending::<()>))
        .route(
            "/endless",
            on_get(|| async {
                let piece = Bytes::from_static(&[b'.'; 16 * 1024]);
                Body::from_stream(stream::repeat(Ok::<_, std::convert::Infallible>(piece)))
            }),
        )
}

fn served(settings: &[(&str, &str)]) -> Served {
    let builder = settings
        .iter()
        .fold(builder(), |builder, (key, value)| builder.setting(*key, *value));
    Served::start(builder.build().unwrap(), router())
}

async fn count(served: &Served, counter: &str) -> f64 {
    let text = get(served.admin, "/metrics").await.body;
    let labels = [r#"kind="server""#, &format!(r#"counter="{counter}""#)];
    metric(&text, "seaworthy_counts_total", &labels).unwrap_or_else(|| panic!("no counter {counter} in {text}"))
}

/// Opens a connection, sends `bytes`, and expects that the server ends it for the reason that `counter` counts.
async fn ends(setting: &str, bytes: &[u8], counter: &str) -> Vec<u8> {
    let served = served(&[(setting, "100ms")]);
    let mut connection = Connection::open(served.addr).await;
    connection.write_bytes(bytes).await;
    let answer = connection.closed_bytes().await;
    assert_eq!(count(&served, counter).await, 1.0);
    answer
}

#[tokio::test]
async fn a_silent_connection_ends_at_the_first_bytes_deadline() {
    ends("server.first_byte_timeout", b"", "first_byte_timeouts").await;
}

#[tokio::test]
async fn a_lone_beginning_of_the_preface_ends_at_its_deadline() {
    ends("server.preface_timeout", b"PRI", "preface_timeouts").await;
}

#[tokio::test]
async fn a_preface_and_then_silence_ends_at_the_headers_deadline() {
    ends("server.header_timeout", h2::HELLO, "header_timeouts").await;
}

#[tokio::test]
async fn headers_that_never_end_end_at_their_deadline_on_both_protocols() {
    ends("server.header_timeout", b"GET / HTTP/1.1\r\nx: ", "header_timeouts").await;
    let begun = h2::frame(h2::HEADERS, h2::END_STREAM, 1, &h2::request("GET", "/"));
    ends(
        "server.header_timeout",
        &[h2::HELLO, &begun].concat(),
        "header_timeouts",
    )
    .await;
}

#[tokio::test]
async fn headers_of_a_later_request_that_never_end_end_too() {
    let served = served(&[("server.header_timeout", "100ms")]);
    let mut connection = Connection::open(served.addr).await;
    connection.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    connection.read_response().await;
    connection.write("GET / HTTP/1.1\r\nx: ").await;
    connection.closed().await;
    assert_eq!(count(&served, "header_timeouts").await, 1.0);
}

#[tokio::test]
async fn an_idle_connection_ends_at_its_deadline_on_both_protocols() {
    let request = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
    let answer = ends("server.idle_timeout", request, "idle_timeouts").await;
    assert!(answer.ends_with(b"ok"));
    ends(
        "server.idle_timeout",
        &[h2::HELLO, &h2::get(1, "/")].concat(),
        "idle_timeouts",
    )
    .await;
}

#[tokio::test]
async fn a_connection_that_is_never_idle_ends_at_its_age() {
    let served = served(&[("server.max_age", "200ms")]);
    let mut connection = Connection::open(served.addr).await;
    let mut asked = 0;
    while connection.try_write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await && connection.try_read_response().await {
        asked += 1;
    }
    assert!(asked > 1, "{asked}");
    assert_eq!(count(&served, "age_limits").await, 1.0);
}

#[tokio::test]
async fn a_request_in_flight_outlives_the_age_of_its_connection() {
    let served = served(&[("server.max_age", "50ms"), ("server.deadline", "400ms")]);
    let answer = get(served.addr, "/hang").await;
    assert_eq!(answer.status, 504);
}

#[tokio::test]
async fn a_reader_who_does_not_read_ends_at_the_write_deadline_on_both_protocols() {
    // The response's own deadline comes later.
    let settings = [("server.write_timeout", "200ms"), ("server.deadline", "1h")];
    for request in [
        &b"GET /endless HTTP/1.1\r\nhost: test\r\n\r\n"[..],
        &[h2::HELLO, &h2::get(1, "/endless")].concat(),
    ] {
        let served = served(&settings);
        let mut connection = Connection::open(served.addr).await;
        connection.write_bytes(request).await;
        let shutdown = served.shutdown.clone();
        eventually("begun", || async { shutdown.in_flight() == 1 }).await;
        eventually("given up on", || async { shutdown.in_flight() == 0 }).await;
        assert_eq!(count(&served, "write_timeouts").await, 1.0);
    }
}

async fn open_from(local: &str, server: SocketAddr) -> Connection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{local}:0").parse().unwrap()).unwrap();
    Connection::of(socket.connect(server).await.unwrap())
}

#[tokio::test]
async fn one_address_cannot_take_the_place_of_another() {
    let served = served(&[("server.max_connections_per_address", "2")]);
    let mut taken = Vec::new();
    for _ in 0..2 {
        let mut connection = open_from("127.0.0.2", served.addr).await;
        connection.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        connection.read_response().await;
        taken.push(connection);
    }
    assert_eq!(open_from("127.0.0.2", served.addr).await.closed().await, "");
    assert_eq!(count(&served, "over_address_limit").await, 1.0);
    assert_eq!(get(served.addr, "/").await.body, "ok", "from another address");
    taken.pop();
    eventually("its place is free again", || async {
        let mut connection = open_from("127.0.0.2", served.addr).await;
        connection.try_write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await && connection.try_read_response().await
    })
    .await;
}

#[tokio::test]
async fn what_had_connected_when_the_listener_closed_is_still_served() {
    let served = served(&[("server.max_connections", "1")]);
    let mut first = open_from("127.0.0.2", served.addr).await;
    first.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    first.read_response().await;
    // Waits in the system's backlog, as the only place is taken.
    let mut waiting = Connection::open(served.addr).await;
    waiting.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert!(served.end().await.is_whole());
    let answer = waiting.closed().await;
    assert!(answer.ends_with("ok"), "{answer:?}");
}

#[tokio::test]
async fn a_peer_that_never_acknowledges_does_not_hold_the_drain() {
    let served = served(&[]);
    let mut peer = Connection::open(served.addr).await;
    peer.write_bytes(&[h2::HELLO, &h2::get(1, "/")].concat()).await;
    peer.read_until("ok").await;
    let drained = tokio::time::timeout(Duration::from_secs(5), served.end())
        .await
        .expect("ends long before its deadline");
    assert!(drained.is_whole(), "{drained:?}");
    peer.closed().await;
}
