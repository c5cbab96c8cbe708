//! The real `orders` with all of its workers blocked.
#![cfg(unix)]

mod support;

use std::time::{Duration, Instant};

use support::process::{Process, command, orders};
use support::{Connection, eventually, get, metric};

async fn blocked(ms: u64) -> (Process, Connection) {
    let settings = [("SHUTDOWN__DRAIN", "1s"), ("SHUTDOWN__HOOKS", "500ms")];
    let mut process = Process::start(command(orders(), &settings)).await;
    let mut request = Connection::open(process.addr).await;
    request
        .write(&format!("GET /drills/block?ms={ms} HTTP/1.1\r\nhost: test\r\n\r\n"))
        .await;
    process.log.find(&format!("a worker is blocked for {ms} ms")).await;
    (process, request)
}

#[tokio::test]
async fn a_stalled_runtime_fails_liveness_within_two_seconds_and_says_so() {
    let (mut process, _request) = blocked(3_600_000).await;
    let start = Instant::now();
    eventually("not alive", || async {
        get(process.admin, "/livez").await.status == 503
    })
    .await;
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "noticed after {:?}",
        start.elapsed()
    );
    let body = get(process.admin, "/livez").await.body;
    assert!(body.contains("[-]runtime failed: late by"), "{body}");
    assert_eq!(
        get(process.admin, "/readyz").await.status,
        200,
        "its state is known, and no dependency is down"
    );
    let text = get(process.admin, "/metrics").await.body;
    assert_eq!(
        metric(&text, "seaworthy_state", &[r#"name="runtime""#, r#"state="late""#]),
        Some(1.0),
        "{text}"
    );
    loop {
        let changed = process.log.find("state changed").await;
        if changed["kind"] == "heartbeat" && changed["name"] == "runtime" {
            assert_eq!(changed["to"], "late");
            break;
        }
    }
    let start = Instant::now();
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(70));
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "ended after {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_long_synchronous_section_that_ends_is_counted_and_not_fatal() {
    let (process, mut request) = blocked(2_500).await;
    request.read_until("blocked a worker for 2500 ms").await;
    eventually("alive again", || async {
        get(process.admin, "/livez").await.status == 200
    })
    .await;
    eventually("counted", || async {
        let text = get(process.admin, "/metrics").await.body;
        metric(
            &text,
            "seaworthy_counts_total",
            &[r#"kind="runtime""#, r#"counter="hold_ups""#],
        ) == Some(1.0)
    })
    .await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
}
