//! The HTTP face of the adaptive limit: what a place, a time and a status are over HTTP.

mod web_support;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use seaworthy::adaptive::{AdaptiveLimit, AdaptiveLimitLayer};
use seaworthy::clock::ManualClock;
use seaworthy::inventory::Describe;
use seaworthy::outcome::{Classify, Outcome};
use seaworthy::timeout::Timeout;
use seaworthy::web::{ErrorBoundaryLayer, OverloadByStatus};
use seaworthy::{Body, BoxError, Reason, Refusal};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use web_support::{Step, script};

const MS: Duration = Duration::from_millis(1);

/// One place.
fn limit() -> AdaptiveLimit {
    let builder = AdaptiveLimit::builder("inbound").initial(1).min(1).max(1);
    builder.build().unwrap()
}

fn request() -> Request<Body> {
    Request::new(Body::empty())
}

fn counter(limit: &AdaptiveLimit, name: &str) -> u64 {
    let entry = limit.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

fn in_flight(limit: &AdaptiveLimit) -> usize {
    limit.snapshot().in_flight
}

/// Polls a future that must be ready.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready at once"),
    }
}

/// Ends of one exchange whose inner service answers with `end`.
fn exchange<E: Into<BoxError>>(
    layer: &AdaptiveLimitLayer<OverloadByStatus>,
    end: Result<Response<Body>, E>,
) -> Result<Response<Body>, BoxError> {
    let mut end = Some(end);
    let inner = service_fn(move |_: Request<Body>| ready(end.take().unwrap()));
    now(layer.layer(inner).oneshot(request()))
}

#[test]
fn a_call_ends_with_its_head_and_a_stream_that_stays_open_takes_no_place() {
    let limit = limit();
    let body = Body::new(script(vec![Step::Data("a"), Step::Hang]));
    let response = exchange(&limit.http_layer(), Ok::<_, Infallible>(Response::new(body))).unwrap();
    assert_eq!(in_flight(&limit), 0);
    drop(response);
    assert_eq!((in_flight(&limit), counter(&limit, "cancelled")), (0, 0));
}

#[test]
fn an_exchange_that_is_dropped_before_its_head_gives_the_place_back() {
    let limit = limit();
    let inner = service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let mut call = Box::pin(limit.http_layer().layer(inner).oneshot(request()));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(in_flight(&limit), 1);
    drop(call);
    assert_eq!((in_flight(&limit), counter(&limit, "cancelled")), (0, 1));
}

#[test]
fn how_long_a_call_takes_is_known_with_its_head() {
    let clock = ManualClock::default();
    let limit = AdaptiveLimit::builder("inbound")
        .minimum_calls(5)
        .clock(clock.clone().into());
    let limit = limit.build().unwrap();
    for _ in 0..60 {
        let slow_head = service_fn(|_: Request<Body>| {
            clock.advance(10 * MS);
            ready(Ok::<_, Infallible>(Response::new(Body::new(script([Step::Data(
                "slowly read",
            )])))))
        });
        let response = now(limit.http_layer().layer(slow_head).oneshot(request())).unwrap();
        clock.advance(500 * MS);
        now(response.into_body().collect()).unwrap();
    }
    let latency = limit.snapshot().latency.expect("enough have ended");
    assert!((8 * MS..15 * MS).contains(&latency), "{latency:?}");
}

fn refusal() -> Refusal {
    let timeout = Timeout::builder("payments").limit(MS).build().unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    match runtime.block_on(timeout.call(std::future::pending::<io::Result<()>>)) {
        Err(seaworthy::Guarded::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// How one answer is counted: dropped, ignored, or neither.
fn counted<E: Into<BoxError>>(end: Result<Response<Body>, E>) -> Outcome {
    let limit = limit();
    let _ = exchange(&limit.http_layer(), end);
    match (counter(&limit, "dropped"), counter(&limit, "ignored")) {
        (1, 0) => Outcome::Failure,
        (0, 1) => Outcome::Ignored,
        (0, 0) => Outcome::Success,
        other => panic!("{other:?}"),
    }
}

#[test]
fn answers_that_tell_of_too_much_load_count_and_other_failures_say_nothing() {
    for (status, outcome) in [
        (200, Outcome::Success),
        (302, Outcome::Success),
        (404, Outcome::Ignored),
        (408, Outcome::Ignored),
        (429, Outcome::Failure),
        (500, Outcome::Ignored),
        (501, Outcome::Ignored),
        (502, Outcome::Ignored),
        (503, Outcome::Failure),
        (504, Outcome::Failure),
        (599, Outcome::Ignored),
    ] {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(counted(Ok::<_, Infallible>(response)), outcome, "{status}");
        let mut response = Response::new(Body::new(script([Step::Data("a")])));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(counted(Ok::<_, Infallible>(response)), outcome, "{status} with a body");
    }
    assert_eq!(counted(Err(io::Error::other("reset"))), Outcome::Ignored);
}

#[test]
fn a_refusal_of_ours_says_itself_what_it_means_as_an_error_and_in_a_response() {
    let elapsed = refusal();
    assert_eq!(elapsed.outcome(), Outcome::Failure);
    let full = limit();
    let mut held = Box::pin(full.call(std::future::pending::<io::Result<()>>));
    assert!(held.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let error = exchange(&full.http_layer(), Ok::<_, Infallible>(Response::new(Body::empty()))).unwrap_err();
    let overloaded = Refusal::find(error.as_ref()).unwrap().clone();
    for (refusal, outcome) in [(elapsed, Outcome::Failure), (overloaded, Outcome::Ignored)] {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.extensions_mut().insert(refusal.clone());
        assert_eq!(counted(Ok::<_, Infallible>(response)), outcome, "{refusal}");
        assert_eq!(counted(Err(refusal.clone())), outcome, "{refusal}");
    }
}

#[test]
fn another_classification_can_be_given() {
    let limit = limit();
    let all_fail = |_: Result<&Response<Body>, &BoxError>| Outcome::Failure;
    let inner = service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
    now(limit.http_layer().classify(all_fail).layer(inner).oneshot(request())).unwrap();
    assert_eq!(counter(&limit, "dropped"), 1);
}

#[test]
fn a_refusal_is_a_problem_of_status_503_and_does_not_ask_the_service() {
    let limit = limit();
    let mut held = Box::pin(limit.call(std::future::pending::<io::Result<()>>));
    assert!(held.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut service = ServiceBuilder::new()
        .layer(ErrorBoundaryLayer::new())
        .layer(limit.http_layer())
        .service(service_fn(
            |_: Request<Body>| -> std::future::Ready<Result<Response<Body>, Infallible>> {
                panic!("called in spite of the refusal")
            },
        ));
    let response = now(service.ready()).unwrap().call(request());
    let response = now(response).unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let reason = response.extensions().get::<Refusal>().unwrap().reason();
    assert!(matches!(reason, Reason::Overloaded { .. }), "{reason:?}");
    assert_eq!(counter(&limit, "refused"), 1);
}

#[test]
fn a_grpc_call_that_fails_at_once_is_no_quick_success() {
    for (code, expected) in [
        ("0", Outcome::Success),
        ("4", Outcome::Failure),
        ("8", Outcome::Failure),
        ("14", Outcome::Failure),
        ("3", Outcome::Ignored),
        ("13", Outcome::Ignored),
        ("nonsense", Outcome::Ignored),
    ] {
        let response = Response::builder().header("grpc-status", code).body(()).unwrap();
        assert_eq!(OverloadByStatus.classify(Ok(&response)), expected, "{code}");
    }
}
