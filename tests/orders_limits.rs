//! The real `orders` while one client floods it.
#![cfg(target_os = "linux")]

mod support;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use support::process::{Process, command, orders};
use support::{Connection, get, metric};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

const BODY: &str = r#"{"item":"anchor","quantity":2}"#;

async fn connect(from: &str, server: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(server).await.unwrap()
}

/// The request that places an order.
fn order() -> String {
    let length = BODY.len();
    let head = format!(
        "POST /orders HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    head + BODY
}

/// Places an order, and returns the answer's status.
async fn place(connection: &mut Connection) -> u32 {
    connection.write(&order()).await;
    let line = connection.read_until("\r\n").await;
    let status = line.split(' ').nth(1).unwrap().parse().unwrap();
    connection.read_response().await;
    status
}

/// Has five clients place orders at an even pace, and returns the 99th percentile of the time to each answer.
async fn p99_of_orders(addr: SocketAddr) -> Duration {
    let mut clients = JoinSet::new();
    for client in 0..5 {
        clients.spawn(async move {
            tokio::time::sleep(Duration::from_millis(12) * client).await;
            let mut connection = Connection::of(connect(&format!("127.0.2.{client}"), addr).await);
            let mut took = Vec::new();
            for _ in 0..80 {
                let start = Instant::now();
                assert_eq!(place(&mut connection).await, 201);
                took.push(start.elapsed());
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
            took
        });
    }
    let mut took = clients.join_all().await.concat();
    took.sort();
    took[took.len() * 99 / 100]
}

/// Places orders on many connections, with short pauses, for as long as it is told to; counts the answers.
///
/// On threads that do hardly more than to wait: what the flooder costs is not what the service is to bear.
async fn flood(addr: SocketAddr, from: &str) -> (Arc<AtomicBool>, Arc<AtomicU32>) {
    let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    for n in 0..64 {
        let (over, answers) = (over.clone(), answers.clone());
        let mut connection = connect(from, addr).await.into_std().unwrap();
        connection.set_nonblocking(false).unwrap();
        std::thread::spawn(move || {
            // One after another, and not all at once again and again.
            std::thread::sleep(Duration::from_micros(1250) * n);
            let (order, mut answer) = (order(), [0; 4096]);
            while !over.load(Ordering::Relaxed) {
                connection.write_all(order.as_bytes()).unwrap();
                assert!(connection.read(&mut answer).unwrap() > 0);
                answers.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(80));
            }
        });
    }
    (over, answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flood_from_one_client_leaves_another_its_time() {
    let mut command = command(orders(), &[("LOG__FILTER", "info,seaworthy::access=off")]);
    command.env("TOKIO_WORKER_THREADS", "2");
    let process = Process::start(command).await;
    let mut seen = Vec::new();
    // The machine has other work: what it does to one measurement it does not do to all.
    for _ in 0..4 {
        let quiet = p99_of_orders(process.addr).await;
        let (over, answers) = flood(process.addr, "127.0.0.5").await;
        // Until its burst is spent.
        support::eventually("flooded", || async { answers.load(Ordering::Relaxed) > 1000 }).await;
        let flooded = p99_of_orders(process.addr).await;
        over.store(true, Ordering::Relaxed);
        seen.push((quiet, flooded));
        if flooded <= quiet * 2 {
            break;
        }
    }
    eprintln!("p99 quiet and flooded: {seen:?}");
    let (quiet, flooded) = seen.last().unwrap();
    assert!(*flooded <= *quiet * 2, "{seen:?}");
    let text = get(process.admin, "/metrics").await.body;
    let labels = [
        r#"kind="rate_limit""#,
        r#"name="POST /orders per client""#,
        r#"counter="refused""#,
    ];
    let refused = metric(&text, "seaworthy_counts_total", &labels);
    assert!(refused >= Some(1000.0), "{refused:?}");
}
