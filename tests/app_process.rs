//! A whole process: signals, exit codes, and what it says when it cannot start.
#![cfg(unix)]

mod support;

use std::convert::Infallible;
use std::future::pending;
use std::net::{SocketAddr, TcpListener};
use std::process::{ExitCode, Stdio};

use axum::routing::get as on_get;
use axum::{Extension, Router};
use seaworthy::shutdown::Draining;
use seaworthy::{App, BoxError};
use support::{Connection, eventually, get, within};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
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
                "finished"
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
        let serve = App::builder("child").build()?.serve(router());
        // In a task of its own even the end of the shutdown cannot be told once all workers are stuck.
        tokio::spawn(serve)
            .await
            .map_err(BoxError::from)?
            .map_err(BoxError::from)
    });
    let code = (0..=255).find(|number| ExitCode::from(*number) == code).unwrap();
    std::process::exit(code.into());
}

struct Process {
    child: Child,
    addr: SocketAddr,
    admin: SocketAddr,
    log: Lines<BufReader<ChildStdout>>,
}

fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // One worker, so that one stuck task is a stalled runtime.
    command.env("TOKIO_WORKER_THREADS", "1");
    let free = [
        ("SERVER__LISTEN", "127.0.0.1:0"),
        ("ADMIN__LISTEN", "127.0.0.1:0"),
        ("SHUTDOWN__HOLD", "0s"),
    ];
    for (key, value) in free.iter().chain(settings) {
        command.env(format!("SEAWORTHY_{key}"), value);
    }
    command
}

impl Process {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let mut child = command(settings).spawn().unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = find(&mut log, "serving").await;
        let address = |key: &str| line[key].as_str().unwrap().parse().unwrap();
        let (addr, admin) = (address("listen"), address("admin"));
        eventually("ready", || async { get(admin, "/readyz").await.status == 200 }).await;
        Self {
            child,
            addr,
            admin,
            log,
        }
    }

    async fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id().expect("still runs"));
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    async fn unready(&self) {
        eventually("unready", || async { get(self.admin, "/readyz").await.status == 503 }).await;
    }

    async fn exit_code(mut self) -> Option<i32> {
        within(self.child.wait()).await.unwrap().code()
    }
}

/// Reads the log up to the line with this message.
async fn find(log: &mut Lines<BufReader<ChildStdout>>, message: &str) -> serde_json::Value {
    loop {
        let line = within(log.next_line()).await.unwrap().expect("the log goes on");
        match serde_json::from_str::<serde_json::Value>(&line) {
            Ok(line) if line["message"] == message => return line,
            _ => {}
        }
    }
}

#[tokio::test]
async fn sigterm_turns_readiness_while_it_lives_and_still_accepts_during_the_hold() {
    let process = Process::start(&[("SHUTDOWN__HOLD", "2s")]).await;
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
async fn sigint_skips_the_hold() {
    let process = Process::start(&[("SHUTDOWN__HOLD", "60s"), ("SHUTDOWN__GRACE_PERIOD", "120s")]).await;
    process.signal("INT").await;
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn idle_connections_close_at_once_and_requests_in_flight_finish() {
    // Nothing else would close an idle connection before the drain's deadline.
    let process = Process::start(&[("SERVER__HEADER_TIMEOUT", "1h")]).await;
    let mut idle = Connection::open(process.addr).await;
    idle.write("GET /ok HTTP/1.1\r\nhost: test\r\n\r\n").await;
    idle.read_until("\r\n\r\nok").await;
    let mut busy = Connection::open(process.addr).await;
    busy.write("GET /until-drain HTTP/1.1\r\nhost: test\r\n\r\n").await;
    in_flight(&process, 1.0).await;
    process.signal("TERM").await;
    idle.closed().await;
    let answer = busy.closed().await;
    assert!(
        answer.ends_with("finished") && answer.contains("connection: close"),
        "{answer}"
    );
    assert_eq!(process.exit_code().await, Some(0));
}

async fn in_flight(process: &Process, count: f64) {
    eventually("in flight", || async {
        let text = get(process.admin, "/metrics").await.body;
        support::metric(&text, "http_server_active_requests", &[]) == Some(count)
    })
    .await;
}

#[tokio::test]
async fn a_second_signal_ends_it() {
    for (second, code) in [("TERM", 143), ("INT", 130)] {
        let process = Process::start(&[("SHUTDOWN__HOLD", "60s"), ("SHUTDOWN__GRACE_PERIOD", "120s")]).await;
        process.signal("TERM").await;
        process.unready().await;
        process.signal(second).await;
        assert_eq!(process.exit_code().await, Some(code));
    }
}

#[tokio::test]
async fn what_does_not_end_by_the_deadline_is_cut_and_told() {
    let mut process = Process::start(&[("SHUTDOWN__DRAIN", "300ms")]).await;
    let mut hanging = Connection::open(process.addr).await;
    hanging.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    in_flight(&process, 1.0).await;
    process.signal("TERM").await;
    let stopped = find(&mut process.log, "stopped").await;
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
    let mut process = Process::start(&[]).await;
    process.signal("TERM").await;
    for phase in ["holding", "draining", "hooks"] {
        let finished = find(&mut process.log, "finished").await;
        assert_eq!(
            [&finished["kind"], &finished["name"], &finished["result"]],
            ["shutdown_phase", phase, "done"]
        );
        assert!(finished["took_ms"].is_number());
    }
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn blocking_work_that_never_ends_does_not_hold_the_exit() {
    let process = Process::start(&[]).await;
    assert_eq!(get(process.addr, "/blocking").await.body, "begun");
    process.signal("TERM").await;
    assert_eq!(process.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_stalled_runtime_leaves_the_admin_plane_answering_and_is_ended() {
    let mut process = Process::start(&[("SHUTDOWN__DRAIN", "200ms"), ("SHUTDOWN__HOOKS", "200ms")]).await;
    let mut stalled = Connection::open(process.addr).await;
    stalled.write("GET /stall HTTP/1.1\r\nhost: test\r\n\r\n").await;
    find(&mut process.log, "stalling").await;
    assert_eq!(get(process.admin, "/metrics").await.status, 200);
    process.signal("TERM").await;
    process.unready().await;
    assert_eq!(process.exit_code().await, Some(70));
}

/// Starts a process that cannot start, and returns its exit code and what it says.
async fn refused(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut child = command(settings).spawn().unwrap();
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
        "`shutdown.grace_period` is 10s; it must be more than hold 0ns + drain 20s + hooks 3s = 23s",
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
