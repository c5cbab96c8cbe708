//! The real `orders` in its first bad night: `payments` hangs for a minute while orders go on coming.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use support::process::{Process, command, orders};
use support::{eventually, get};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

const ORDER: &str = r#"{"item":"anchor","quantity":2}"#;
const PER_SECOND: u32 = 500;
/// What an order may take (`Endpoint::deadline` of `POST /orders`), and what a busy machine may add.
const DEADLINE: Duration = Duration::from_secs(2);
const SLACK: Duration = Duration::from_millis(500);

/// How long `payments` hangs, in seconds; `ci/faults/run` sets it lower.
fn night() -> usize {
    let seconds = std::env::var("TEST_NIGHT")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    seconds.unwrap_or(60)
}

/// How an order ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    took: Duration,
    /// `None` if the connection broke.
    status: Option<StatusCode>,
}

/// Orders that are placed at a fixed rate, whatever becomes of those before, by a hundred clients behind one proxy.
struct Load {
    ended: Arc<Mutex<Vec<Ended>>>,
    placing: JoinHandle<()>,
}

impl Load {
    fn begin(addr: SocketAddr) -> Self {
        let ended = Arc::<Mutex<Vec<Ended>>>::default();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let all = Arc::clone(&ended);
        let placing = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_secs(1) / PER_SECOND);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 0_u64.. {
                ticks.tick().await;
                let (client, all) = (client.clone(), Arc::clone(&all));
                tokio::spawn(async move {
                    let ended = place(client, addr, number % 100).await;
                    all.lock().unwrap().push(ended);
                });
            }
        });
        Self { ended, placing }
    }

    fn ended(&self) -> usize {
        self.ended.lock().unwrap().len()
    }

    /// Waits until so many more have ended; returns those.
    async fn more(&self, count: usize) -> Vec<Ended> {
        let before = self.ended();
        while self.ended() < before + count {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.ended.lock().unwrap()[before..].to_vec()
    }

    /// Waits until a hundred orders in a row are taken.
    async fn all_taken(&self) {
        eventually("all orders are taken", async || {
            let last = self.more(100).await;
            last.iter().all(|ended| ended.status == Some(StatusCode::CREATED))
        })
        .await;
    }
}

async fn place(client: Client<HttpConnector, Full<Bytes>>, addr: SocketAddr, from: u64) -> Ended {
    let request = Request::post(format!("http://{addr}/orders"))
        .header("content-type", "application/json")
        .header("x-forwarded-for", format!("192.0.2.{from}"))
        .body(Full::from(ORDER))
        .unwrap();
    let start = Instant::now();
    let answered = async {
        let response = client.request(request).await.ok()?;
        let status = response.status();
        response.into_body().collect().await.ok()?;
        Some(status)
    };
    let status = answered.await;
    let took = start.elapsed();
    Ended { took, status }
}

/// Tells `payments` how to be.
async fn control(payments: &str, mode: &str) {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::put(format!("{payments}control"))
        .header("content-type", "application/json")
        .body(Full::<Bytes>::from(format!(r#"{{"mode":"{mode}"}}"#)))
        .unwrap();
    assert!(client.request(request).await.unwrap().status().is_success());
}

async fn entry(process: &Process, kind: &str, name: &str) -> Value {
    let inventory: Value = serde_json::from_str(&get(process.admin, "/inventory").await.body).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let found = entries
        .iter()
        .find(|entry| entry["kind"] == kind && entry["name"] == name);
    found
        .unwrap_or_else(|| panic!("no {kind} {name} in {inventory}"))
        .clone()
}

/// Reads the resident set, in KiB.
fn memory(process: &Process) -> i64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_payments_costs_no_deadline_and_no_memory_and_orders_recovers_by_itself() {
    let settings = [
        ("CLIENTS__TRUSTED_HOPS", "1"),
        ("LOG__FILTER", "info,seaworthy::access=off,orders=off"),
    ];
    let mut command = command(orders(), &settings);
    command.env("TOKIO_WORKER_THREADS", "2");
    let process = Process::start(command).await;
    let payments = entry(&process, "dependency", "payments").await["settings"]["url"].clone();
    let payments = payments.as_str().unwrap();

    let load = Load::begin(process.addr);
    load.all_taken().await;

    control(payments, "hanging").await;
    // Whatever is allocated once is there after a sixth of it.
    let orders = PER_SECOND as usize * night();
    let mut night = load.more(orders / 6).await;
    let before = memory(&process);
    night.extend(load.more(orders - orders / 6).await);
    let grown = memory(&process) - before;
    let slowest = night.iter().map(|ended| ended.took).max().unwrap();
    let broken = night.iter().filter(|ended| ended.status.is_none()).count();
    eprintln!("{} orders, the slowest took {slowest:?}; {grown} KiB more", night.len());
    assert_eq!(broken, 0, "every order gets an answer");
    assert!(slowest <= DEADLINE + SLACK, "{slowest:?}");
    assert!(grown < 8 * 1024, "{before} KiB, and then {grown} KiB more");
    let breaker = entry(&process, "breaker", "payments").await;
    assert!(
        breaker["counters"]["refused"].as_u64() > Some(orders as u64 / 2),
        "{breaker}"
    );
    assert_eq!(get(process.admin, "/readyz").await.status, 200);
    eventually("the check has noticed", async || {
        get(process.admin, "/healthz").await.body.contains(r#""status":"warn""#)
    })
    .await;

    control(payments, "healthy").await;
    let healed = Instant::now();
    load.all_taken().await;
    let took = healed.elapsed();
    eprintln!("taken again after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    load.placing.abort();
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
}
