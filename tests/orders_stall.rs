//! The real `orders` with its workers blocked: all of them, or not quite.
#![cfg(unix)]

mod support;

use std::time::{Duration, Instant};

use support::process::{Process, command, orders};
use support::{Connection, eventually, get, metric};

/// Starts it with so many workers and blocks some of them for so long, each by a request of its own.
async fn blocked(workers: usize, sections: usize, ms: u64) -> (Process, Vec<Connection>) {
    let settings = [("SHUTDOWN__DRAIN", "1s"), ("SHUTDOWN__HOOKS", "500ms")];
    let mut command = command(orders(), &settings);
    command.env("TOKIO_WORKER_THREADS", workers.to_string());
    let mut process = Process::start(command).await;
    let mut requests = Vec::new();
    for _ in 0..sections {
        let mut request = Connection::open(process.addr).await;
        request
            .write(&format!("GET /drills/block?ms={ms} HTTP/1.1\r\nhost: test\r\n\r\n"))
            .await;
        process.log.find(&format!("a worker is blocked for {ms} ms")).await;
        requests.push(request);
    }
    (process, requests)
}

/// Longer than any test takes.
const FOR_EVER: u64 = 3_600_000;

async fn stall_is_noticed_and_ended(workers: usize) {
    let (mut process, _requests) = blocked(workers, workers, FOR_EVER).await;
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
    // The drain, the hooks, and a second to notice the stall and to write the last lines; and some to spare.
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "ended after {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_stalled_runtime_fails_liveness_within_two_seconds_and_says_so() {
    stall_is_noticed_and_ended(1).await;
}

#[tokio::test]
async fn a_runtime_of_several_workers_is_stalled_when_the_last_of_them_is_blocked() {
    for workers in [2, 4] {
        stall_is_noticed_and_ended(workers).await;
    }
}

#[tokio::test]
async fn as_long_as_one_worker_is_free_requests_are_answered_and_liveness_holds() {
    for (workers, sections) in [(2, 1), (4, 3)] {
        // Longer than a runtime may be silent.
        let (process, mut requests) = blocked(workers, sections, 4_000).await;
        let (mut first, start) = (requests.remove(0), Instant::now());
        let section = tokio::spawn(async move { first.read_until("blocked a worker for 4000 ms").await });
        let mut longest = Duration::ZERO;
        while !section.is_finished() {
            let asked = Instant::now();
            assert_eq!(get(process.addr, "/orders/7").await.status, 404);
            longest = longest.max(asked.elapsed());
            let alive = get(process.admin, "/livez").await;
            assert_eq!(alive.status, 200, "after {:?}: {}", start.elapsed(), alive.body);
        }
        section.await.unwrap();
        eprintln!("{sections} of {workers} workers blocked: the longest of the others took {longest:?}");
        // A request that waited for a section took seconds.
        assert!(longest < Duration::from_secs(1), "{longest:?}");
    }
}

#[tokio::test]
async fn a_worker_that_stays_blocked_beside_free_ones_is_cut_by_the_drain() {
    let (mut process, _requests) = blocked(2, 1, FOR_EVER).await;
    process.signal("TERM").await;
    let stopped = process.log.find("stopped").await;
    assert_eq!([&stopped["requests_cut"], &stopped["exit_code"]], [1, 3], "{stopped}");
    assert_eq!(process.exit_code().await, Some(3));
}

#[tokio::test]
async fn a_long_synchronous_section_that_ends_is_counted_and_not_fatal() {
    let (process, mut requests) = blocked(1, 1, 2_500).await;
    requests[0].read_until("blocked a worker for 2500 ms").await;
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
    let timeline = get(process.admin, "/timeline?format=text").await.body;
    assert_eq!(
        timeline.matches(" runtime runtime: held_up after 2.").count(),
        1,
        "{timeline}"
    );
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
}
