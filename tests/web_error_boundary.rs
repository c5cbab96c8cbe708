//! The error boundary: whatever goes wrong inside becomes one response, and no word of the inside gets out.

#![cfg(all(feature = "http", feature = "timeout"))]

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use seaworthy::context::RequestId;
use seaworthy::timeout::Timeout;
use seaworthy::web::{BodyLimitLayer, ErrorBoundaryLayer};
use seaworthy::{Body, BoxError, Refusal};
use tokio::io::duplex;
use tokio::sync::Semaphore;
use tower::limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

mod web_support;
use web_support::{PanicsInCall, Step, Unready, dropped_at_every_poll, json, one_at_a_time, request, script, text};

async fn answer<S>(service: S) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: Into<BoxError>> + Clone,
{
    ErrorBoundaryLayer::new()
        .layer(service)
        .oneshot(request())
        .await
        .unwrap()
}

async fn is_plain_problem(response: Response<Body>) {
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let expected = serde_json::json!({
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "the service failed; the request id names the log's lines about it",
    });
    assert_eq!(json(response).await, expected);
}

async fn panics(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    tokio::task::yield_now().await;
    panic!("the secret inside")
}

/// Cannot even be shown without a panic.
#[derive(Debug)]
struct Unshowable;

impl fmt::Display for Unshowable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("the secret inside")
    }
}

impl std::error::Error for Unshowable {}

#[tokio::test]
async fn a_panic_in_the_call_becomes_a_problem() {
    is_plain_problem(answer(PanicsInCall).await).await;
}

#[tokio::test]
async fn a_panic_in_the_future_becomes_a_problem() {
    is_plain_problem(answer(service_fn(panics)).await).await;
}

#[tokio::test]
async fn a_service_that_fails_or_panics_when_asked_for_readiness_becomes_a_problem() {
    is_plain_problem(answer(Unready::Fails).await).await;
    is_plain_problem(answer(Unready::Panics).await).await;
}

