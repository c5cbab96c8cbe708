//! A whole process that exports: what it says of its collector, and how it ends.
#![cfg(unix)]

mod otlp_support;
mod support;

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get as on_get;
use otlp_support::{Mood, Sink, deaf, nobody, text};
use seaworthy::App;
use support::identity::Identity;
use support::process::{Process, command};
use support::{Connection, get};
use tokio::process::Command;
use tower::service_fn;

fn router() -> Router {
    let stall = service_fn(|_| async {
        tracing::info!("stalling");
        Ok::<axum::response::Response, Infallible>(block_for_ever())
    });
    Router::new()
        .route("/ok", on_get(|| async { "ok" }))
        .route_service("/stall", stall)
}

fn block_for_ever<T>() -> T {
    loop {
        std::thread::park();
    }
}

/// Not a test: this is the process that the tests start.
#[test]
#[ignore = "the process that the tests start"]
fn child() {
    let code = seaworthy::run(async { App::builder("child").build()?.serve(router()).await });
    let code = (0..=255).find(|number| ExitCode::from(*number) == code).unwrap();
    std::process::exit(code.into());
}

fn child_command(url: &str, settings: &[(&str, &str)]) -> Command {
    let mut command: Command = command(std::env::current_exe().unwrap(), settings);
    command.args(["--ignored", "--exact", "child", "--nocapture"]);
    command.env("SEAWORTHY_TRACES__ENDPOINT", url);
    command.env(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "x-tenant=night%20watch,authorization=Bearer%20hush",
    );
    command.env(
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.version=1.2.3,deployment.environment.name=test",
    );
    command
}

async fn start(url: &str, settings: &[(&str, &str)]) -> Process {
    Process::start(child_command(url, settings)).await
}

#[tokio::test]
async fn the_last_spans_are_exported_in_the_drain_with_headers_and_resource_of_the_environment() {
    let sink = Sink::over_http();
    let process = start(&sink.url(), &[]).await;
    assert_eq!(get(process.addr, "/ok").await.status, 200);
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
    assert_eq!(sink.spans().len(), 1);
    assert_eq!(sink.headers()[0]["authorization"], "Bearer hush");
    assert_eq!(sink.headers()[0]["x-tenant"], "night watch");
    let resource = sink.resource().attributes;
    for (key, value) in [
        ("service.name", "child"),
        ("service.version", "1.2.3"),
        ("deployment.environment.name", "test"),
    ] {
        assert_eq!(text(&resource, key).as_deref(), Some(value));
    }
}

#[tokio::test]
async fn spans_go_to_collectors_that_speak_tls_and_are_trusted() {
    let identity = Identity::make("collector");
    let sink = Sink::over_tls(&identity.certificate, &identity.key);
    let url = format!("https://localhost:{}", sink.addr.port());
    for protocol in ["http", "grpc"] {
        let before = sink.spans().len();
        let mut command = child_command(&url, &[("TRACES__PROTOCOL", protocol)]);
        command.env("SSL_CERT_FILE", &identity.certificate);
        let process = Process::start(command).await;
        get(process.addr, "/ok").await;
        process.signal("TERM").await;
        assert_eq!(process.exit_code().await, Some(0));
        assert_eq!(sink.spans().len(), before + 1, "{protocol}");
    }
}

#[tokio::test]
async fn what_ended_before_a_stall_is_exported_before_the_process_is_ended() {
    let sink = Sink::over_http();
    let settings = [("SHUTDOWN__DRAIN", "200ms"), ("SHUTDOWN__HOOKS", "100ms")];
    let mut process = start(&sink.url(), &settings).await;
    get(process.addr, "/ok").await;
    let mut stalled = Connection::open(process.addr).await;
    stalled.write("GET /stall HTTP/1.1\r\nhost: test\r\n\r\n").await;
    process.log.find("stalling").await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(70));
    assert_eq!(sink.spans().len(), 1);
}

#[tokio::test]
async fn a_stalled_service_with_a_collector_that_never_answers_still_ends() {
    let settings = [("SHUTDOWN__DRAIN", "200ms"), ("SHUTDOWN__HOOKS", "100ms")];
    let mut process = start(&deaf(false), &settings).await;
    get(process.addr, "/ok").await;
    let mut stalled = Connection::open(process.addr).await;
    stalled.write("GET /stall HTTP/1.1\r\nhost: test\r\n\r\n").await;
    process.log.find("stalling").await;
    let start = Instant::now();
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(70));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "it took {took:?}");
}

#[tokio::test]
async fn a_change_of_the_export_is_logged_once_without_secrets() {
    let sink = Sink::over_http();
    sink.be(Mood::Status(503));
    let mut process = start(&sink.url(), &[]).await;
    let mut lines = Vec::new();
    for mood in [Mood::Status(503), Mood::Status(503), Mood::Well] {
        sink.be(mood);
        let before = sink.headers().len();
        get(process.addr, "/ok").await;
        support::eventually("an export", || async { sink.headers().len() > before }).await;
    }
    for (from, to) in [("exporting", "failing"), ("failing", "exporting")] {
        let line = process.log.find("state changed").await;
        assert_eq!([&line["kind"], &line["from"], &line["to"]], ["otlp", from, to]);
        lines.push(line.to_string());
    }
    assert!(
        lines[0].contains("503") && !lines.concat().contains("hush"),
        "{lines:?}"
    );
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn an_absent_collector_changes_nothing_of_how_it_ends() {
    let process = start(&nobody(), &[]).await;
    get(process.addr, "/ok").await;
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
}
