//! What tests of users rely on: the client in process, the paused clock of a whole app, the fake dependency.

use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ::bytes::Bytes;
use axum::Router;
use axum::routing::{get, post};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use seaworthy::breaker::State;
use seaworthy::health::Check;
use seaworthy::rate_limit::Quota;
use seaworthy::shutdown::Cause;
use seaworthy::testing::{Behaviour, FakeDependency, FakeError, TestClient, bytes, text};
use seaworthy::{App, AppBuilder, Body, BoxError, Endpoint, Guarded};
use tower::{Layer, ServiceExt};

const ALL: [Behaviour; 6] = [
    Behaviour::Healthy,
    Behaviour::Slow(Duration::from_millis(30)),
    Behaviour::Failing(StatusCode::IM_A_TEAPOT),
    Behaviour::Hanging,
    Behaviour::Breaking,
    Behaviour::Refusing,
];

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn started(app: AppBuilder, router: Router) -> TestClient {
    app.build().unwrap().test_client(router)
}

async fn statuses(client: &TestClient, path: &str, requests: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..requests {
        statuses.push(client.get(path).await.status().as_u16());
    }
    statuses
}

#[tokio::test(start_paused = true)]
async fn a_request_in_process_meets_the_same_guards_as_one_over_a_socket() {
    let router = Router::new()
        .route("/", get(|| async { "ahoy" }))
        .route("/panic", get(|| async { panic!("on purpose") as &'static str }))
        .route("/hang", get(std::future::pending::<()>))
        .route("/orders", post(|body: String| async move { body }));
    let client = started(App::builder("orders"), router);
    let response = client.get("/").await;
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(text(response).await.unwrap(), "ahoy");
    assert_eq!(statuses(&client, "/livez", 1).await, [200]);
    let panicked = client.get("/panic").await;
    assert_eq!(panicked.headers()["content-type"], "application/problem+json");
    assert_eq!(panicked.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let start = tokio::time::Instant::now();
    assert_eq!(client.get("/hang").await.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(start.elapsed().as_secs(), 10, "the deadline is tokio's time");
    for (length, expected) in [(2 << 20, 200), ((2 << 20) + 1, 413)] {
        let order = Request::post("/orders").body(vec![b'x'; length]).unwrap();
        let answer = client.request(order).await;
        assert_eq!(answer.status().as_u16(), expected, "a body of {length} bytes");
        assert_eq!(bytes(answer).await.unwrap().len() == length, expected == 200);
    }
}

#[tokio::test]
async fn the_admin_plane_answers_without_its_thread() {
    let mut app = App::builder("orders");
    let ledger = app.dependency("ledger").guard();
    let client = started(app, Router::new());
    ledger.dependency().breaker().force_open();
    for (page, expected) in [
        ("/livez", "ok"),
        ("/healthz", r#""status":"#),
        ("/metrics", "http_server"),
        ("/inventory", r#""state":"forced_open""#),
    ] {
        client.get("/").await;
        let response = client.admin_get(page).await;
        assert_eq!(response.status(), StatusCode::OK, "{page}");
        let body = text(response).await.unwrap();
        assert!(body.contains(expected), "{page}: {body}");
    }
    assert_eq!(client.get("/inventory").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_trips_by_failures_and_heals_as_time_goes_by() {
    let fake = FakeDependency::default();
    let mut app = App::builder("orders");
    let dependency = app.dependency("payments").guard().dependency().clone();
    let payments = dependency.layer().http().layer(fake.clone());
    let state = || dependency.breaker().snapshot().state;
    let client = started(app, Router::new());
    let ask = async || {
        let request = Request::post("/charge").body(Body::empty()).unwrap();
        let answer: Result<Response<Body>, BoxError> = payments.clone().oneshot(request).await;
        answer.map(|response| response.status().as_u16()).ok()
    };
    fake.set(Behaviour::Failing(StatusCode::INTERNAL_SERVER_ERROR));
    for _ in 0..20 {
        assert_eq!(ask().await, Some(500));
    }
    assert_eq!((ask().await, fake.calls(), state()), (None, 20, State::Open));
    fake.set(Behaviour::Healthy);
    client.advance(secs(3)).await;
    assert_eq!(ask().await, None, "not before its time");
    client.advance(secs(2)).await;
    for _ in 0..5 {
        assert_eq!(ask().await, Some(200), "a probe, in {:?}", state());
    }
    assert_eq!(state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn each_peer_has_its_own_allowance_and_it_comes_back_as_time_goes_by() {
    let limited = Endpoint::default().per_client(Quota::per(2, secs(60)));
    let app = App::builder("orders").endpoint(http::Method::GET, "/", limited);
    let client = started(app, Router::new().route("/", get(|| async {})));
    let other = client.peer([192, 0, 2, 1]);
    assert_eq!(statuses(&client, "/", 3).await, [200, 200, 429]);
    assert_eq!(statuses(&other, "/", 3).await, [200, 200, 429]);
    client.advance(secs(29)).await;
    assert_eq!(statuses(&client, "/", 1).await, [429]);
    client.advance(secs(1)).await;
    assert_eq!(statuses(&client, "/", 2).await, [200, 429]);
}

#[tokio::test(start_paused = true)]
async fn a_health_check_runs_again_as_time_goes_by() {
    let fake = FakeDependency::default();
    let asked = fake.clone();
    let check = Check::new("ledger", move || {
        let asked = asked.clone();
        async move { asked.call().await }
    });
    let client = started(App::builder("orders").check(check.critical()), Router::new());
    client.advance(Duration::ZERO).await;
    assert_eq!((fake.calls(), client.get("/readyz").await.status().as_u16()), (1, 200));
    fake.set(Behaviour::Refusing);
    client.advance(secs(60)).await;
    // Every 10 to 11 s.
    assert!((6..=7).contains(&fake.calls()), "{} runs", fake.calls());
    assert_eq!(client.get("/readyz").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(client.admin_get("/readyz?verbose").await).await.unwrap();
    assert!(page.contains("ledger"), "{page}");
}

#[tokio::test(start_paused = true)]
async fn waits_retries_and_timeouts_of_a_dependency_keep_the_paused_time() {
    let fake = FakeDependency::default();
    let mut app = App::builder("orders");
    let ledger = app.dependency("ledger").bulkhead(|it| it.concurrent(1)).guard();
    let client = started(app, Router::new());
    let real = std::time::Instant::now();
    fake.set(Behaviour::Hanging);
    let start = tokio::time::Instant::now();
    let (first, second) = tokio::join!(ledger.call_idempotent(|| fake.call()), async {
        client.advance(secs(1)).await;
        (ledger.call(|| fake.call()).await, start.elapsed())
    });
    let reason = |ended: Result<(), Guarded<FakeError>>| match ended {
        Err(Guarded::Refused(refusal)) => refusal.reason().label(),
        ended => panic!("{ended:?}"),
    };
    assert_eq!(reason(second.0), "bulkhead_full");
    assert_eq!(second.1.as_millis(), 1100, "a second, and 100 ms in the queue");
    assert_eq!(reason(first), "elapsed");
    assert_eq!(fake.calls(), 3, "attempts of the first");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(4500) && took <= secs(5), "{took:?}");
    assert!(real.elapsed() < secs(3), "nobody waited");
}

#[tokio::test(start_paused = true)]
async fn startup_and_shutdown_are_those_of_a_served_app() {
    let (begin, begun) = tokio::sync::oneshot::channel();
    let app = App::builder("orders").startup_task("warm-up", begun).build().unwrap();
    let (shutdown, hook) = (app.shutdown().clone(), Arc::new(AtomicU64::default()));
    let ran = Arc::clone(&hook);
    shutdown.on_shutdown("flush", async move || {
        ran.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    let client = app.test_client(Router::new());
    client.advance(Duration::ZERO).await;
    assert_eq!(statuses(&client, "/readyz", 1).await, [503], "not started");
    begin.send(()).unwrap();
    client.advance(Duration::ZERO).await;
    assert_eq!(statuses(&client, "/readyz", 1).await, [200]);
    shutdown.begin(Cause::Requested);
    client.advance(secs(4)).await;
    assert_eq!(statuses(&client, "/readyz", 1).await, [503], "the hold");
    assert_eq!(hook.load(Ordering::SeqCst), 0);
    client.advance(secs(1)).await;
    assert_eq!(hook.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_client_stops_what_the_first_has_started() {
    let fake = FakeDependency::default();
    let asked = fake.clone();
    let check = Check::new("ledger", move || {
        let asked = asked.clone();
        async move { asked.call().await }
    });
    let app = App::builder("orders").check(check).build().unwrap();
    let (task, gone) = tokio::sync::oneshot::channel::<()>();
    app.tracker().spawn(async move {
        let _held = task;
        std::future::pending::<()>().await;
    });
    let (health, client) = (app.health().clone(), app.test_client(Router::new()));
    let clone = client.clone();
    drop(client);
    clone.advance(secs(11)).await;
    assert_eq!(fake.calls(), 2, "the clone keeps it running");
    drop(clone);
    assert!(gone.await.is_err(), "its tasks are cut");
    tokio::time::sleep(secs(60)).await;
    assert_eq!(fake.calls(), 2);
    assert_eq!(health.phase().label(), "stopped");
}

/// How a call ended, in one word.
async fn ended(answer: impl Future<Output = Result<Response<Body>, BoxError>>) -> String {
    let Ok(answer) = tokio::time::timeout(Duration::from_millis(300), answer).await else {
        return "hangs".to_owned();
    };
    let Ok(answer) = answer else {
        return "refused".to_owned();
    };
    let status = answer.status();
    match text(answer).await {
        Ok(body) => format!("{} {body}", status.as_u16()),
        Err(_) => format!("{} broken", status.as_u16()),
    }
}

const EXPECTED: [&str; 6] = ["200 agreed", "200 agreed", "418 ", "hangs", "200 broken", "refused"];

#[tokio::test(start_paused = true)]
async fn a_fake_obeys_as_a_service_under_the_guards_of_its_dependency() {
    for (behaviour, expected) in ALL.into_iter().zip(EXPECTED) {
        let fake = FakeDependency::new("agreed");
        let mut app = App::builder("orders");
        let payments = app.dependency("payments").layer().http().layer(fake.clone());
        let _client = started(app, Router::new());
        fake.set(behaviour);
        let request = Request::post("/").body(Body::empty()).unwrap();
        assert_eq!(ended(payments.oneshot(request)).await, expected, "{behaviour:?}");
        assert_eq!(fake.calls(), 1, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_fake_obeys_over_a_socket() {
    let fake = FakeDependency::new("agreed");
    let url = fake.listen().await.unwrap();
    for http2 in [false, true] {
        let mut app = App::builder("orders");
        let declared = app.dependency("payments");
        let declared = if http2 { declared.http2() } else { declared };
        let payments = declared.http(&url);
        let _client = started(app, Router::new());
        for (behaviour, expected) in ALL.into_iter().zip(EXPECTED) {
            fake.set(behaviour);
            let answer = payments.send(Request::post("/").body("order").unwrap());
            assert_eq!(ended(answer).await, expected, "{behaviour:?}, HTTP/2: {http2}");
        }
    }
    assert_eq!(fake.calls(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_fake_obeys_as_a_plain_call() {
    let fake = FakeDependency::default();
    let start = tokio::time::Instant::now();
    for (behaviour, expected) in ALL.into_iter().zip([
        Some(Ok(())),
        Some(Ok(())),
        Some(Err(FakeError::Failed(StatusCode::IM_A_TEAPOT))),
        None,
        Some(Err(FakeError::Broken)),
        Some(Err(FakeError::Refused)),
    ]) {
        fake.set(behaviour);
        let ended = tokio::time::timeout(secs(1), fake.call()).await.ok();
        assert_eq!(ended, expected, "{behaviour:?}");
    }
    assert_eq!(start.elapsed().as_millis(), 1030, "the slow one and the one that hung");
}

#[tokio::test]
async fn a_dependency_is_tripped_and_healed_by_hand() {
    let fake = FakeDependency::default();
    let mut app = App::builder("orders");
    let ledger = app.dependency("ledger").guard();
    let _client = started(app, Router::new());
    let breaker = ledger.dependency().breaker();
    breaker.force_open();
    assert!(ledger.call(|| fake.call()).await.is_err());
    assert_eq!((breaker.snapshot().state, fake.calls()), (State::ForcedOpen, 0));
    breaker.reset();
    assert!(ledger.call(|| fake.call()).await.is_ok());
    assert_eq!(breaker.snapshot().state, State::Closed);
}

#[tokio::test]
async fn a_body_without_end_is_not_read_without_end() {
    let piece = || Some(Ok::<_, BoxError>(Frame::data(Bytes::from_static(&[0; 1 << 16]))));
    let body = Body::new(StreamBody::new(futures_util::stream::iter(iter::from_fn(piece))));
    let error = bytes(Response::new(body)).await.unwrap_err();
    assert!(error.to_string().contains("2097152"), "{error}");
}
