//! Connections are bounded in number and in time; each bound has its counter.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get as on_get;
use futures_util::stream;
use http_body_util::BodyExt;
use support::{Connection, Served, builder, eventually, get, h2, metric};
use tokio::net::TcpSocket;

/// More than all buffers on the way hold.
const BIG: usize = 32 << 20;

/// More than a small window of HTTP/2, less than anybody splits.
const PIECE: usize = 60_000;

fn router() -> Router {
    Router::new()
        .route("/", on_get(|| async { "ok" }))
        .route("/hang", on_get(std::future::pending::<()>))
        .route("/piece", on_get(|| async { vec![b'.'; PIECE] }))
        .route("/big", on_get(|| async { vec![b'.'; BIG] }))
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
    let labels = [r#"kind="server",name="server""#, &format!(r#"counter="{counter}""#)];
    metric(&text, "seaworthy_counts_total", &labels).unwrap_or_else(|| panic!("no counter {counter} in {text}"))
}

/// Waits until it has been counted once: a peer sees that its connection has ended before anybody counts it.
async fn counted(served: &Served, counter: &str) {
    eventually(counter, || async { count(served, counter).await == 1.0 }).await;
}

/// Opens a connection, sends `bytes`, and expects that the server ends it for the reason that `counter` counts.
async fn ends(setting: &str, bytes: &[u8], counter: &str) -> Vec<u8> {
    let served = served(&[(setting, "100ms")]);
    let mut connection = Connection::open(served.addr).await;
    connection.write_bytes(bytes).await;
    let answer = connection.closed_bytes().await;
    counted(&served, counter).await;
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_ends_at_the_first_bytes_deadline() {
    ends("server.first_byte_timeout", b"", "first_byte_timeouts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_beginning_of_the_preface_ends_at_its_deadline() {
    ends("server.preface_timeout", b"PRI", "preface_timeouts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preface_and_then_silence_ends_at_the_headers_deadline() {
    ends("server.header_timeout", h2::HELLO, "header_timeouts").await;
}

#[tokio::test(flavor = "multi_thread")]
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

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_a_later_request_that_never_end_end_too() {
    let served = served(&[("server.header_timeout", "100ms")]);
    let mut connection = Connection::open(served.addr).await;
    connection.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    connection.read_response().await;
    connection.write("GET / HTTP/1.1\r\nx: ").await;
    connection.closed().await;
    counted(&served, "header_timeouts").await;
}

#[tokio::test(flavor = "multi_thread")]
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

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_never_idle_ends_at_its_age() {
    let served = served(&[("server.max_age", "200ms")]);
    let mut connection = Connection::open(served.addr).await;
    let mut asked = 0;
    while connection.try_write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await && connection.try_read_response().await {
        asked += 1;
    }
    assert!(asked > 1, "{asked}");
    counted(&served, "age_limits").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_outlives_the_age_of_its_connection() {
    let served = served(&[("server.max_age", "50ms"), ("server.deadline", "400ms")]);
    let answer = get(served.addr, "/hang").await;
    assert_eq!(answer.status, 504);
}

#[tokio::test(flavor = "multi_thread")]
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
        counted(&served, "write_timeouts").await;
    }
}

async fn open_from(local: &str, server: SocketAddr) -> Connection {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{local}:0").parse().unwrap()).unwrap();
    Connection::of(socket.connect(server).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
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
    counted(&served, "over_address_limit").await;
    assert_eq!(get(served.addr, "/").await.body, "ok", "from another address");
    taken.pop();
    eventually("its place is free again", || async {
        let mut connection = open_from("127.0.0.2", served.addr).await;
        connection.try_write(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await && connection.try_read_response().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
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

#[tokio::test(flavor = "multi_thread")]
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

/// Reads a response with a body of so many bytes, taking no more than `piece` bytes at a time and pausing between.
async fn read_slowly(connection: &mut Connection, length: usize, piece: usize, pause: Duration) -> usize {
    connection.read_until("\r\n\r\n").await;
    let mut read = connection.read_so_far_after("\r\n\r\n");
    while read < length {
        tokio::time::sleep(pause).await;
        match connection.read_some(piece).await {
            0 => break,
            count => read += count,
        }
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_whose_reader_pauses_is_whole_in_spite_of_the_drain() {
    let served = served(&[]);
    let mut reader = Connection::open(served.addr).await;
    reader.write("GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await;
    reader.read_until("\r\n\r\n").await;
    let ending = tokio::spawn(served.end());
    // Longer than a connection that closes may linger.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(read_slowly(&mut reader, BIG, 1 << 20, Duration::ZERO).await, BIG);
    assert!(ending.await.unwrap().is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_over_http_2_whose_reader_pauses_is_whole_in_spite_of_the_drain() {
    let served = served(&[]);
    let stream = tokio::net::TcpStream::connect(served.addr).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}/big", served.addr);
    let request = http::Request::get(uri).body(seaworthy::Body::empty()).unwrap();
    let response = client.send_request(request).await.unwrap();
    let ending = tokio::spawn(served.end());
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), BIG);
    drop(client);
    assert!(ending.await.unwrap().is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_piece_of_a_response_over_http_2_waits_for_its_reader() {
    let served = served(&[]);
    let stream = tokio::net::TcpStream::connect(served.addr).await.unwrap();
    let mut builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
    builder.initial_stream_window_size(16 << 10);
    let (mut client, connection) = builder.handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = |path| format!("http://{}{path}", served.addr);
    let request = |path| http::Request::get(uri(path)).body(seaworthy::Body::empty()).unwrap();
    // What went before leaves nothing that could pass for bytes of this response.
    for _ in 0..2_000 {
        client
            .send_request(request("/"))
            .await
            .unwrap()
            .into_body()
            .collect()
            .await
            .unwrap();
    }
    // A single piece, larger than the window, so that nothing is left to ask for.
    let response = client.send_request(request("/piece")).await.unwrap();
    let ending = tokio::spawn(served.end());
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), PIECE);
    drop(client);
    assert!(ending.await.unwrap().is_whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_who_goes_on_reading_is_not_given_up_on() {
    let served = served(&[("server.write_timeout", "1500ms"), ("server.deadline", "1h")]);
    let mut reader = Connection::open(served.addr).await;
    reader.write("GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await;
    // Takes some three seconds.
    let read = read_slowly(&mut reader, BIG, 256 << 10, Duration::from_millis(25)).await;
    assert_eq!(read, BIG);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_pings_does_not_outlive_its_idleness() {
    let served = served(&[("server.idle_timeout", "200ms")]);
    let mut peer = Connection::open(served.addr).await;
    peer.write_bytes(&[h2::HELLO, &h2::get(1, "/")].concat()).await;
    let ping = h2::frame(h2::PING, 0, 0, b"01234567");
    let pinging = async {
        while peer.try_write(&ping).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), pinging)
        .await
        .expect("is ended in spite of its pings");
    counted(&served, "idle_timeouts").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_nobody_takes_ends_its_connection_in_spite_of_a_living_one() {
    let served = served(&[("server.write_timeout", "200ms"), ("server.deadline", "1h")]);
    let mut peer = Connection::open(served.addr).await;
    peer.write_bytes(&[h2::HELLO, &h2::get(1, "/hang"), &h2::get(3, "/endless")].concat())
        .await;
    // All that comes is read, but no window is opened.
    peer.closed().await;
    eventually("counted", || async { count(&served, "write_timeouts").await >= 1.0 }).await;
}

/// Linux keeps up to 4,096 since release 5.4; others keep fewer.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn hundreds_may_connect_and_wait_while_all_places_are_taken() {
    let served = served(&[("server.max_connections", "1")]);
    let mut first = open_from("127.0.0.2", served.addr).await;
    first.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    first.read_response().await;
    let mut waiting = Vec::new();
    for _ in 0..500 {
        waiting.push(support::within(Connection::open(served.addr)).await);
    }
    drop(first);
    for mut connection in waiting {
        connection.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
        connection.read_response().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_must_be_waited_for_is_counted() {
    let served = served(&[("server.max_connections", "1")]);
    let mut first = Connection::open(served.addr).await;
    first.write("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    first.read_response().await;
    eventually("counted", || async {
        count(&served, "waited_for_a_place").await >= 1.0
    })
    .await;
    assert_eq!(
        count(&served, "accepted").await - count(&served, "closed").await,
        1.0,
        "open"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_http_2_are_announced_and_hold() {
    let served = served(&[]);
    let mut peer = Connection::open(served.addr).await;
    peer.write_bytes(h2::HELLO).await;
    // SETTINGS_MAX_CONCURRENT_STREAMS, SETTINGS_INITIAL_WINDOW_SIZE, SETTINGS_MAX_HEADER_LIST_SIZE.
    for setting in [[0, 3, 0, 0, 0, 200], [0, 4, 0, 1, 0, 0], [0, 6, 0, 0, 0x40, 0]] {
        peer.read_bytes_until(&setting).await;
    }
    peer.write_bytes(&h2::frame(h2::SETTINGS, h2::ACK, 0, b"")).await;
    for number in 0..201 {
        peer.write_bytes(&h2::get(2 * number + 1, "/hang")).await;
    }
    let refused = h2::frame(h2::RST_STREAM, 0, 401, &[0, 0, 0, 7]);
    peer.read_bytes_until(&refused).await;
    eventually("the others are served", || async { served.shutdown.in_flight() == 200 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_counted() {
    let served = served(&[]);
    let answer = support::send_raw(served.addr, "no such thing\r\n\r\n").await.unwrap();
    assert_eq!(answer.status, 400);
    counted(&served, "malformed").await;
}
