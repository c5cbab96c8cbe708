//! The real `orders` under floods: its memory stays bounded, and a polite client from elsewhere is still answered.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::process::{Process, command, orders};
use support::{Connection, eventually, get, h2, metric};
use tokio::net::TcpSocket;
use tokio::sync::Mutex;

/// The most memory that the process may ever have had, in KiB: 256 MB.
const MOST_MEMORY: u64 = 256_000_000 / 1024;
const P99: Duration = Duration::from_millis(100);

async fn connect(from: &str, server: SocketAddr) -> std::io::Result<Connection> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(format!("{from}:0").parse().unwrap())?;
    // Ports that nobody waits for any more are found sooner by the next flood.
    socket.set_zero_linger()?;
    socket.connect(server).await.map(Connection::of)
}

async fn open(server: SocketAddr, bytes: &[u8]) -> Connection {
    let mut connection = connect("127.0.0.3", server).await.unwrap();
    connection.try_write(bytes).await;
    connection
}

/// Runs a flood beside a polite client, and requires what must hold in any.
async fn under<T>(settings: &[(&str, &str)], flood: impl AsyncFnOnce(&Process) -> T) {
    // One at a time: the machine's two cores are the flooder's and the service's.
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let quiet = [("LOG__FILTER", "info,seaworthy::access=off")];
    let mut command = command(orders(), &[&quiet[..], settings].concat());
    command.env("TOKIO_WORKER_THREADS", "2");
    let process = Process::start(command).await;
    let over = Arc::new(AtomicBool::new(false));
    let polite = tokio::spawn(ask_politely(process.addr, over.clone()));
    let flooded = flood(&process).await;
    over.store(true, Ordering::SeqCst);
    let mut latencies = polite.await.unwrap();
    drop(flooded);
    latencies.sort();
    let p99 = latencies[latencies.len() * 99 / 100];
    let memory = most_memory(&process);
    eprintln!(
        "{} answers, p99 {p99:?}, at most {} MiB",
        latencies.len(),
        memory / 1024
    );
    assert!(latencies.len() >= 500, "only {} answers", latencies.len());
    assert!(p99 < P99, "p99 {p99:?}");
    assert!(memory < MOST_MEMORY, "{memory} KiB");
}

