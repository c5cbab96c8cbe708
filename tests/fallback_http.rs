//! The fallback's HTTP face.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::deadline::Deadline;
use seaworthy::fallback::Fallback;
use seaworthy::inventory::Describe;
use seaworthy::outcome::Outcome;
use seaworthy::web::{ErrorBoundaryLayer, Failed};
use seaworthy::{Body, BoxError, Reason, Refusal};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

fn fallback() -> Fallback {
    Fallback::builder("prices").build().unwrap()
}

fn counters(fallback: &Fallback) -> Vec<(&'static str, u64)> {
    let mut counters = fallback.describe().counters;
    counters.retain(|(_, count)| *count > 0);
    counters
}

fn response(status: u16, body: &'static str) -> Response<Body> {
    let response = Response::builder().status(status);
    response.body(Body::from(body)).unwrap()
}

fn spare(_: Failed) -> std::future::Ready<Result<Response<Body>, BoxError>> {
    ready(Ok(response(200, "spare")))
}

async fn text(response: Response<Body>) -> (StatusCode, String) {
    let (head, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (head.status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// What a caller gets of a service that answers so.
async fn exchange(fallback: &Fallback, status: u16) -> (StatusCode, String) {
    let inside = service_fn(move |_: Request<Body>| ready(Ok::<_, Infallible>(response(status, "real"))));
    let client = fallback.http_layer(spare).layer(inside);
    text(client.oneshot(Request::new(Body::empty())).await.unwrap()).await
}

#[tokio::test]
async fn a_response_of_5xx_is_answered_by_the_fallback_and_any_other_passes() {
    let fallback = fallback();
    for (status, expected) in [
        (200, "real"),
        (404, "real"),
        (429, "real"),
        (500, "spare"),
        (503, "spare"),
    ] {
        assert_eq!(exchange(&fallback, status).await.1, expected, "{status}");
    }
    assert_eq!(counters(&fallback), [("calls", 5), ("used_on_failure", 2)]);
}

#[tokio::test]
async fn a_fallback_may_pass_the_response_on_as_it_is() {
    let fallback = fallback();
    let client = fallback
        .http_layer(|failed: Failed| ready(failed.pass_on()))
        .layer(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(response(502, "their words"))
        }));
    let passed = client.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(text(passed).await, (StatusCode::BAD_GATEWAY, "their words".to_owned()));
    let expected = [("calls", 1), ("used_on_failure", 1), ("failed", 1)];
    assert_eq!(counters(&fallback), expected);
}

#[tokio::test]
async fn a_refusal_that_has_become_a_response_is_found() {
    let (fallback, breaker) = (fallback(), CircuitBreaker::builder("prices").build().unwrap());
    breaker.force_open();
    let seen = Arc::new(Mutex::new(None));
    let note = seen.clone();
    let client = ServiceBuilder::new()
        .layer(fallback.http_layer(move |failed: Failed| {
            *note.lock().unwrap() = failed.refusal().map(Refusal::reason);
            spare(failed)
        }))
        .layer(ErrorBoundaryLayer::default())
        .layer(breaker.http_layer())
        .service(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(response(200, "real"))
        }));
    let answer = client.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(text(answer).await.1, "spare");
    assert_eq!(*seen.lock().unwrap(), Some(Reason::CircuitOpen));
    assert_eq!(counters(&fallback), [("calls", 1), ("used_on_refusal", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_came_with_the_request_holds() {
    let fallback = fallback();
    let client = fallback.http_layer(spare).layer(service_fn(async |_: Request<Body>| {
        sleep(Duration::from_millis(20)).await;
        Ok::<_, Infallible>(response(500, "real"))
    }));
    let mut request = Request::new(Body::empty());
    request
        .extensions_mut()
        .insert(Deadline::after(Duration::from_millis(10)));
    let answer = client.oneshot(request).await.unwrap();
    assert_eq!(text(answer).await.1, "real");
    assert_eq!(counters(&fallback), [("calls", 1), ("too_late", 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_fallback_runs_under_a_deadline_that_came_with_the_request() {
    let deadline = Deadline::after(Duration::from_millis(10));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = seen.clone();
    // When it is begun, and when it is polled.
    let answer = move |failed: Failed| {
        note.lock().unwrap().push(Deadline::current());
        let note = note.clone();
        async move {
            note.lock().unwrap().push(Deadline::current());
            spare(failed).await
        }
    };
    let client = fallback()
        .http_layer(answer)
        .layer(service_fn(async |_: Request<Body>| {
            Ok::<_, Infallible>(response(500, "real"))
        }));
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(deadline);
    assert_eq!(text(client.oneshot(request).await.unwrap()).await.1, "spare");
    assert_eq!(*seen.lock().unwrap(), [Some(deadline); 2]);
    assert_eq!(Deadline::current(), None);
}

#[tokio::test]
async fn what_was_noted_of_the_request_comes_with_the_error() {
    let fallback = fallback();
    let path = |request: &Request<Body>| request.uri().path().to_owned();
    let answer = |path: String, failed: Failed| {
        assert!(matches!(failed, Failed::Error(error) if error.to_string() == "down"));
        ready(Ok(Response::new(Body::from(path))))
    };
    let mut client = fallback
        .http_layer_for(path, answer)
        .layer(service_fn(async |_: Request<Body>| {
            Err::<Response<Body>, _>(io::Error::other("down"))
        }));
    let request = Request::get("/prices/7").body(Body::empty()).unwrap();
    let answer = client.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!(text(answer).await.1, "/prices/7");
}

#[tokio::test]
async fn a_classification_of_ones_own_says_what_a_failure_is() {
    let fallback = fallback();
    let not_found = |end: Result<&Response<Body>, &BoxError>| match end {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => Outcome::Failure,
        _ => Outcome::Success,
    };
    for (status, expected) in [(404, "spare"), (500, "real")] {
        let client = fallback
            .http_layer(spare)
            .classify(not_found)
            .layer(service_fn(move |_: Request<Body>| {
                ready(Ok::<_, Infallible>(response(status, "real")))
            }));
        let answer = client.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(text(answer).await.1, expected);
    }
}
