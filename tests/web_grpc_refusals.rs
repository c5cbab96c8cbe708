//! What a gRPC client is answered when a layer refuses, and when what it called fails or panics.

#![cfg(all(
    feature = "breaker",
    feature = "bulkhead",
    feature = "http",
    feature = "load-shed",
    feature = "rate-limit",
    feature = "timeout"
))]

mod web_support;

use std::convert::Infallible;
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::bulkhead::Bulkhead;
use seaworthy::context::RequestId;
use seaworthy::deadline::Deadline;
use seaworthy::load_shed::LoadShed;
use seaworthy::outcome::Outcome::{Failure, Success};
use seaworthy::rate_limit::{Quota, RateLimit};
use seaworthy::timeout::Timeout;
use seaworthy::web::{BodyLimitLayer, ContextLayer, ErrorBoundaryLayer, status_of};
use seaworthy::{Body, BoxError, Refusal};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use web_support::sink::{Sink, ended, exchange, response};
use web_support::{PanicsInCall, Step, json, script};

const MS: Duration = Duration::from_millis(1);

type Inner = BoxCloneService<Request<Body>, Response<Body>, BoxError>;

fn of_kind(kind: impl AsRef<[u8]>, body: Body) -> Request<Body> {
    let mut request = Request::post("/bank.Ledger/Append").body(body).unwrap();
    let kind = HeaderValue::from_bytes(kind.as_ref()).unwrap();
    request.headers_mut().insert(CONTENT_TYPE, kind);
    request
}

fn grpc(body: Body) -> Request<Body> {
    of_kind("application/grpc", body)
}

/// Makes a service of the layer and one that reads its request to the end, or hangs where there is nothing to read.
fn guarded<L>(layer: L) -> Inner
where
    L: Layer<Inner>,
    L::Service:
        Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let reads = service_fn(async |request: Request<Body>| {
        if http_body::Body::is_end_stream(request.body()) {
            std::future::pending::<()>().await;
        }
        request.into_body().collect().await?;
        Ok::<_, BoxError>(Response::new(Body::from("read")))
    });
    BoxCloneService::new(layer.layer(BoxCloneService::new(reads)))
}

