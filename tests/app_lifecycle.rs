//! Startup, drain and abandonment of a service in this process.

mod support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::routing::get as on_get;
use axum::{Extension, Router};
use seaworthy::shutdown::Draining;
use support::{Connection, Served, builder, eventually, get, within};
use tokio::sync::oneshot;

fn router() -> Router {
    Router::new()
        .route("/", on_get(|| async { "ok" }))
        .route("/hang", on_get(std::future::pending::<()>))
        .route(
            "/until-drain",
            on_get(|Extension(draining): Extension<Draining>| async move {
                draining.draining().await;
                "finished"
            }),
        )
}

#[tokio::test]
async fn a_service_is_started_when_its_startup_tasks_are_done() {
    let (finish, finished) = oneshot::channel::<()>();
    let app = builder()
        .startup_task("migrations", async { finished.await.map_err(io::Error::other) })
        .build()
        .unwrap();
    let served = Served::start(app, router());
    for path in ["/startupz", "/readyz"] {
        assert_eq!(get(served.admin, path).await.status, 503);
        assert_eq!(get(served.addr, path).await.status, 503);
    }
    assert_eq!(get(served.admin, "/livez").await.status, 200);
    finish.send(()).unwrap();
    eventually("started", || async {
        get(served.admin, "/startupz").await.status == 200
    })
    .await;
    eventually("ready", || async { get(served.addr, "/readyz").await.status == 200 }).await;
}

#[tokio::test]
async fn a_startup_task_that_fails_or_panics_keeps_the_service_from_starting() {
    let app = builder()
        .startup_task("fails", async { Err(io::Error::other("the secret inside")) })
        .startup_task("panics", async { panic!("the secret inside") as Result<(), io::Error> })
        .build()
        .unwrap();
    let served = Served::start(app, router());
    eventually("both failed", || async {
        let body = get(served.admin, "/startupz").await.body;
        assert!(!body.contains("secret"), "{body}");
        body.contains("[-]fails failed: reason withheld") && body.contains("[-]panics failed: reason withheld")
    })
    .await;
    assert_eq!(get(served.addr, "/startupz").await.status, 503);
}

#[tokio::test]
async fn a_drain_finishes_what_has_begun_and_runs_the_hooks() {
    let app = builder().build().unwrap();
    let ran = Arc::new(AtomicBool::new(false));
    let flag = ran.clone();
    app.shutdown().on_shutdown("flush", || async move {
        flag.store(true, Ordering::SeqCst);
        Ok(())
    });
    let served = Served::start(app, router());
    let mut busy = Connection::open(served.addr).await;
    busy.write("GET /until-drain HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let shutdown = served.shutdown.clone();
    eventually("in flight", || async { shutdown.in_flight() == 1 }).await;
    let addr = served.addr;
    let drained = served.end().await;
    assert!(drained.is_whole(), "{drained:?}");
    assert!(busy.closed().await.ends_with("finished"));
    assert!(ran.load(Ordering::SeqCst));
    assert!(
        tokio::net::TcpStream::connect(addr).await.is_err(),
        "the listener is closed"
    );
}

#[tokio::test]
async fn a_drain_that_meets_its_deadline_counts_what_it_cuts() {
    let app = builder().setting("shutdown.drain", "100ms").build().unwrap();
    app.tracker().spawn(std::future::pending::<()>());
    let served = Served::start(app, router());
    let mut busy = Connection::open(served.addr).await;
    busy.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let shutdown = served.shutdown.clone();
    eventually("in flight", || async { shutdown.in_flight() == 1 }).await;
    let drained = served.end().await;
    assert_eq!(
        [drained.requests_cut, drained.connections_cut, drained.tasks_cut],
        [1, 1, 1]
    );
    assert_eq!(drained.exit_code(), 3);
    assert_eq!(busy.closed().await, "", "cut without an answer");
}

#[tokio::test]
async fn a_service_whose_future_is_dropped_closes_everything() {
    let bound = builder().build().unwrap().bind().unwrap();
    let (addr, admin) = (bound.local_addr(), bound.admin_addr());
    let task = tokio::spawn(bound.serve(router()));
    assert_eq!(get(addr, "/").await.status, 200);
    let mut busy = Connection::open(addr).await;
    busy.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    task.abort();
    assert_eq!(busy.closed().await, "");
    for addr in [addr, admin] {
        eventually("closed", || async {
            tokio::net::TcpStream::connect(addr).await.is_err()
        })
        .await;
    }
}

#[test]
fn a_service_on_a_current_thread_runtime_serves_and_drains() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let served = Served::start(builder().build().unwrap(), router());
        assert_eq!(get(served.addr, "/").await.body, "ok");
        assert!(served.end().await.is_whole());
    });
}

#[tokio::test]
async fn the_liveness_of_a_consumer_that_falls_silent_ends_while_readiness_stays() {
    let app = builder().build().unwrap();
    let consumer = app.watchdog().register("consumer", Duration::from_millis(200)).unwrap();
    consumer.beat();
    let served = Served::start(app, router());
    eventually("late", || async { get(served.admin, "/livez").await.status == 503 }).await;
    let body = get(served.admin, "/livez").await.body;
    assert!(body.contains("[-]consumer failed"), "{body}");
    assert_eq!(get(served.addr, "/livez").await.status, 503);
    consumer.beat();
    assert_eq!(get(served.admin, "/livez").await.status, 200);
}

#[tokio::test]
async fn http_2_is_served_on_the_same_port_and_ends_with_goaway() {
    let served = Served::start(builder().build().unwrap(), router());
    let stream = tokio::net::TcpStream::connect(served.addr).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    let connection = tokio::spawn(connection);
    let uri = format!("http://{}/until-drain", served.addr);
    let request = http::Request::get(&uri).body(seaworthy::Body::empty()).unwrap();
    let response = tokio::spawn(client.send_request(request));
    let shutdown = served.shutdown.clone();
    eventually("in flight", || async { shutdown.in_flight() == 1 }).await;
    assert!(served.end().await.is_whole());
    let response = within(response).await.unwrap().unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, http::Version::HTTP_2)
    );
    assert!(response.headers().get("connection").is_none());
    within(connection).await.unwrap().unwrap();
}
