//! The probes in front of HTTP services of several kinds.

#![cfg(feature = "http")]

use std::convert::Infallible;
use std::future::{Future, Ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use seaworthy::health::Health;
use seaworthy::web::HealthLayer;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

mod health_support;
use health_support::{Dependency, Mode, SECOND, pass, settle, start};

fn request(uri: &str) -> Request<()> {
    Request::get(uri).body(()).expect("a request")
}

/// A service that must not be touched.
#[derive(Clone)]
struct Untouchable;

impl Service<Request<()>> for Untouchable {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        panic!("the inner service was polled")
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        panic!("the inner service was called")
    }
}

/// Asks a probe in front of a service that must not be touched.
async fn probe(health: &Health, uri: &str) -> (u16, String) {
    let mut service = HealthLayer::new(health.clone()).layer(Untouchable);
    let response = service.ready().await.unwrap().call(request(uri)).await.unwrap();
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (head.status.as_u16(), String::from_utf8(body.into()).expect("text"))
}

/// Trap 42.
#[tokio::test(start_paused = true)]
async fn a_hung_check_gives_503_within_one_deadline() {
    let payments = Dependency::new(Mode::Hung);
    let health = Health::new();
    health.check(payments.check("payments").optional()).unwrap();
    health.check(payments.check("ledger")).unwrap();
    health.start(&tokio::runtime::Handle::current());
    assert_eq!(probe(&health, "/readyz").await.0, 503);
    pass(SECOND).await;
    let body = "[+]startup ok\n[-]ledger failed: reason withheld\n[+]shutdown ok\nreadyz check failed\n";
    assert_eq!(probe(&health, "/readyz").await, (503, body.into()));
    assert_eq!(probe(&health, "/livez").await, (200, "ok".into()));
}

/// Trap 42.
#[tokio::test(start_paused = true)]
async fn a_panicking_check_gives_503_and_its_text_nowhere() {
    let health = Health::new();
    health.check(Dependency::new(Mode::Panicking).check("panics")).unwrap();
    health.check(Dependency::new(Mode::Down).check("fails")).unwrap();
    health.startup_task("migrations").unwrap().fail("password=hunter2");
    start(&health).await;
    for path in ["/readyz", "/startupz", "/healthz"] {
        let (status, body) = probe(&health, &format!("{path}?verbose")).await;
        assert_eq!(status, 503);
        assert!(!body.contains("hunter2"), "{body}");
    }
}

/// Trap 43.
#[tokio::test(start_paused = true)]
async fn down_and_unknown_together_give_503() {
    for modes in [[Mode::Down, Mode::Hung], [Mode::Hung, Mode::Down]] {
        let health = Health::new();
        for (name, mode) in ["first", "second"].into_iter().zip(modes) {
            health.check(Dependency::new(mode).check(name)).unwrap();
        }
        start(&health).await;
        for _ in 0..3 {
            assert_eq!(probe(&health, "/readyz").await.0, 503);
            assert_eq!(probe(&health, "/healthz").await.0, 503);
            pass(SECOND).await;
        }
    }
}

/// Trap 44.
#[tokio::test(start_paused = true)]
async fn two_hundred_probes_at_once_for_ten_seconds_run_a_check_once_or_twice() {
    let payments = Dependency::new(Mode::Up);
    let health = Health::new();
    health.check(payments.check("payments")).unwrap();
    start(&health).await;
    for _ in 0..100 {
        for path in ["/readyz", "/readyz/payments", "/healthz", "/livez"].repeat(50) {
            assert_eq!(probe(&health, path).await.0, 200);
        }
        pass(SECOND / 10).await;
    }
    assert!((1..=2).contains(&payments.runs()), "{} runs", payments.runs());
}

/// Trap 45.
#[tokio::test(start_paused = true)]
async fn a_probe_is_answered_over_a_limit_that_is_used_up_and_takes_none_of_it() {
    let health = Health::new();
    start(&health).await;
    let hang = service_fn(|_: Request<()>| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let limit = ConcurrencyLimit::new(hang, 1);
    let mut service = HealthLayer::new(health).layer(limit.clone());
    let _held = service.call(request("/slow"));
    let waiting = service.clone().oneshot(request("/slow"));
    let mut waiting = std::pin::pin!(waiting);
    assert!(stays_pending(waiting.as_mut()).await);
    for _ in 0..100 {
        let probe = async { service.ready().await.unwrap().call(request("/readyz")).await.unwrap() };
        let response = tokio::time::timeout(SECOND, probe).await.expect("a probe waits");
        assert_eq!(response.status(), 200);
    }
}

async fn stays_pending(future: impl Future + Unpin) -> bool {
    tokio::time::timeout(SECOND, future).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn every_other_request_goes_through_and_comes_back_unchanged() {
    let health = Health::new();
    let inner = service_fn(|request: Request<()>| async move {
        match request.uri().path() {
            "/fail" => Err("inner error"),
            path => Ok(Response::new(Full::<Bytes>::from(path.to_owned()))),
        }
    });
    let service = HealthLayer::new(health).status_only().layer(inner);
    for path in ["/", "/orders", "/livezz", "/readyz/db", "/healthz/x"] {
        let response = service.clone().oneshot(request(path)).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), path);
    }
    assert_eq!(service.oneshot(request("/fail")).await.unwrap_err(), "inner error");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_waited_for_in_the_future() {
    let echo = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let limit = ConcurrencyLimit::new(echo, 1);
    let mut taken = limit.clone();
    let taken = taken.ready().await.unwrap();
    let held = taken.call(request("/"));
    let mut service = HealthLayer::new(Health::new()).layer(limit);
    let mut waiting = std::pin::pin!(service.call(request("/")));
    assert!(stays_pending(waiting.as_mut()).await);
    held.await.unwrap();
    assert_eq!(waiting.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn it_fits_an_axum_router_inside_and_outside() {
    let health = Health::new();
    let routes = || Router::new().route("/", get(|| async { "ahoy" }));
    let inside = routes().layer(HealthLayer::new(health.clone()));
    let outside = ServiceBuilder::new()
        .layer(HealthLayer::new(health.clone()))
        .service(routes());
    start(&health).await;
    let ask = |uri: &str| Request::get(uri).body(axum::body::Body::empty()).unwrap();
    for uri in ["/", "/readyz"] {
        assert_eq!(inside.clone().oneshot(ask(uri)).await.unwrap().status(), 200);
        assert_eq!(outside.clone().oneshot(ask(uri)).await.unwrap().status(), 200);
    }
    health.drain();
    settle().await;
    assert_eq!(inside.oneshot(ask("/readyz")).await.unwrap().status(), 503);
    assert_eq!(outside.oneshot(ask("/readyz")).await.unwrap().status(), 503);
}

/// Trap 38, the probes' part.
#[tokio::test(start_paused = true)]
async fn while_draining_readiness_gives_503_and_liveness_200() {
    let health = Health::new();
    start(&health).await;
    health.drain();
    let body = "[+]startup ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n";
    assert_eq!(probe(&health, "/readyz").await, (503, body.into()));
    assert_eq!(probe(&health, "/livez").await, (200, "ok".into()));
    assert_eq!(probe(&health, "/startupz").await, (200, "ok".into()));
    assert_eq!(probe(&health, "/healthz").await.0, 503);
}