async fn answer<S>(inner: S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: Into<BoxError>> + Clone,
{
    ErrorBoundaryLayer::new().layer(inner).oneshot(request).await.unwrap()
}

/// Returns `grpc-status`, `grpc-message` and `grpc-retry-pushback-ms` of what must be a head that ends the call.
fn told(response: &Response<Body>) -> [Option<&str>; 3] {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
    assert!(http_body::Body::is_end_stream(response.body()));
    assert!(!response.headers().contains_key(RETRY_AFTER));
    ["grpc-status", "grpc-message", "grpc-retry-pushback-ms"]
        .map(|name| response.headers().get(name).map(|value| value.to_str().unwrap()))
}

fn timeout() -> Timeout {
    Timeout::builder("inbound").limit(5 * MS).build().unwrap()
}

fn slow_body() -> Body {
    Body::new(script([Step::Data("begun"), Step::Hang]))
}

fn open_breaker() -> CircuitBreaker {
    let breaker = CircuitBreaker::builder("ledger").build().unwrap();
    breaker.force_open();
    breaker
}

/// Every way to be refused that needs no second request, with the code and the HTTP status.
fn refusals() -> Vec<(Inner, Request<Body>, &'static str, u16)> {
    let shed = LoadShed::builder("orders").signal("full", || 2.0).build().unwrap();
    let small = || BodyLimitLayer::new("inbound", 3);
    let streamed = Body::new(script([Step::Data("four")]));
    let mut late = grpc(Body::empty());
    late.extensions_mut().insert(Deadline::after(Duration::ZERO));
    vec![
        (guarded(timeout().http_layer()), grpc(Body::empty()), "4", 504),
        (guarded(timeout().http_layer()), grpc(slow_body()), "4", 408),
        (guarded(timeout().http_layer()), late, "4", 504),
        (guarded(small()), grpc("four".into()), "8", 413),
        (guarded(small()), grpc(streamed), "8", 413),
        (guarded(open_breaker().http_layer()), grpc(Body::empty()), "14", 503),
        (guarded(shed.http_layer()), grpc(Body::empty()), "14", 503),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_call_in_the_head_and_stays_with_the_response() {
    for (inner, request, code, http) in refusals() {
        let response = answer(inner, request).await;
        let refusal = response.extensions().get::<Refusal>().unwrap();
        let said = refusal.reason().to_string();
        assert_eq!(told(&response), [Some(code), Some(said.as_str()), None], "{refusal}");
        assert_eq!(status_of(refusal), http, "{refusal}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_under_a_200_is_counted_as_the_same_one_over_http() {
    for (inner, request, ..) in refusals() {
        let sink = Sink::default();
        exchange(&sink, ErrorBoundaryLayer::new().layer(inner), request).await;
        let end = sink.only();
        let (expected, reason) = match end.error.as_deref() {
            Some(reason @ ("request_body_elapsed" | "body_too_large")) => (Success, reason),
            Some(reason) => (Failure, reason),
            None => panic!("told as a success: {end:?}"),
        };
        assert_eq!(sink.end(), ended(200, expected, reason));
        assert!(end.policy.is_some(), "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_bulkhead_is_unavailable() {
    let full = Bulkhead::builder("ledger").concurrent(1).queue(0).build().unwrap();
    let inner = guarded(full.http_layer());
    let held = tokio::spawn(inner.clone().oneshot(grpc(Body::empty())));
    tokio::task::yield_now().await;
    let response = answer(inner, grpc(Body::empty())).await;
    assert_eq!(told(&response)[0], Some("14"));
    held.abort();
}

#[tokio::test(start_paused = true)]
async fn the_wait_is_told_in_milliseconds_and_whoever_waits_so_long_is_let_in() {
    let quota = Quota::per(3, 1000 * MS).burst(1);
    let limit = RateLimit::builder("orders").quota(quota).build().unwrap();
    let inner = guarded(limit.http_layer());
    assert_eq!(answer(inner.clone(), grpc("one".into())).await.status(), StatusCode::OK);
    let refused = answer(inner.clone(), grpc("one".into())).await;
    assert_eq!(told(&refused)[0], Some("8"));
    assert_eq!(told(&refused)[2], Some("334"));
    let of_http = answer(inner.clone(), Request::default()).await;
    assert_eq!(
        (of_http.status().as_u16(), &of_http.headers()[RETRY_AFTER]),
        (429, &HeaderValue::from(1))
    );
    tokio::time::advance(333 * MS).await;
    assert_eq!(told(&answer(inner.clone(), grpc("one".into())).await)[2], Some("1"));
    tokio::time::advance(MS).await;
    let response = answer(inner, grpc("one".into())).await;
    assert!(!response.headers().contains_key("grpc-status"));
}

#[tokio::test]
async fn an_error_and_a_panic_are_internal_without_a_word_of_the_inside() {
    let message = "the service failed; the request id names the log's lines about it";
    let expected = [Some("13"), Some(message), None];
    let fails = service_fn(|_| async { Err::<Response<Body>, BoxError>("the secret inside".into()) });
    assert_eq!(told(&answer(fails, grpc(Body::empty())).await), expected);
    assert_eq!(told(&answer(PanicsInCall, grpc(Body::empty())).await), expected);
    let panics = service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
        tokio::task::yield_now().await;
        panic!("the secret inside")
    });
    assert_eq!(told(&answer(panics, grpc(Body::empty())).await), expected);
}

#[tokio::test]
async fn an_error_and_a_panic_under_a_200_are_counted_as_failures() {
    let fails = service_fn(|_| async { Err::<Response<Body>, BoxError>("inside".into()) });
    let sink = Sink::default();
    exchange(&sink, ErrorBoundaryLayer::new().layer(fails), grpc(Body::empty())).await;
    assert_eq!(sink.end(), ended(200, Failure, "INTERNAL"));

    let sink = Sink::default();
    exchange(
        &sink,
        ErrorBoundaryLayer::new().layer(PanicsInCall),
        grpc(Body::empty()),
    )
    .await;
    assert_eq!(sink.end(), ended(200, Failure, "panic"));
}

#[tokio::test]
async fn a_status_that_the_service_gives_in_its_head_is_counted_as_opentelemetry_says() {
    let failures = [
        ("2", "UNKNOWN"),
        ("4", "DEADLINE_EXCEEDED"),
        ("12", "UNIMPLEMENTED"),
        ("13", "INTERNAL"),
        ("14", "UNAVAILABLE"),
        ("15", "DATA_LOSS"),
        ("17", "UNKNOWN"),
        ("soon", "UNKNOWN"),
    ];
    let failures = failures.map(|(status, name)| (status, Failure, name));
    let fine = ["0", "1", "3", "5", "6", "7", "8", "9", "10", "11", "16"];
    let fine = fine.map(|status| (status, Success, ""));
    for (status, outcome, error) in failures.into_iter().chain(fine) {
        let head = |http: u16| {
            let head = Response::builder().status(http).header("grpc-status", status);
            head.body(Body::empty()).unwrap()
        };
        let sink = Sink::default();
        exchange(&sink, response(head(200)), grpc(Body::empty())).await;
        assert_eq!(sink.end(), ended(200, outcome, error), "{status}");

        let sink = Sink::default();
        exchange(&sink, response(head(502)), grpc(Body::empty())).await;
        assert_eq!(sink.end(), ended(502, Failure, "502"), "{status}");
    }
}

#[tokio::test]
async fn the_request_keeps_its_id() {
    let service = ServiceBuilder::new()
        .layer(ContextLayer::default())
        .layer(ErrorBoundaryLayer::new())
        .service(PanicsInCall);
    let response = service.oneshot(grpc(Body::empty())).await.unwrap();
    let ids = response.headers().get_all("x-request-id");
    assert_eq!(ids.iter().count(), 1);

    let mut request = grpc(Body::empty());
    request.extensions_mut().insert("given-1".parse::<RequestId>().unwrap());
    let response = answer(PanicsInCall, request).await;
    assert_eq!(response.headers()["x-request-id"], "given-1");
}

#[tokio::test]
async fn the_content_type_alone_says_whether_a_request_is_grpc() {
    let mut kinds: Vec<(Vec<u8>, bool)> = vec![(b"application/grpc+\xff".into(), true), (b"\xff".into(), false)];
    let is_grpc = [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc+", true),
        ("application/grpc;charset=utf-8", true),
        ("application/grpc ; x=\"application/grpc-web\"", true),
        ("APPLICATION/gRPC+JSON", true),
        ("application/grpc\t", true),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grpc-web-text", false),
        ("application/grpcx", false),
        ("application/grpc,application/json", false),
        ("application/grpc +proto", false),
        ("application/grpc\u{e9}", false),
        ("application/grp", false),
        ("application/json; x=application/grpc", false),
        ("xapplication/grpc", false),
        ("", false),
        (";", false),
    ];
    kinds.extend(is_grpc.map(|(kind, is_grpc)| (kind.into(), is_grpc)));
    kinds.push(([b"application/grpc".as_slice(), &[b'x'; 60_000]].concat(), false));
    for (kind, is_grpc) in kinds {
        let response = answer(PanicsInCall, of_kind(&kind, Body::empty())).await;
        let shown = String::from_utf8_lossy(&kind[..kind.len().min(60)]).into_owned();
        assert_eq!(response.headers().contains_key("grpc-status"), is_grpc, "{shown:?}");
        assert_eq!(response.status() == StatusCode::OK, is_grpc, "{shown:?}");
        if !is_grpc {
            assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
            assert_eq!(json(response).await["status"], 500, "{shown:?}");
        }
    }
}

#[tokio::test]
async fn what_the_service_answers_itself_is_left_alone() {
    let head = || Response::builder().status(503).header(CONTENT_TYPE, "text/plain");
    let inner = service_fn(async |_| Ok::<_, Infallible>(head().body(Body::from("mine")).unwrap()));
    let response = answer(inner, grpc(Body::empty())).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers().len(), 1);
}
