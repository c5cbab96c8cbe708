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
use support::{Connection, h2};
use tokio::net::TcpSocket;
use tokio::sync::Mutex;

/// The most memory that the process may ever have had, in kB.
const MOST_MEMORY: u64 = 256 * 1024;
const P99: Duration = Duration::from_millis(100);

async fn connect(from: &str, server: SocketAddr) -> std::io::Result<Connection> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(format!("{from}:0").parse().unwrap())?;
    socket.connect(server).await.map(Connection::of)
}

async fn open(server: SocketAddr, bytes: &[u8]) -> Connection {
    let mut connection = connect("127.0.0.3", server).await.unwrap();
    connection.try_write(bytes).await;
    connection
}

/// Runs a flood beside a polite client, and requires what must hold in any.
async fn under<F: Future>(flood: impl FnOnce(SocketAddr) -> F) {
    // One at a time: the machine's two cores are the flooder's and the service's.
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    let mut command = command(
        orders(),
        &[
            ("SERVER__MAX_CONNECTIONS", "10100"),
            ("LOG__FILTER", "info,seaworthy::access=off"),
        ],
    );
    command.env("TOKIO_WORKER_THREADS", "2");
    let process = Process::start(command).await;
    let over = Arc::new(AtomicBool::new(false));
    let polite = tokio::spawn(ask_politely(process.addr, over.clone()));
    let flooded = flood(process.addr).await;
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
    assert!(memory < MOST_MEMORY, "{memory} kB");
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

/// Reads the peak of the resident set, in kB.
fn most_memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sends `piece` up to `times`, on a new connection whenever the server has had enough, on up to `connections`.
async fn send_over_and_over(
    addr: SocketAddr,
    hello: &[u8],
    piece: impl Fn(u32) -> Vec<u8>,
    times: u32,
    connections: u32,
    least: u32,
) {
    let mut sent = 0;
    for _ in 0..connections {
        let mut connection = open(addr, hello).await;
        let mut stream = 1;
        while sent < times && connection.try_write(&piece(stream)).await {
            sent += 1;
            stream += 2;
        }
    }
    eprintln!("{sent} of {times} pieces were taken");
    assert!(sent >= least, "no flood: only {sent} pieces were taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_and_reset_at_once() {
    under(async |addr| {
        let reset = |stream| {
            [
                h2::get(stream, "/slow?ms=100"),
                h2::frame(h2::RST_STREAM, 0, stream, &[0, 0, 0, 8]),
            ]
            .concat()
        };
        send_over_and_over(addr, h2::HELLO, reset, 100_000, 100, 10_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_data_frames() {
    under(async |addr| {
        let hello = [
            h2::HELLO,
            &h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &h2::request("POST", "/orders")),
        ]
        .concat();
        let empty = h2::frame(h2::DATA, 0, 1, b"").repeat(100);
        send_over_and_over(addr, &hello, |_| empty.clone(), 20_000, 20, 1_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_continued_for_ever() {
    under(async |addr| {
        let hello = [
            h2::HELLO,
            &h2::frame(h2::HEADERS, 0, 1, &h2::request("GET", "/orders/1")),
        ]
        .concat();
        let mut block = Vec::new();
        (0..100).for_each(|_| h2::field(&mut block, "x", &"y".repeat(100)));
        let more = h2::frame(h2::CONTINUATION, 0, 1, &block);
        send_over_and_over(addr, &hello, |_| more.clone(), 50_000, 100, 5_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_lists_over_every_limit() {
    under(async |addr| {
        let mut block = h2::request("GET", "/orders/1");
        (0..150).for_each(|_| h2::field(&mut block, "x", &"y".repeat(100)));
        let list = |stream| h2::frame(h2::HEADERS, h2::END_HEADERS | h2::END_STREAM, stream, &block);
        send_over_and_over(addr, h2::HELLO, list, 20_000, 100, 10_000).await;
        let lines = format!("GET / HTTP/1.1\r\n{}", "x: y\r\n".repeat(1_000));
        send_over_and_over(addr, b"", |_| lines.clone().into_bytes(), 10_000, 1_000, 1_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_connections() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )
    .unwrap();
    under(async |addr| {
        let mut connections = Vec::new();
        for n in 0..10_000 {
            // Two addresses, as one may take half of the places.
            let from = if n % 4 < 2 { "127.0.0.3" } else { "127.0.0.4" };
            let mut connection = connect(from, addr).await.unwrap();
            if n % 2 == 0 {
                connection.try_write(b"GET /orders/1 HTTP/1.1\r\nx: ").await;
            }
            connections.push(connection);
        }
        connections
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gigabyte_of_body() {
    under(async |addr| {
        let head = b"POST /orders HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = [b"100000\r\n".to_vec(), vec![b' '; 0x100000], b"\r\n".to_vec()].concat();
        send_over_and_over(addr, head, |_| chunk.clone(), 1_024, 1_000, 1_024).await;
        let hello = [h2::HELLO, &h2::frame(h2::HEADERS, h2::END_HEADERS, 1, &h2::request("POST", "/slow?ms=1000"))].concat();
        let data = h2::frame(h2::DATA, 0, 1, &[b' '; 16_384]);
        send_over_and_over(addr, &hello, |_| data.clone(), 10_000, 20, 100).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_with_readers_who_do_not_read() {
    under(async |addr| {
        let mut connections = Vec::new();
        for _ in 0..50 {
            connections.push(open(addr, b"GET /drills/endless HTTP/1.1\r\nhost: test\r\n\r\n").await);
            connections.push(open(addr, &[h2::HELLO, &h2::get(1, "/drills/endless")].concat()).await);
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        connections
    })
    .await;
}
