//! The real `orders` drains against peers of every kind.
#![cfg(unix)]

mod support;

use std::time::{Duration, Instant};

use support::identity::Identity;
use support::process::{Process, command, orders};
use support::{Connection, get, h2};

/// What a client sends to turn its connection into a WebSocket.
const WEBSOCKET: &[u8] =
    b"GET /drills/websocket HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const DRAIN: Duration = Duration::from_secs(2);

async fn start() -> Process {
    start_with(&[]).await
}

async fn start_with(settings: &[(&str, &str)]) -> Process {
    let phases = [("SHUTDOWN__HOLD", "1s"), ("SHUTDOWN__DRAIN", "2s")];
    let mut command = command(orders(), &[&phases[..], settings].concat());
    command.env("TOKIO_WORKER_THREADS", "2");
    Process::start(command).await
}

/// Opens a connection that has sent this and reads nothing more.
async fn open(process: &Process, bytes: &[u8]) -> Connection {
    let mut connection = Connection::open(process.addr).await;
    connection.write_bytes(bytes).await;
    connection
}

/// Opens one connection of each kind that does not end by itself.
async fn one_of_each_kind(process: &Process) -> Vec<Connection> {
    let silent = open(process, b"").await;
    let lone_preface = open(process, b"PRI").await;
    let preface_and_silence = open(process, h2::HELLO).await;
    let partial_headers = open(process, b"GET /orders/1 HTTP/1.1\r\nx: ").await;
    let head = b"POST /orders HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let partial_body = open(process, head).await;
    let slow_reader = open(process, b"GET /drills/endless HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut event_stream = open(process, b"GET /events HTTP/1.1\r\nhost: test\r\n\r\n").await;
    event_stream.read_until("200 OK").await;
    let mut websocket = open(process, WEBSOCKET).await;
    websocket.read_until("101 Switching Protocols").await;
    // Its SETTINGS, PING and GOAWAY frames are never acknowledged.
    let mut unacknowledged = open(process, &[h2::HELLO, &h2::get(1, "/orders/1")].concat()).await;
    unacknowledged.read_until("no such order").await;
    let stream_held_open = open(process, &[h2::HELLO, &h2::get(1, "/drills/endless")].concat()).await;
    vec![
        silent,
        lone_preface,
        preface_and_silence,
        partial_headers,
        partial_body,
        slow_reader,
        event_stream,
        websocket,
        unacknowledged,
        stream_held_open,
    ]
}

#[tokio::test]
async fn the_drain_ends_by_its_deadline_against_peers_of_every_kind() {
    let mut process = start().await;
    let peers = one_of_each_kind(&process).await;
    let mut trickle = open(&process, b"GET /orders/1 HTTP/1.1\r\nx: ").await;
    let trickling = tokio::spawn(async move {
        while trickle.try_write(b"x").await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let addr = process.addr;
    process.signal("TERM").await;
    let told = Instant::now();
    // A polite client is answered for as long as the listener is open.
    let polite = tokio::spawn(async move {
        let mut answered = 0;
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            let answer = support::send_raw(
                addr,
                "GET /orders/7 HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n",
            )
            .await;
            match answer {
                Some(answer) => assert_eq!(answer.status, 404),
                None => break,
            }
            answered += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (answered, told.elapsed())
    });
    process.unready().await;
    assert_eq!(get(process.admin, "/livez").await.status, 200);
    let (answered, until) = polite.await.unwrap();
    assert!(
        answered > 10 && until >= Duration::from_millis(900),
        "{answered} answers until {until:?}"
    );

    let stopped = process.log.find("stopped").await;
    assert!(
        told.elapsed() < Duration::from_secs(1) + DRAIN + Duration::from_secs(1),
        "{:?}",
        told.elapsed()
    );
    assert_eq!(process.exit_code().await, Some(3), "{stopped}");
    // The WebSocket never said goodbye, two never read, and one holds its stream open.
    assert!(stopped["connections_cut"].as_u64() >= Some(3), "{stopped}");
    assert_eq!(stopped["tasks_cut"], 0, "{stopped}");
    for peer in peers {
        peer.closed().await;
    }
    trickling.await.unwrap();
}

#[tokio::test]
async fn what_is_cut_is_logged_by_its_kind() {
    for (bytes, begun, kind) in [
        (
            &b"GET /drills/endless HTTP/1.1\r\nhost: test\r\n\r\n"[..],
            "200 OK",
            "slow_reader",
        ),
        (b"GET /slow?ms=9000 HTTP/1.1\r\nhost: test\r\n\r\n", "", "request"),
        (WEBSOCKET, "101 Switching Protocols", "upgraded"),
    ] {
        let mut process = start().await;
        let mut peer = open(&process, bytes).await;
        peer.read_until(begun).await;
        if begun.is_empty() {
            process.in_flight(1.0).await;
        }
        process.signal("INT").await;
        let cut = process.log.find("connection cut at the drain's deadline").await;
        assert_eq!(cut["kind"], kind);
        assert_eq!(process.exit_code().await, Some(3));
    }
}

#[tokio::test]
async fn the_drain_over_tls_ends_by_its_deadline_against_handshakes_that_never_begin_or_never_end() {
    let identity = Identity::make("orders-drain");
    let [certificate, key] = [&identity.certificate, &identity.key].map(|path| path.to_str().unwrap());
    let mut process = start_with(&[("SERVER__TLS_CERTIFICATE", certificate), ("SERVER__TLS_KEY", key)]).await;
    let silent = open(&process, b"").await;
    let begun = open(&process, b"\x16\x03\x01\x02\x00\x01").await;
    // Behind them in the backlog, so that they have been accepted once this has shaken hands.
    identity.connect(process.addr, b"h2").await;
    process.signal("INT").await;
    let told = Instant::now();
    silent.closed().await;
    let cut = process.log.find("connection cut at the drain's deadline").await;
    assert_eq!(cut["kind"], "handshake");
    begun.closed().await;
    let stopped = process.log.find("stopped").await;
    assert_eq!(
        [&stopped["connections_cut"], &stopped["exit_code"]],
        [1, 3],
        "{stopped}"
    );
    assert!(told.elapsed() < DRAIN + Duration::from_secs(1), "{:?}", told.elapsed());
    assert_eq!(process.exit_code().await, Some(3));
}

#[tokio::test]
async fn an_event_stream_and_a_websocket_that_play_their_part_end_whole() {
    let mut process = start().await;
    let mut events = open(&process, b"GET /events HTTP/1.1\r\nhost: test\r\n\r\n").await;
    events.read_until("200 OK").await;
    let mut websocket = open(&process, WEBSOCKET).await;
    websocket.read_until("101 Switching Protocols").await;
    let polite = tokio::spawn(async move {
        // The service's goodbye, and the peer's, which is masked as a client's frames are.
        websocket.read_bytes_until(&[0x88, 0x00]).await;
        websocket.write_bytes(&[0x88, 0x80, 0, 0, 0, 0]).await;
        websocket.closed().await;
    });
    process.signal("INT").await;
    let stopped = process.log.find("stopped").await;
    assert_eq!(stopped["exit_code"], 0, "{stopped}");
    polite.await.unwrap();
    assert!(
        events.closed().await.ends_with("0\r\n\r\n"),
        "the stream ends and is not cut"
    );
    assert_eq!(process.exit_code().await, Some(0));
}
