//! A whole process: signals, exit codes, and what it says when it cannot start.
#![cfg(unix)]

mod support;

use std::convert::Infallible;
use std::future::pending;
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Body;
use axum::routing::get as on_get;
use axum::{Extension, Router};
use futures_util::stream;
use seaworthy::shutdown::Draining;
use seaworthy::{App, BoxError};
use support::process::{Process, command};
use support::{Connection, get, within};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tower::service_fn;

/// What the child process serves.
fn router() -> Router {
    Router::new()
        .route("/ok", on_get(|| async { "ok" }))
        .route("/hang", on_get(pending::<()>))
        .route(
            "/until-drain",
            on_get(|Extension(draining): Extension<Draining>| async move {
                draining.draining().await;
                // Idle connections are closed while this is still at work.
                tokio::time::sleep(Duration::from_millis(200)).await;
                "finished"
            }),
        )
        .route(
            "/stream",
            on_get(|| async {
                let piece = async {
                    tracing::info!("streaming");
                    Ok::<_, Infallible>("piece")
                };
                Body::from_stream(stream::once(piece))
            }),
        )
        .route(
            "/blocking",
            on_get(|| async {
                drop(tokio::task::spawn_blocking(block_for_ever::<()>));
                "begun"
            }),
        )
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
    let code = seaworthy::run(async {
        let app = App::builder("child").build()?;
        match std::env::var("CHILD_FLUSH").as_deref() {
            Ok("hangs") => app.shutdown().on_shutdown("flush", pending),
            Ok("blocks") => app.shutdown().on_shutdown("flush", || async { block_for_ever() }),
            _ => {}
        }
        let serve = app.serve(router());
        // In a task of its own even the end of the shutdown cannot be told once all workers are stuck.
        tokio::spawn(serve)
            .await
            .map_err(BoxError::from)?
            .map_err(BoxError::from)
    });
    let code = (0..=255).find(|number| ExitCode::from(*number) == code).unwrap();
    std::process::exit(code.into());
}

fn child_command(settings: &[(&str, &str)]) -> Command {
    let mut command = command(std::env::current_exe().unwrap(), settings);
    command.args(["--ignored", "--exact", "child", "--nocapture"]);
    command
}

async fn start(settings: &[(&str, &str)]) -> Process {
    Process::start(child_command(settings)).await
}