#[tokio::test]
async fn an_error_becomes_a_problem_without_a_word_of_it() {
    let fails = service_fn(|_| async { Err::<Response<Body>, BoxError>("the secret inside".into()) });
    is_plain_problem(answer(fails).await).await;
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_shown_becomes_a_problem() {
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::fmt().with_writer(io::sink).finish());
    let fails = service_fn(|_| async { Err::<Response<Body>, BoxError>(Box::new(Unshowable)) });
    is_plain_problem(answer(fails).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_inside_a_wrapping_error_gets_its_status_and_stays_with_the_response() {
    let timeout = Timeout::builder("payments")
        .limit(Duration::from_millis(5))
        .build()
        .unwrap();
    let hangs = timeout.layer().layer(service_fn(|_| async {
        std::future::pending::<Result<Response<Body>, Infallible>>().await
    }));
    let wraps = hangs.map_err(|error: BoxError| io::Error::other(error));
    let response = answer(wraps).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let refusal = response.extensions().get::<Refusal>().unwrap();
    assert_eq!((refusal.policy(), refusal.name()), ("timeout", "payments"));
    let problem = json(response).await;
    assert_eq!(
        (&problem["status"], &problem["detail"]),
        (&504.into(), &"no response within 5ms".into())
    );
}

#[tokio::test]
async fn a_boundary_in_a_boundary_changes_nothing() {
    let nested = |service| answer(ErrorBoundaryLayer::new().layer(service));
    is_plain_problem(nested(service_fn(panics)).await).await;
    let limit = BodyLimitLayer::new("inbound", 3);
    let service = ErrorBoundaryLayer::new().layer(ErrorBoundaryLayer::new().layer(limit.layer(service_fn(panics))));
    let response = service.oneshot(Request::new(Body::from("four"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(response.extensions().get::<Refusal>().is_some());
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_waited_for_in_the_future() {
    let (places, inner) = one_at_a_time();
    let service = ErrorBoundaryLayer::new().layer(inner);
    let place = places.clone().acquire_owned().await.unwrap();
    let mut clone = service.clone();
    assert!(clone.ready().now_or_never().is_some(), "it is always ready itself");
    let waits = tokio::spawn(clone.oneshot(request()));
    tokio::task::yield_now().await;
    assert!(!waits.is_finished());
    drop(place);
    assert_eq!(text(waits.await.unwrap().unwrap()).await, "answer");
}

#[tokio::test]
async fn a_clone_goes_its_own_way_and_what_panicked_is_no_worse_for_it() {
    let service = ErrorBoundaryLayer::new().layer(ConcurrencyLimit::new(service_fn(panics), 1));
    let mut clone = service.clone();
    is_plain_problem(service.oneshot(request()).await.unwrap()).await;
    for _ in 0..2 {
        let response = clone.ready().await.unwrap().call(request()).await.unwrap();
        is_plain_problem(response).await;
    }
}

#[tokio::test]
async fn a_dropped_call_gives_its_place_back() {
    let (places, inner) = one_at_a_time();
    let service = ErrorBoundaryLayer::new().layer(inner);
    let start = || service.clone().call(request());
    dropped_at_every_poll(start, |polls| {
        assert_eq!(places.available_permits(), 1, "after {polls} polls")
    });
}

#[tokio::test]
async fn a_panic_gives_the_place_back_before_the_answer_is_read() {
    let places = Arc::new(Semaphore::new(1));
    let inner = GlobalConcurrencyLimitLayer::with_semaphore(places.clone()).layer(service_fn(panics));
    let mut call = Box::pin(ErrorBoundaryLayer::new().layer(inner).call(request()));
    is_plain_problem((&mut call).await.unwrap()).await;
    assert_eq!(places.available_permits(), 1);
}

#[tokio::test]
async fn a_panic_in_a_body_is_an_error_of_that_body() {
    let panics = service_fn(|_| async { Ok::<_, Infallible>(Response::new(Body::new(script([Step::Panic])))) });
    let error = answer(panics).await.into_body().collect().await.unwrap_err();
    assert_eq!(error.to_string(), "the body panicked");
}

#[tokio::test]
async fn a_body_that_panics_ends_its_stream_alone_on_an_http_2_connection() {
    let inner = service_fn(|request: Request<hyper::body::Incoming>| async move {
        Ok::<_, Infallible>(Response::new(match request.uri().path() {
            "/panics" => script([Step::Data("first"), Step::Yield, Step::Panic]),
            _ => script([Step::Data("first"), Step::Yield, Step::Data(" and last")]),
        }))
    });
    let service = ErrorBoundaryLayer::new().layer(inner);
    let (client, server) = duplex(64 * 1024);
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(
        TokioIo::new(server),
        hyper::service::service_fn(move |request| service.clone().oneshot(request)),
    );
    tokio::spawn(server);
    let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client));
    let (mut client, connection) = client.await.unwrap();
    tokio::spawn(connection);

    let mut get = |path: &str| client.send_request(Request::get(path).body(Empty::<bytes::Bytes>::new()).unwrap());
    let whole = get("http://test/whole").await.unwrap();
    let panics = get("http://test/panics").await.unwrap();
    assert_eq!(panics.status(), StatusCode::OK);
    let error = panics.into_body().collect().await.unwrap_err();
    assert!(!error.is_closed(), "the connection lives: {error}");
    assert_eq!(whole.into_body().collect().await.unwrap().to_bytes(), "first and last");
    assert_eq!(get("http://test/whole").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn the_answer_to_a_panic_names_the_request() {
    let mut request = request();
    request.extensions_mut().insert("given-1".parse::<RequestId>().unwrap());
    let response = ErrorBoundaryLayer::new()
        .layer(PanicsInCall)
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(json(response).await["request_id"], "given-1");
}
