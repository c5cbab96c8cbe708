//! How a request ends by its response's body.

#![cfg(feature = "http")]

use std::convert::Infallible;

use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use seaworthy::Body;
use seaworthy::outcome::Outcome::{Failure, Ignored, Success};
use seaworthy::web::{BodyLimitLayer, ErrorBoundaryLayer};
use tower::{Layer, ServiceExt, service_fn};

mod web_support;
use web_support::sink::{Sink, body, ended, exchange, response};
use web_support::{Step, request, script, text};

#[tokio::test]
async fn a_request_ends_with_its_responses_body() {
    let sink = Sink::default();
    let streams = body(script([Step::Data("a"), Step::Yield, Step::Data("b"), Step::Trailers]));
    let response = sink.layer(streams).oneshot(request()).await.unwrap();
    assert!(sink.0.lock().unwrap().ended.is_empty(), "not with its head");
    assert!(response.into_body().collect().await.unwrap().trailers().is_some());
    assert_eq!(sink.end(), ended(200, Success, ""));

    let sink = Sink::default();
    let whole = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::from("whole"))) });
    let response = sink.layer(whole).oneshot(request()).await.unwrap();
    assert_eq!(sink.end(), ended(200, Success, ""), "there is nothing more to wait for");
    assert_eq!(text(response).await, "whole");
}

#[tokio::test]
async fn a_body_that_breaks_after_a_200_head_is_a_failure() {
    for (step, error) in [(Step::Fail, "body"), (Step::Panic, "panic")] {
        let sink = Sink::default();
        let breaks = ErrorBoundaryLayer::new().layer(service_fn(move |_: Request<Body>| async move {
            Ok::<_, Infallible>(Response::new(script([Step::Data("a"), step])))
        }));
        exchange(&sink, breaks, request()).await;
        assert_eq!(sink.end(), ended(200, Failure, error));
    }
}

#[tokio::test]
async fn a_body_that_is_refused_half_way_is_counted_with_the_refusal_and_what_that_says() {
    // Sends back what it gets: what is wrong with the request's body shows in the response's.
    let echo = service_fn(|request: Request<Body>| async { Ok::<_, Infallible>(Response::new(request.into_body())) });
    let sink = Sink::default();
    let limited = BodyLimitLayer::new("inbound", 3).layer(echo);
    let sent = Request::new(Body::new(script([Step::Data("abc"), Step::Data("d")])));
    exchange(&sink, ErrorBoundaryLayer::new().layer(limited), sent).await;
    assert_eq!(sink.end(), ended(200, Ignored, "body_too_large"));
    assert_eq!(sink.only().policy, Some("body_limit"));
}

#[tokio::test]
async fn a_body_that_is_dropped_half_way_is_cancelled() {
    let sink = Sink::default();
    let response = sink
        .layer(body(script([Step::Data("a"), Step::Hang])))
        .oneshot(request())
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(sink.end(), ended(200, Ignored, "cancelled"));
}

#[tokio::test]
async fn a_failure_stays_one_though_nobody_reads_what_it_says() {
    let sink = Sink::default();
    let mut head = Response::new(Body::new(script([Step::Data("why")])));
    *head.status_mut() = StatusCode::BAD_GATEWAY;
    drop(sink.layer(response(head)).oneshot(request()).await);
    assert_eq!(sink.end(), ended(502, Failure, "502"));
}

#[tokio::test]
async fn a_body_of_which_all_that_was_announced_has_passed_is_not_cancelled() {
    // hyper drops a body at the length in the head and does not ask whether there is more.
    for (length, end) in [("2", ended(200, Success, "")), ("3", ended(200, Ignored, "cancelled"))] {
        let sink = Sink::default();
        let mut head = Response::new(Body::new(script([Step::Data("ab")])));
        head.headers_mut().insert(CONTENT_LENGTH, length.parse().unwrap());
        let mut body = sink.layer(response(head)).oneshot(request()).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(sink.end(), end);
    }
}

#[tokio::test]
async fn a_response_without_a_body_ends_with_its_head() {
    let mut head = request();
    *head.method_mut() = Method::HEAD;
    for (request, status) in [(head, 200), (request(), 204), (request(), 304)] {
        let sink = Sink::default();
        let mut head = Response::new(Body::new(script([Step::Data("never sent")])));
        *head.status_mut() = StatusCode::from_u16(status).unwrap();
        drop(sink.layer(response(head)).oneshot(request).await);
        assert_eq!(sink.end(), ended(status, Success, ""));
    }
}
