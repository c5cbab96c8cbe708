//! What a process leaves behind when it ends badly: in its log, and in the recorder's file.
#![cfg(unix)]

mod support;

use std::convert::Infallible;
use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use axum::Router;
use axum::routing::get as on_get;
use seaworthy::App;
use serde_json::Value;
use support::process::{Process, command, orders};
use support::{Connection, eventually, get, send};
use tokio::process::Command;
use tower::service_fn;

/// What the child process serves.
fn router() -> Router {
    Router::new()
        .route("/panics", on_get(|| async { assert_eq!(1, 2, "hunter2") }))
        .route("/hang", on_get(pending::<()>))
        .route_service(
            "/stall",
            service_fn(|_| async {
                tracing::info!("stalling");
                Ok::<axum::response::Response, Infallible>(block_for_ever())
            }),
        )
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
    std::panic::set_hook(Box::new(|_| println!(r#"{{"message":"the hook before"}}"#)));
    let code = seaworthy::run(async {
        if std::env::var_os("CHILD_SIBLING").is_some() {
            let sibling = App::builder("sibling").build()?.bind()?;
            tokio::spawn(sibling.serve(router()));
        }
        App::builder("child").build()?.serve(router()).await
    });
    let code = (0..=255).find(|number| ExitCode::from(*number) == code).unwrap();
    std::process::exit(code.into());
}

fn child_command(settings: &[(&str, &str)]) -> Command {
    let mut command = command(std::env::current_exe().unwrap(), settings);
    command.args(["--ignored", "--exact", "child", "--nocapture"]);
    command
}

/// A file in a folder of the test's own.
fn file(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("seaworthy-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder.join("timeline.jsonl")
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Reads the lines of a dump, with the first one that says why.
async fn dump(process: &mut Process) -> (Value, Vec<String>) {
    let first = process.log.find("what happened before").await;
    let mut lines = Vec::new();
    for _ in 0..first["entries"].as_u64().unwrap() {
        let line = process.log.next_of("seaworthy::timeline").await;
        lines.push(line["message"].as_str().unwrap().to_owned());
    }
    (first, lines)
}

#[tokio::test]
async fn a_panic_dumps_what_happened_before_it_once_a_minute_and_never_says_what_it_said() {
    let mut process = Process::start(child_command(&[])).await;
    for _ in 0..20 {
        assert_eq!(get(process.addr, "/panics").await.status, 500);
    }
    let (first, lines) = dump(&mut process).await;
    assert_eq!([&first["service"], &first["why"]], ["child", "panic"], "{first}");
    assert!(
        lines.iter().any(|line| line.contains("service child: serving")),
        "{lines:#?}"
    );
    let panicked = lines.last().unwrap();
    assert!(
        panicked.contains(" panic seaworthy-run: panicked: tests/recorder_process.rs:"),
        "{panicked}"
    );
    process.signal("INT").await;
    let said = process.log.rest().await;
    assert!(!said.contains("what happened before"), "only one dump: {said}");
    assert!(
        !said.contains("hunter2") && !lines.concat().contains("hunter2"),
        "{said}"
    );
}

#[tokio::test]
async fn a_panic_is_told_to_every_service_of_the_process_and_to_the_hook_before() {
    let mut command = child_command(&[]);
    command.env("CHILD_SIBLING", "yes");
    let mut process = Process::start(command).await;
    process.log.find("serving").await;
    assert_eq!(get(process.addr, "/panics").await.status, 500);
    process.signal("INT").await;
    // The log's thread and the hook before write when they like.
    let said = process.log.rest().await;
    assert_eq!(said.matches("the hook before").count(), 1, "{said}");
    for service in ["child", "sibling"] {
        let dump = format!(r#""service":"{service}","why":"panic""#);
        assert_eq!(said.matches(&dump).count(), 1, "{dump} is not in {said}");
    }
    assert_eq!(said.matches(" panic seaworthy-run: panicked: ").count(), 2, "{said}");
}

#[tokio::test]
async fn a_stalled_runtime_dumps_before_it_is_ended() {
    let settings = [("SHUTDOWN__DRAIN", "200ms"), ("SHUTDOWN__HOOKS", "200ms")];
    let mut process = Process::start(child_command(&settings)).await;
    let mut stalled = Connection::open(process.addr).await;
    stalled.write("GET /stall HTTP/1.1\r\nhost: test\r\n\r\n").await;
    process.log.find("stalling").await;
    process.signal("TERM").await;
    let (_, lines) = dump(&mut process).await;
    assert!(lines.last().unwrap().contains("stopped: exit code 70"), "{lines:#?}");
    assert_eq!(process.exit_code().await, Some(70));
}

#[tokio::test]
async fn an_unclean_end_dumps_what_happened_and_tells_the_panics_that_were_not() {
    let mut process = Process::start(child_command(&[("SHUTDOWN__DRAIN", "300ms")])).await;
    for _ in 0..3 {
        assert_eq!(get(process.addr, "/panics").await.status, 500);
    }
    dump(&mut process).await;
    let mut hanging = Connection::open(process.addr).await;
    hanging.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    process.in_flight(1.0).await;
    process.signal("TERM").await;
    let (first, lines) = dump(&mut process).await;
    assert_eq!(first["why"], "unclean end");
    assert_eq!(first["panics_not_dumped"], 2, "{first}");
    for part in [
        "shutdown: running -> holding: SIGTERM",
        "shutdown_phase draining: cut after",
    ] {
        assert!(
            lines.iter().any(|line| line.contains(part)),
            "{part} is not in {lines:#?}"
        );
    }
    let last = lines.last().unwrap();
    assert!(
        last.contains("service child: stopped: exit code 3, 1 requests"),
        "{last}"
    );
    assert_eq!(process.exit_code().await, Some(3));
}

#[tokio::test]
async fn a_second_signal_dumps_and_leaves_the_end_in_the_file() {
    let path = file("second-signal");
    let settings = [
        ("SHUTDOWN__HOLD", "60s"),
        ("SHUTDOWN__GRACE_PERIOD", "120s"),
        ("RECORDER__FILE", path.to_str().unwrap()),
    ];
    let mut process = Process::start(child_command(&settings)).await;
    process.signal("TERM").await;
    process.unready().await;
    process.signal("TERM").await;
    let (first, lines) = dump(&mut process).await;
    assert_eq!(first["why"], "unclean end");
    assert!(lines.last().unwrap().contains("stopped: exit code 143"), "{lines:#?}");
    assert_eq!(process.exit_code().await, Some(143));
    let last = self::lines(&path).pop().unwrap();
    assert!(last["detail"].as_str().unwrap().starts_with("exit code 143"), "{last}");
}

#[tokio::test]
async fn a_clean_end_is_in_the_file_and_not_dumped() {
    let path = file("clean-end");
    let process = Process::start(child_command(&[("RECORDER__FILE", path.to_str().unwrap())])).await;
    let pid = process.id();
    process.signal("TERM").await;
    let said = process.log.rest().await;
    assert!(!said.contains("what happened before"), "{said}");
    let lines = lines(&path);
    assert_eq!(
        [&lines[0]["service"], &lines[0]["goes_on"]],
        [&Value::from("child"), &Value::from(false)]
    );
    assert_eq!(lines[0]["pid"], pid);
    let stopped = &lines[lines.len() - 1];
    assert_eq!([&stopped["kind"], &stopped["what"]], ["service", "stopped"]);
    assert!(
        stopped["detail"].as_str().unwrap().starts_with("exit code 0"),
        "{stopped}"
    );
}

#[tokio::test]
async fn after_a_kill_the_file_tells_that_payments_failed_and_the_breaker_opened() {
    let path = file("killed");
    let mut process = Process::start(command(orders(), &[("RECORDER__FILE", path.to_str().unwrap())])).await;
    let inventory: Value = serde_json::from_str(&get(process.admin, "/inventory").await.body).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let payments = entries
        .iter()
        .find(|entry| entry["kind"] == "dependency" && entry["name"] == "payments");
    let payments = payments.unwrap()["settings"]["url"].as_str().unwrap();
    let payments = payments
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .parse()
        .unwrap();
    let json = ["content-type: application/json"];
    let failing = send(payments, "PUT", "/control", &json, r#"{"mode":"failing"}"#).await;
    assert!(failing.status < 300, "{failing:?}");
    let opened = |line: &Value| line["kind"] == "breaker" && line["name"] == "payments" && line["to"] == "open";
    let order = r#"{"item":"anchor","quantity":2}"#;
    eventually("the breaker has opened, and that is in the file", async || {
        send(process.addr, "POST", "/orders", &json, order).await;
        lines(&path).iter().any(opened)
    })
    .await;
    let pid = process.id();
    process.signal("KILL").await;
    process.ended().await;

    let lines = lines(&path);
    assert_eq!(
        [&lines[0]["service"], &lines[0]["pid"]],
        [&Value::from("orders"), &Value::from(pid)]
    );
    let opened = lines.iter().find(|line| opened(line)).unwrap();
    assert!(!opened["detail"].as_str().unwrap().is_empty(), "the cause: {opened}");
    let numbers = lines[1..].iter().map(|line| line["seq"].as_u64().unwrap());
    assert!(numbers.eq(0..lines.len() as u64 - 1), "whole lines, none missing");
}