#[tokio::test]
async fn sigterm_turns_readiness_while_it_lives_and_still_accepts_during_the_hold() {
    let process = start(&[("SHUTDOWN__HOLD", "2s")]).await;
    process.signal("TERM").await;
    process.unready().await;
    assert_eq!(get(process.addr, "/readyz").await.status, 503);
    for addr in [process.addr, process.admin] {
        assert_eq!(get(addr, "/livez").await.status, 200);
    }
    let answer = get(process.addr, "/ok").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_signal_right_after_the_start_drains_too() {
    for _ in 0..20 {
        let process = Process::start_unready(child_command(&[])).await;
        process.signal("TERM").await;
        assert_eq!(process.exit_code().await, Some(0));
    }
}

#[tokio::test]
async fn sigint_skips_the_hold() {
    let process = start(&[("SHUTDOWN__HOLD", "60s"), ("SHUTDOWN__GRACE_PERIOD", "120s")]).await;
    process.signal("INT").await;
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn idle_connections_close_at_once_and_requests_in_flight_finish() {
    // Nothing else would close an idle connection before the drain's deadline.
    let process = start(&[("SERVER__HEADER_TIMEOUT", "1h")]).await;
    let mut idle = Connection::open(process.addr).await;
    idle.write("GET /ok HTTP/1.1\r\nhost: test\r\n\r\n").await;
    idle.read_until("\r\n\r\nok").await;
    let mut busy = Connection::open(process.addr).await;
    busy.write("GET /until-drain HTTP/1.1\r\nhost: test\r\n\r\n").await;
    process.in_flight(1.0).await;
    process.signal("TERM").await;
    idle.closed().await;
    let answer = busy.closed().await;
    assert!(
        answer.ends_with("finished") && answer.contains("connection: close"),
        "{answer}"
    );
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_second_signal_ends_it() {
    for (second, code) in [("TERM", 143), ("INT", 130)] {
        let process = start(&[("SHUTDOWN__HOLD", "60s"), ("SHUTDOWN__GRACE_PERIOD", "120s")]).await;
        process.signal("TERM").await;
        process.unready().await;
        process.signal(second).await;
        assert_eq!(process.exit_code().await, Some(code));
    }
}

#[tokio::test]
async fn what_does_not_end_by_the_deadline_is_cut_and_told() {
    let mut process = start(&[("SHUTDOWN__DRAIN", "300ms")]).await;
    let mut hanging = Connection::open(process.addr).await;
    hanging.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    process.in_flight(1.0).await;
    process.signal("TERM").await;
    let stopped = process.log.find("stopped").await;
    assert_eq!(
        [
            &stopped["requests_cut"],
            &stopped["connections_cut"],
            &stopped["exit_code"]
        ],
        [1, 1, 3]
    );
    assert_eq!(hanging.closed().await, "");
    assert_eq!(process.exit_code().await, Some(3));
}

#[tokio::test]
async fn every_phase_is_logged_with_how_long_it_took() {
    let mut process = start(&[]).await;
    process.signal("TERM").await;
    for phase in ["holding", "draining", "hooks"] {
        let finished = process.log.find("finished").await;
        assert_eq!(
            [&finished["kind"], &finished["name"], &finished["result"]],
            ["shutdown_phase", phase, "done"]
        );
        assert!(finished["took_ms"].is_number());
    }
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn what_a_stream_logs_is_in_its_requests_span() {
    let mut process = start(&[]).await;
    let answer = get(process.addr, "/stream").await;
    let line = process.log.find("streaming").await;
    assert_eq!(line["request_id"].as_str(), answer.header("x-request-id"), "{line}");
}

#[tokio::test]
async fn blocking_work_that_never_ends_does_not_hold_the_exit() {
    let process = start(&[]).await;
    assert_eq!(get(process.addr, "/blocking").await.body, "begun");
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
}

#[test]
fn blocking_work_in_every_thread_for_it_does_not_hold_the_end() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).build().unwrap();
    let ended = runtime.block_on(async {
        drop(tokio::task::spawn_blocking(block_for_ever::<()>));
        let app = support::builder().build().unwrap();
        app.shutdown().begin(seaworthy::shutdown::Cause::Requested);
        tokio::time::timeout(Duration::from_secs(10), app.serve(router())).await
    });
    // Dropped it would wait for that work.
    runtime.shutdown_background();
    assert!(ended.expect("ends").unwrap().is_whole());
}

#[tokio::test]
async fn a_stalled_runtime_leaves_the_admin_plane_answering_and_is_ended() {
    let mut process = start(&[("SHUTDOWN__DRAIN", "200ms"), ("SHUTDOWN__HOOKS", "200ms")]).await;
    let mut stalled = Connection::open(process.addr).await;
    stalled.write("GET /stall HTTP/1.1\r\nhost: test\r\n\r\n").await;
    process.log.find("stalling").await;
    assert_eq!(get(process.admin, "/metrics").await.status, 200);
    process.signal("TERM").await;
    process.unready().await;
    assert_eq!(process.exit_code().await, Some(70));
}

#[tokio::test]
async fn a_flush_that_hangs_or_blocks_its_thread_is_bounded() {
    for (flush, code) in [("hangs", 3), ("blocks", 70)] {
        let mut command = child_command(&[("SHUTDOWN__HOOKS", "300ms")]);
        command.env("CHILD_FLUSH", flush);
        let process = Process::start(command).await;
        process.signal("TERM").await;
        let ended = tokio::time::timeout(Duration::from_secs(5), process.exit_code()).await;
        assert_eq!(ended.expect("ends by its deadline"), Some(code), "a flush that {flush}");
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_neither_slows_nor_stops_the_service() {
    let process = start(&[]).await;
    let mut connection = Connection::open(process.addr).await;
    // More lines than may wait, and far more than fit into a pipe.
    for _ in 0..12_000 {
        connection.write("GET /ok HTTP/1.1\r\nhost: test\r\n\r\n").await;
        connection.read_response().await;
    }
    let text = get(process.admin, "/metrics").await.body;
    let dropped = support::metric(
        &text,
        "seaworthy_counts_total",
        &[r#"kind="log""#, r#"counter="dropped_lines""#],
    );
    assert!(dropped > Some(0.0), "{dropped:?}");
    drop(connection);
    process.signal("TERM").await;
    let ended = tokio::time::timeout(Duration::from_secs(10), process.exit_code_unread()).await;
    assert_eq!(ended.expect("ends by its deadline"), Some(0));
}

/// Starts a process that cannot start, and returns its exit code and what it says.
async fn refused(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut child = child_command(settings).spawn().unwrap();
    let mut said = String::new();
    within(child.stderr.take().unwrap().read_to_string(&mut said))
        .await
        .unwrap();
    (within(child.wait()).await.unwrap().code(), said)
}

#[tokio::test]
async fn wrong_settings_stop_the_start_all_named_at_once() {
    let wrong = [
        ("SERVER__DEADLINE", "soon"),
        ("SHUTDOWN__GRACE_PERIOD", "10s"),
        ("SERVER__LISSEN", "x"),
    ];
    let (code, said) = refused(&wrong).await;
    assert_eq!(code, Some(78), "{said}");
    for line in [
        "`server.deadline` is a text of 4 characters, from the environment variable SEAWORTHY_SERVER__DEADLINE; \
         it must be from 1ms to 1day",
        "`shutdown.grace_period` is 10s; it must be more than hold 0ns + drain 20s + hooks 3s + 1s to notice a stall and write the last log lines = 24s",
        "`server.lissen` is unknown, from the environment variable SEAWORTHY_SERVER__LISSEN",
    ] {
        assert!(said.contains(line), "{line}\nis not in\n{said}");
    }
}

#[tokio::test]
async fn an_address_in_use_is_said_to_be_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (key, setting) in [("SERVER__LISTEN", "server.listen"), ("ADMIN__LISTEN", "admin.listen")] {
        let (code, said) = refused(&[(key, &address)]).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains(&format!("cannot listen on {address} (`{setting}`)")),
            "{said}"
        );
        assert!(said.contains("another process listens there"), "{said}");
    }
}
