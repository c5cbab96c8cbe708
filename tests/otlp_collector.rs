//! Collectors that are absent, slow or broken: the service does not notice, and what is dropped is counted.

mod otlp_support;
mod support;

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get as on_get;
use otlp_support::{LONG, Mood, Sink, Told, deaf, nobody, told};
use seaworthy::inventory::Inventory;
use support::{Served, builder, eventually, get};
use tracing_subscriber::layer::SubscriberExt;

const REQUESTS: u64 = 50;

/// Serves on this runtime, which has one thread, while spans go to `url`; tells what became of them.
async fn serve_while_exporting(url: &str, protocol: &str) -> (Inventory, Served) {
    let app = builder()
        .setting("traces.endpoint", url)
        .setting("traces.protocol", protocol)
        .build()
        .unwrap();
    let subscriber = tracing_subscriber::registry().with(app.traces().unwrap().layer().unwrap());
    let _guard = tracing::subscriber::set_default(subscriber);
    let inventory = app.inventory().clone();
    let served = Served::start(app, Router::new().route("/", on_get(|| async { "ok" })));
    let start = Instant::now();
    for _ in 0..REQUESTS {
        assert_eq!(get(served.addr, "/").await.status, 200);
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "{REQUESTS} requests took {took:?}");
    assert_eq!(
        told(&inventory).ended,
        REQUESTS,
        "only spans of requests, none of exports"
    );
    (inventory, served)
}

#[tokio::test]
async fn a_collector_that_fails_costs_spans_alone_and_each_is_counted() {
    let broken = Sink::over_http();
    let sulking = Sink::over_grpc();
    broken.be(Mood::Nonsense);
    sulking.be(Mood::Status(503));
    for (url, protocol) in [
        (nobody(), "http"),
        (nobody(), "grpc"),
        (deaf(true), "http"),
        (deaf(true), "grpc"),
        (broken.url(), "http"),
        (sulking.url(), "grpc"),
        (broken.url(), "grpc"),
    ] {
        let (inventory, served) = serve_while_exporting(&url, protocol).await;
        served.end().await;
        let expected = Told {
            state: "failing".to_owned(),
            ended: REQUESTS,
            exported: 0,
            queue_full: 0,
            export_failed: REQUESTS,
        };
        eventually("all of them were counted", || async { told(&inventory) == expected }).await;
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_the_drain() {
    let silent = Sink::over_grpc();
    silent.be(Mood::Silent);
    for (url, protocol) in [(deaf(false), "http"), (deaf(false), "grpc"), (silent.url(), "grpc")] {
        let (inventory, served) = serve_while_exporting(&url, protocol).await;
        let start = Instant::now();
        served.end().await;
        let took = start.elapsed();
        assert!(
            took < Duration::from_millis(2_500),
            "{protocol}: the drain took {took:?}"
        );
        let told = told(&inventory);
        assert_eq!((told.exported, told.queue_full), (0, 0));
    }
}

#[tokio::test]
async fn what_a_collector_rejects_is_counted_as_dropped() {
    let sink = Sink::over_http();
    sink.be(Mood::Rejecting(1));
    let (inventory, served) = serve_while_exporting(&sink.url(), "http").await;
    served.end().await;
    let told = told(&inventory);
    assert_eq!(told.exported + told.export_failed, REQUESTS);
    assert_eq!(told.export_failed, sink.requests() as u64);
}

#[tokio::test]
async fn a_collector_that_comes_back_gets_what_ends_from_then_on() {
    let sink = Sink::over_http();
    sink.be(Mood::Status(503));
    let app = builder().setting("traces.endpoint", sink.url()).build().unwrap();
    let traces = app.traces().unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer().unwrap());
    let _guard = tracing::subscriber::set_default(subscriber);
    for (mood, state) in [(Mood::Status(503), "failing"), (Mood::Well, "exporting")] {
        sink.be(mood);
        drop(tracing::info_span!("one"));
        assert!(traces.flush(LONG).await);
        assert_eq!(told(app.inventory()).state, state);
    }
    assert_eq!(sink.spans().len(), 1);
}

#[tokio::test]
async fn a_flush_ends_in_time_with_a_collector_that_never_answers() {
    let app = builder().setting("traces.endpoint", deaf(false)).build().unwrap();
    let traces = app.traces().unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer().unwrap());
    let _guard = tracing::subscriber::set_default(subscriber);
    drop(tracing::info_span!("one"));
    let start = Instant::now();
    assert!(!traces.flush(Duration::from_millis(50)).await);
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_grace_period_without_time_for_the_last_spans_is_refused() {
    let app = |grace| builder().setting("shutdown.grace_period", grace);
    for (grace, fits) in [("24500ms", false), ("25s", true)] {
        assert!(app(grace).build().is_ok(), "without a collector");
        let exporting = app(grace).setting("traces.endpoint", "http://127.0.0.1:4318").build();
        assert_eq!(exporting.is_ok(), fits, "{grace}");
    }
}

#[test]
fn what_cannot_be_exported_to_is_refused_by_name() {
    for (key, value, allowed) in [
        ("traces.endpoint", "collector:4318", "an absolute `http` or `https` URL"),
        (
            "traces.endpoint",
            "http://user:secret@collector:4318",
            "without user, password",
        ),
        ("traces.protocol", "json", "one of `http`, `grpc`"),
        ("traces.sample_ratio", "1.5", "from 0 to 1"),
    ] {
        let wrong = builder().setting(key, value).build().unwrap_err().to_string();
        assert!(wrong.contains(key) && wrong.contains(allowed), "{wrong}");
        assert!(!wrong.contains("secret"), "{wrong}");
    }
}

#[tokio::test]
async fn beside_a_subscriber_that_exports_nothing_the_export_is_off() {
    // In a process of its own, as a subscriber is for good.
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "beside_another_subscriber"])
        .output()
        .unwrap();
    assert!(child.status.success(), "{child:?}");
}

/// Not a test of its own: see above.
#[tokio::test]
#[ignore = "the process that a test starts"]
async fn beside_another_subscriber() {
    let sink = Sink::over_http();
    tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    let app = builder().setting("traces.endpoint", sink.url()).build().unwrap();
    let inventory = app.inventory().clone();
    let served = Served::start(app, Router::new().route("/", on_get(|| async { "ok" })));
    assert_eq!(get(served.addr, "/").await.status, 200);
    assert_eq!(told(&inventory).state, "off");
    served.end().await;
    assert_eq!(sink.requests(), 0);
}
