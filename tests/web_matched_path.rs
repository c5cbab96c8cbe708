//! The label of a request whose endpoint only axum's router knows.

#![cfg(feature = "axum")]

mod web_support;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::{any, any_service, get};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use seaworthy::Body;
use seaworthy::web::{ErrorBoundaryLayer, MatchedPathLayer, RouteTemplate};
use tower::{Layer, Service, ServiceExt, service_fn};
use web_support::sink::Sink;
use web_support::{dropped_at_every_poll, one_at_a_time, poll_once};

async fn ok() -> &'static str {
    "ok"
}

/// Asks for a path, and returns the label and the status under which that is counted.
async fn label(router: Router, method: &str, path: &str) -> (String, u16) {
    observed(
        router,
        Request::builder().method(method).uri(path).body(Body::empty()).unwrap(),
    )
    .await
}

async fn observed(router: Router, request: Request<Body>) -> (String, u16) {
    let sink = Sink::default();
    let service = sink.layer(ErrorBoundaryLayer::new().layer(router));
    service
        .oneshot(request)
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    let end = sink.only();
    (end.route, end.status.unwrap())
}

/// Routes, wildcards, nested routers and services, and a fallback at every level.
fn router() -> Router {
    let inner = || Router::new().route("/users/{id}", get(ok)).fallback(ok);
    let catches_all = Router::new().route("/known", get(ok)).fallback(ok);
    Router::new()
        .route("/items/{id}", get(ok))
        .route("/files/{*path}", get(ok))
        .route("/panic", any(|| async { assert_eq!(1, 2) }))
        .nest("/api", inner())
        .nest("/plain", Router::new().route("/one", get(ok)))
        .nest_service("/served", inner())
        .nest_service(
            "/raw",
            service_fn(|_| ready(Ok::<_, Infallible>(Response::new(axum::body::Body::empty())))),
        )
        .route("/mounted/{*rest}", any_service(catches_all))
        .fallback(ok)
        .layer(MatchedPathLayer::new())
}

#[tokio::test]
async fn a_request_without_a_declared_endpoint_is_labelled_with_the_routers_template() {
    for (method, path, expected) in [
        ("GET", "/items/7?q=1", ("/items/{id}", 200)),
        ("GET", "/files/a/b/c", ("/files/{*path}", 200)),
        ("GET", "/api/users/7", ("/api/users/{id}", 200)),
        ("GET", "/plain/one", ("/plain/one", 200)),
        // A route that has no such method is a route.
        ("PUT", "/items/7", ("/items/{id}", 405)),
    ] {
        let (route, status) = label(router(), method, path).await;
        assert_eq!((route.as_str(), status), expected, "{method} {path}");
    }
}

#[tokio::test]
async fn no_path_that_a_fallback_or_a_nested_service_takes_becomes_a_label() {
    let under = [
        "",
        "/api",
        "/api/users",
        "/plain",
        "/served",
        "/served/users",
        "/raw",
        "/mounted",
    ];
    let mut labels = BTreeSet::new();
    for n in 0..20 {
        for under in under {
            labels.insert(label(router(), "GET", &format!("{under}/{n}/nowhere-{n}")).await.0);
            labels.insert(label(router(), "GET", &format!("{under}/%7B{n}%7D")).await.0);
        }
    }
    let labels: Vec<_> = labels.iter().map(String::as_str).collect();
    let expected = [
        "/api/users/{id}",
        "/mounted/{*rest}",
        "/served/users/{id}",
        "undeclared",
    ];
    assert!(labels.iter().all(|label| expected.contains(label)), "{labels:?}");
}

#[tokio::test]
async fn the_template_of_a_declared_endpoint_wins() {
    let mut request = Request::get("/items/7").body(Body::empty()).unwrap();
    request.extensions_mut().insert(RouteTemplate("/declared".into()));
    assert_eq!(observed(router(), request).await, ("/declared".to_owned(), 200));

    // Whoever answers inside of a declared endpoint does not relabel it.
    let relabels = Router::new().route(
        "/items/{id}",
        get(|| async { axum::Extension(RouteTemplate("/other".into())) }),
    );
    let mut request = Request::get("/items/7").body(Body::empty()).unwrap();
    request.extensions_mut().insert(RouteTemplate("/declared".into()));
    assert_eq!(observed(relabels, request).await, ("/declared".to_owned(), 200));
}

#[tokio::test]
async fn nothing_is_added_to_the_answer_of_a_declared_endpoint() {
    let mut request = Request::get("/items/7").body(axum::body::Body::empty()).unwrap();
    request.extensions_mut().insert(RouteTemplate("/declared".into()));
    let response = router().oneshot(request).await.unwrap();
    assert!(response.extensions().get::<RouteTemplate>().is_none());
}

#[tokio::test]
async fn what_is_made_outside_of_the_router_stays_undeclared() {
    assert_eq!(label(router(), "GET", "/panic").await, ("undeclared".to_owned(), 500));
}

#[tokio::test]
async fn of_two_layers_the_inner_one_knows_more() {
    let inner = Router::new().route("/known", get(ok)).layer(MatchedPathLayer::new());
    let outer = Router::new()
        .route("/{*rest}", any_service(inner))
        .layer(MatchedPathLayer::new());
    let inner = label(outer, "GET", "/known").await.0;
    assert!(inner.ends_with("/known"), "{inner}");
}

/// Is never ready, and says so.
#[derive(Clone)]
struct Unready;

impl Service<Request<Body>> for Unready {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        unreachable!("called without being ready")
    }
}

#[tokio::test]
async fn it_is_as_ready_as_the_service_inside_and_its_errors_and_panics_pass() {
    let mut service = MatchedPathLayer::new().layer(Unready);
    assert!(
        ServiceExt::<Request<Body>>::ready(&mut service)
            .now_or_never()
            .is_none()
    );

    let fails = service_fn(|_: Request<Body>| ready(Err::<Response<Body>, _>("inside")));
    let service = MatchedPathLayer::new().layer(fails);
    assert_eq!(service.clone().oneshot(Request::default()).await.unwrap_err(), "inside");
    assert_eq!(service.oneshot(Request::default()).await.unwrap_err(), "inside");
}

#[tokio::test]
async fn a_dropped_call_gives_its_place_back() {
    let (places, inner) = one_at_a_time();
    let mut service = MatchedPathLayer::new().layer(inner);
    let start = || {
        let ready = poll_once(std::pin::pin!(ServiceExt::<Request<Body>>::ready(&mut service)));
        assert!(ready.is_ready());
        service.call(Request::default())
    };
    dropped_at_every_poll(start, |polls| {
        assert_eq!(places.available_permits(), 1, "after {polls} polls")
    });
}
