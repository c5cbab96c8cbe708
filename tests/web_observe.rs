//! What is told of every request: exactly one end for each beginning, and the right one.

#![cfg(feature = "http")]

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use seaworthy::outcome::Outcome::{Failure, Ignored, Success};
use seaworthy::request::{RequestEnded, RequestSink};
use seaworthy::web::{BodyLimitLayer, ErrorBoundaryLayer, ObserveLayer, RouteTemplate};
use seaworthy::{Body, BoxError};
use tower::{Layer, Service, ServiceExt, service_fn};

mod web_support;
use web_support::sink::{Sink, body, ended, exchange, response};
use web_support::{
    PanicsInCall, Step, Unready, dropped_at_every_poll, one_at_a_time, poll_once, request, script, text,
};

#[tokio::test]
async fn a_status_tells_whether_the_service_failed() {
    for (status, outcome, error) in [(404, Success, ""), (503, Failure, "503")] {
        let sink = Sink::default();
        let mut head = Response::new(Body::new(script([Step::Data("why")])));
        *head.status_mut() = StatusCode::from_u16(status).unwrap();
        exchange(&sink, response(head), request()).await;
        assert_eq!(sink.end(), ended(status, outcome, error));
    }
}

#[tokio::test]
async fn an_error_without_a_boundary_is_a_failure_without_a_status() {
    let sink = Sink::default();
    let fails = service_fn(|_: Request<Body>| async { Err::<Response<Body>, BoxError>("inside".into()) });
    exchange(&sink, fails, request()).await;
    assert_eq!(sink.end(), ended(None, Failure, "error"));
}

#[tokio::test]
async fn a_panic_is_counted_with_its_final_status_and_not_as_a_cancellation() {
    let sink = Sink::default();
    exchange(&sink, ErrorBoundaryLayer::new().layer(PanicsInCall), request()).await;
    assert_eq!(sink.end(), ended(500, Failure, "panic"));
}

#[tokio::test]
async fn a_panic_that_nobody_catches_is_counted_as_one() {
    let sink = Sink::default();
    let exchanged = AssertUnwindSafe(exchange(&sink, PanicsInCall, request())).catch_unwind();
    assert!(exchanged.await.is_err());
    assert_eq!(sink.end(), ended(None, Failure, "panic"));

    let sink = Sink::default();
    let panics = service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
        tokio::task::yield_now().await;
        panic!("inside")
    });
    let exchanged = AssertUnwindSafe(exchange(&sink, panics, request())).catch_unwind();
    assert!(exchanged.await.is_err());
    assert_eq!(sink.end(), ended(None, Failure, "panic"));

    let sink = Sink::default();
    let panics = body(script([Step::Data("a"), Step::Panic]));
    let exchanged = AssertUnwindSafe(exchange(&sink, panics, request())).catch_unwind();
    assert!(exchanged.await.is_err());
    assert_eq!(sink.end(), ended(200, Failure, "panic"));
}

#[tokio::test]
async fn a_refusal_is_counted_with_the_policy_that_refused() {
    let sink = Sink::default();
    let limited = BodyLimitLayer::new("inbound", 3).layer(PanicsInCall);
    exchange(
        &sink,
        ErrorBoundaryLayer::new().layer(limited),
        Request::new(Body::from("four")),
    )
    .await;
    assert_eq!(sink.end(), ended(413, Success, "body_too_large"));
    assert_eq!(sink.only().policy, Some("body_limit"));
}

#[tokio::test]
async fn a_request_that_is_dropped_before_its_head_is_counted_once_at_every_poll() {
    let sink = Sink::default();
    let (places, inner) = one_at_a_time();
    let mut service = sink.layer(inner);
    let mut start = || {
        let ready = poll_once(std::pin::pin!(ServiceExt::<Request<Body>>::ready(&mut service)));
        assert!(ready.is_ready());
        service.call(request())
    };
    dropped_at_every_poll(&mut start, |polls| {
        let told = std::mem::take(&mut *sink.0.lock().unwrap());
        assert_eq!((told.began.len(), told.ended.len()), (1, 1), "after {polls} polls");
        if told.ended[0].status.is_none() {
            assert_eq!(
                (told.ended[0].outcome, told.ended[0].error.as_deref()),
                (Ignored, Some("cancelled"))
            );
        }
        assert_eq!(places.available_permits(), 1);
    });
}

#[tokio::test]
async fn labels_are_bounded_whatever_the_caller_sends() {
    let route = RouteTemplate("/items/{id}".into());
    for (method, expected) in [("GET", "GET"), ("get", "_OTHER"), ("X-1234", "_OTHER")] {
        for (declared, label) in [(None, "undeclared"), (Some(route.clone()), "/items/{id}")] {
            let sink = Sink::default();
            let mut request = Request::builder()
                .method(method)
                .uri("/items/7")
                .body(Body::empty())
                .unwrap();
            declared.map(|route| request.extensions_mut().insert(route));
            exchange(&sink, body(script([])), request).await;
            let end = sink.only();
            assert_eq!((end.method, end.route.as_str()), (expected, label));
        }
    }
}

#[tokio::test]
async fn readiness_and_its_errors_pass_and_a_readied_clone_that_is_dropped_gives_its_place_back() {
    let sink = Sink::default();
    let (places, inner) = one_at_a_time();
    let mut service = sink.layer(inner);
    ServiceExt::<Request<Body>>::ready(&mut service).await.unwrap();
    assert_eq!(places.available_permits(), 0);
    assert!(
        ServiceExt::<Request<Body>>::ready(&mut service.clone())
            .now_or_never()
            .is_none()
    );
    drop(service);
    assert_eq!(places.available_permits(), 1);
    assert!(sink.layer(Unready::Fails).oneshot(request()).await.is_err());
    assert!(sink.0.lock().unwrap().began.is_empty(), "nothing has been called");
}

#[tokio::test]
async fn a_sink_that_panics_changes_no_answer() {
    struct Panics;
    impl RequestSink for Panics {
        fn began(&self, _: &'static str, _: &'static str) {
            panic!("in a sink")
        }
        fn ended(&self, _: &RequestEnded<'_>) {
            panic!("in a sink")
        }
    }
    let layer = ObserveLayer::new(Arc::new(Panics));
    let response = layer
        .layer(body(script([Step::Data("answer")])))
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(text(response).await, "answer");
}