/// Reads what the service counts of its connections.
async fn counted(process: &Process, counter: &str) -> f64 {
    let text = get(process.admin, "/metrics").await.body;
    let labels = [r#"kind="server",name="server""#, &format!(r#"counter="{counter}""#)];
    metric(&text, "seaworthy_counts_total", &labels).unwrap_or(0.0)
}

/// Waits until so many requests have been answered, or have ended otherwise, as these labels say.
async fn ended(process: &Process, labels: &[&str], least: u32) {
    eventually("so many requests have ended", || async {
        let text = get(process.admin, "/metrics").await.body;
        metric(&text, "http_server_request_duration_seconds_count", labels) >= Some(least.into())
    })
    .await;
}

/// Waits until so many requests are in flight.
async fn active(process: &Process, method: &str, least: u32) {
    let method = format!(r#"method="{method}""#);
    eventually("so many requests are in flight", || async {
        let text = get(process.admin, "/metrics").await.body;
        metric(&text, "http_server_active_requests", &[&method]) >= Some(least.into())
    })
    .await;
}

/// Waits until the service has had so many MiB: only then is what the flood brings held by it, and not by the system.
async fn at_least_memory(process: &Process, mebibytes: u64) {
    eventually("so much memory is held", || async {
        most_memory(process) >= mebibytes * 1024
    })
    .await;
}

/// Asks until the flood is over, at least five hundred times; on a new connection now and then.
async fn ask_politely(addr: SocketAddr, over: Arc<AtomicBool>) -> Vec<Duration> {
    let mut latencies = Vec::new();
    loop {
        let mut connection = connect("127.0.0.2", addr).await.unwrap();
        for _ in 0..20 {
            let start = Instant::now();
            connection.write("GET /orders/7 HTTP/1.1\r\nhost: test\r\n\r\n").await;
            connection.read_response().await;
            latencies.push(start.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if over.load(Ordering::SeqCst) && latencies.len() >= 500 {
            return latencies;
        }
    }
}

/// Reads the peak of the resident set, in KiB.
fn most_memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A flood of pieces: the same number on each of so many connections, as long as the server takes them.
struct Flood {
    connections: u32,
    hello: Vec<u8>,
    /// What must have come before the pieces.
    welcome: &'static [u8],
    pieces: u32,
}

/// What became of a flood.
struct Flooded {
    /// Those whose every piece the server has dealt with, as it says by answering a PING that came after them.
    served: u32,
    /// Those that the server has ended.
    ended: u32,
    connections: Vec<Connection>,
}

impl Flood {
    /// Sends it, and keeps the connections open.
    async fn of(self, process: &Process, piece: impl Fn(u32) -> Vec<u8>) -> Flooded {
        let mut flooded = Flooded {
            served: 0,
            ended: 0,
            connections: Vec::new(),
        };
        let mut sent = 0;
        for _ in 0..self.connections {
            let mut connection = open(process.addr, &self.hello).await;
            connection.try_read_bytes_until(self.welcome).await;
            let mut number = 0;
            while number < self.pieces && connection.try_write(&piece(number)).await {
                number += 1;
            }
            sent += number;
            connection.try_write(&h2::frame(h2::PING, 0, 0, b"all done")).await;
            if connection.try_read_bytes_until(b"all done").await {
                flooded.served += 1;
            } else {
                flooded.ended += 1;
            }
            flooded.connections.push(connection);
        }
        eprintln!(
            "{sent} of {} pieces were sent; {} connections were served, {} ended",
            self.connections * self.pieces,
            flooded.served,
            flooded.ended
        );
        flooded
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_and_reset_at_once() {
    under(&[], async |process| {
        let reset = |number| {
            let stream = 2 * number + 1;
            let reset = h2::frame(h2::RST_STREAM, 0, stream, &[0, 0, 0, 8]);
            [h2::get(stream, "/slow?ms=100"), reset].concat()
        };
        let flood = Flood {
            connections: 200,
            hello: h2::HELLO.to_vec(),
            welcome: b"",
            pieces: 1_000,
        };
        let flooded = flood.of(process, reset).await;
        assert_eq!(flooded.ended, 200, "each is thrown out");
        flooded
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_data_frames() {
    under(&[], async |process| {
        let begun = h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &h2::request("POST", "/slow?ms=9000"));
        let flood = Flood {
            connections: 20,
            hello: [h2::HELLO, &begun].concat(),
            welcome: b"",
            pieces: 1_000,
        };
        let empty = h2::frame(h2::DATA, 0, 1, b"").repeat(100);
        let flooded = flood.of(process, |_| empty.clone()).await;
        assert_eq!(flooded.ended, 20, "each is thrown out");
        flooded
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_continued_for_ever() {
    under(&[], async |process| {
        let begun = h2::frame(h2::HEADERS, 0, 1, &h2::request("GET", "/orders/1"));
        let flood = Flood {
            connections: 100,
            hello: [h2::HELLO, &begun].concat(),
            welcome: b"",
            pieces: 500,
        };
        let mut block = Vec::new();
        (0..100).for_each(|_| h2::field(&mut block, "x", &"y".repeat(100)));
        let more = h2::frame(h2::CONTINUATION, 0, 1, &block);
        let flooded = flood.of(process, |_| more.clone()).await;
        assert_eq!(flooded.ended, 100, "each is thrown out");
        flooded
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_lists_of_http_2_over_the_limit() {
    under(&[], async |process| {
        let mut block = h2::request("GET", "/orders/1");
        (0..150).for_each(|_| h2::field(&mut block, "x", &"y".repeat(100)));
        let list = |number| h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, 2 * number + 1, &block);
        let flood = Flood {
            connections: 100,
            hello: h2::HELLO.to_vec(),
            welcome: b"",
            pieces: 200,
        };
        let flooded = flood.of(process, list).await;
        assert_eq!(flooded.served, 100, "each of its lists has been refused");
        flooded
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_http_1_that_never_end() {
    under(&[], async |process| {
        let lines = "x: y\r\n".repeat(50_000);
        let mut connections = Vec::new();
        for _ in 0..1_000 {
            let mut connection = open(process.addr, b"GET / HTTP/1.1\r\n").await;
            connection.try_write(lines.as_bytes()).await;
            connections.push(connection);
        }
        for connection in connections {
            connection.closed().await;
        }
        eventually("each has been refused", || async {
            counted(process, "malformed").await >= 1_000.0
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
    let settings = [
        ("SERVER__MAX_CONNECTIONS", "10100"),
        // Longer than it takes to open so many.
        ("SERVER__FIRST_BYTE_TIMEOUT", "60s"),
        ("SERVER__HEADER_TIMEOUT", "60s"),
    ];
    under(&settings, async |process| {
        let mut open_ones = Vec::new();
        for n in 0..10_000 {
            // Two addresses, as one may take half of the places.
            let from = if n % 4 < 2 { "127.0.0.3" } else { "127.0.0.4" };
            let mut connection = connect(from, process.addr).await.unwrap();
            if n % 2 == 0 {
                connection.try_write(b"GET /orders/1 HTTP/1.1\r\nx: ").await;
            }
            open_ones.push(connection);
        }
        eventually("all of them are open at once", || async {
            counted(process, "accepted").await - counted(process, "closed").await >= 10_000.0
        })
        .await;
        open_ones
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_bodies_that_are_refused() {
    under(&[], async |process| {
        let head = "POST /orders HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = [b"100000\r\n".to_vec(), vec![b' '; 0x100000], b"\r\n".to_vec()].concat();
        for n in 0..1_024 {
            // Many clients: one of them would be refused before its body is looked at.
            let mut connection = connect(&format!("127.0.1.{}", 1 + n % 64), process.addr).await.unwrap();
            connection.try_write(head.as_bytes()).await;
            connection.try_write(&chunk).await;
            connection.closed().await;
        }
        ended(process, &[r#"http_route="/orders""#, r#"code="413""#], 1_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_a_body_that_is_read() {
    const GIGABYTE: usize = 1 << 30;
    under(&[], async |process| {
        let mut connection = open(process.addr, b"").await;
        let head = format!("POST /drills/swallow?ms=0 HTTP/1.1\r\nhost: test\r\ncontent-length: {GIGABYTE}\r\n\r\n");
        connection.write(&head).await;
        let piece = vec![b' '; 1 << 20];
        for _ in 0..GIGABYTE / piece.len() {
            connection.write_bytes(&piece).await;
        }
        connection.read_until(&format!("swallowed {GIGABYTE} bytes")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_http_2_that_nobody_reads_yet() {
    // Pieces of bodies, on so many streams in turn.
    let flood = |streams: u32, pieces| {
        let begin = |number| {
            let head = h2::request("POST", "/drills/swallow?ms=9000");
            h2::frame(h2::HEADERS, h2::END_HEADERS, 2 * number + 1, &head)
        };
        let hello = [h2::HELLO.to_vec(), (0..streams).flat_map(begin).collect()].concat();
        let piece = move |number| h2::frame(h2::DATA, 0, 2 * (number % streams) + 1, &[b' '; 16_000]);
        let connections = 500;
        (
            Flood {
                connections,
                hello,
                // The connection's window is open.
                welcome: &[0, 0, 4, h2::WINDOW_UPDATE, 0, 0, 0, 0, 0],
                pieces,
            },
            piece,
        )
    };
    // More are under way than there are places, as it is the windows that are tried here.
    under(&[("SERVER__CRITICAL_PLACES", "100000")], async |process| {
        let (within_the_windows, piece) = flood(2, 8);
        let held = within_the_windows.of(process, piece).await;
        assert_eq!(held.served, 500);
        active(process, "POST", 1_000).await;
        at_least_memory(process, 60).await;
        let (over_the_windows, piece) = flood(16, 64);
        let thrown_out = over_the_windows.of(process, piece).await;
        assert_eq!(thrown_out.ended, 500);
        (held, thrown_out)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_with_readers_who_do_not_read() {
    under(&[], async |process| {
        // HTTP/2 holds back what its windows do not let through; some readers open them as wide as they can be.
        let wide = [
            &h2::HELLO[..24],
            &h2::frame(h2::SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]),
            &h2::frame(h2::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0, 0]),
        ]
        .concat();
        let ask = |stream| h2::get(stream, "/drills/endless");
        let kinds = [
            b"GET /drills/endless HTTP/1.1\r\nhost: test\r\n\r\n".to_vec(),
            [h2::HELLO, &ask(1)].concat(),
            [wide.clone(), ask(1)].concat(),
        ];
        let mut readers = Vec::new();
        for kind in kinds.iter().cycle().take(150) {
            readers.push(filled(process.addr, kind).await);
        }
        let many: Vec<u8> = (0..200).flat_map(|number| ask(2 * number + 1)).collect();
        for _ in 0..5 {
            readers.push(filled(process.addr, &[&wide[..], &many].concat()).await);
        }
        active(process, "GET", 1_150).await;
        at_least_memory(process, 60).await;
        readers
    })
    .await;
}

/// Opens a connection that asks and does not read; one after the other, as what is tried is what they leave behind, and
/// not the work of filling their sockets.
async fn filled(server: SocketAddr, ask: &[u8]) -> Connection {
    let reader = open(server, ask).await;
    eventually("it was sent what it takes", || reader.is_waiting(60_000)).await;
    reader
}
