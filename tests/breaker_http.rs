//! The circuit breaker's HTTP face: what counts as a failure, and when a call is over.

mod breaker_support;
mod web_support;

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::pin::Pin;

use breaker_support::{brittle, counter, now, poll_once, state, trip};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use seaworthy::breaker::{CircuitBreaker, State};
use seaworthy::clock::ManualClock;
use seaworthy::outcome::Outcome;
use seaworthy::{Body, BoxError};
use tower::{Layer, Service, service_fn};
use web_support::{Step, script};

fn breaker() -> CircuitBreaker {
    brittle(&ManualClock::default()).build().unwrap()
}

/// One exchange whose response has that status and body.
fn exchange(breaker: &CircuitBreaker, status: StatusCode, body: Body) -> Result<Response<Body>, BoxError> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let mut response = Some(response);
    let inner = service_fn(move |_: Request<Body>| ready(Ok::<_, Infallible>(response.take().unwrap())));
    now(breaker.http_layer().layer(inner).call(Request::new(Body::empty())))
}

fn streamed(steps: &[Step]) -> Body {
    Body::new(script(steps.to_vec()))
}

#[test]
fn a_client_error_is_no_failure_by_default_and_can_be_made_one() {
    let breaker = breaker();
    for status in [
        StatusCode::BAD_REQUEST,
        StatusCode::NOT_FOUND,
        StatusCode::TOO_MANY_REQUESTS,
    ] {
        exchange(&breaker, status, Body::empty()).unwrap();
    }
    assert_eq!(["calls", "failed"].map(|name| counter(&breaker, name)), [3, 0]);

    let strict = |end: Result<&Response<Body>, &BoxError>| match end {
        Ok(response) if response.status().is_success() => Outcome::Success,
        _ => Outcome::Failure,
    };
    let not_found = service_fn(|_: Request<Body>| {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        ready(Ok::<_, Infallible>(response))
    });
    let mut service = breaker.http_layer().classify(strict).layer(not_found);
    (0..2).for_each(|_| drop(now(service.call(Request::new(Body::empty()))).unwrap()));
    assert_eq!(state(&breaker), State::Open);
}

#[test]
fn a_server_error_and_a_broken_connection_are_failures() {
    let breaker = breaker();
    exchange(&breaker, StatusCode::SERVICE_UNAVAILABLE, Body::empty()).unwrap();
    let broken = service_fn(|_: Request<Body>| ready(Err::<Response<Body>, _>(io::Error::other("reset"))));
    now(breaker.http_layer().layer(broken).call(Request::new(Body::empty()))).unwrap_err();
    assert_eq!(state(&breaker), State::Open);
    let refused = exchange(&breaker, StatusCode::OK, Body::empty()).unwrap_err();
    let refusal = seaworthy::Refusal::find(refused.as_ref()).unwrap();
    assert_eq!(seaworthy::web::status_of(refusal), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refusal.retry_after().is_some());
}

#[test]
fn a_body_that_breaks_after_a_good_head_is_a_failure() {
    let breaker = breaker();
    for _ in 0..2 {
        let response = exchange(&breaker, StatusCode::OK, streamed(&[Step::Data("half"), Step::Fail])).unwrap();
        now(response.into_body().collect()).unwrap_err();
    }
    assert_eq!(state(&breaker), State::Open);
}

#[test]
fn a_call_is_over_when_its_body_is() {
    let breaker = breaker();
    let body = streamed(&[Step::Data("a"), Step::Data("b")]);
    let mut body = exchange(&breaker, StatusCode::OK, body).unwrap().into_body();
    assert_eq!(counter(&breaker, "calls"), 0);
    while now(body.frame()).is_some() {}
    assert_eq!(
        ["calls", "failed", "cancelled"].map(|name| counter(&breaker, name)),
        [1, 0, 0]
    );
    exchange(&breaker, StatusCode::OK, Body::from("whole")).unwrap();
    assert_eq!(counter(&breaker, "calls"), 2, "nothing of a whole body can fail");
}

#[test]
fn a_body_that_is_dropped_counts_by_whether_somebody_waited_for_it() {
    let breaker = breaker();
    drop(exchange(&breaker, StatusCode::OK, streamed(&[Step::Data("unread")])).unwrap());
    assert_eq!(["calls", "cancelled"].map(|name| counter(&breaker, name)), [1, 0]);

    let body = streamed(&[Step::Data("read"), Step::Hang]);
    let mut body = exchange(&breaker, StatusCode::OK, body).unwrap().into_body();
    now(body.frame()).unwrap().unwrap();
    assert!(poll_once(Pin::new(&mut body.frame())).is_pending());
    drop(body);
    assert_eq!(["calls", "cancelled"].map(|name| counter(&breaker, name)), [1, 1]);
}

#[test]
fn a_probe_ends_with_its_body() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(1, 100).build().unwrap();
    trip(&breaker);
    clock.advance(breaker_support::SECOND * 5);
    let body = streamed(&[Step::Data("a"), Step::Fail]);
    let body = exchange(&breaker, StatusCode::OK, body).unwrap().into_body();
    assert_eq!(state(&breaker), State::HalfOpen);
    now(body.collect()).unwrap_err();
    assert_eq!(state(&breaker), State::Open);
}

#[test]
fn a_body_that_flows_for_longer_than_a_probe_may_take_closes_the_circuit() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(1, 100).build().unwrap();
    trip(&breaker);
    clock.advance(breaker_support::SECOND * 5);
    let endless = streamed(&[Step::Data("tick"); 100]);
    let mut endless = exchange(&breaker, StatusCode::OK, endless).unwrap().into_body();
    for _ in 0..4 {
        clock.advance(breaker_support::SECOND);
        now(endless.frame()).unwrap().unwrap();
        assert_eq!(state(&breaker), State::HalfOpen);
    }
    clock.advance(breaker_support::SECOND);
    now(endless.frame()).unwrap().unwrap();
    assert_eq!(state(&breaker), State::Closed);
}

#[test]
fn a_refusal_in_a_response_says_itself_what_it_means() {
    let (breaker, inner) = (breaker(), breaker());
    inner.force_open();
    let refused = service_fn(move |_: Request<Body>| {
        let refusing = inner.http_layer().layer(service_fn(|_: Request<Body>| {
            ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        }));
        let error = now({ refusing }.call(Request::new(Body::empty()))).unwrap_err();
        let refusal = seaworthy::Refusal::find(error.as_ref()).unwrap().clone();
        ready(Ok::<_, Infallible>(seaworthy::web::refused(refusal, None)))
    });
    let mut service = breaker.http_layer().layer(refused);
    for _ in 0..3 {
        assert_eq!(
            now(service.call(Request::new(Body::empty()))).unwrap().status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
    assert_eq!((state(&breaker), counter(&breaker, "ignored")), (State::Closed, 3));
}
