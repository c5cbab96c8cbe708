//! The id of every request and response.

#![cfg(feature = "http")]

use std::convert::Infallible;
use std::mem::take;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use http::{Request, Response};
use seaworthy::context::RequestId;
use seaworthy::request::{RequestEnded, RequestSink};
use seaworthy::web::{ContextLayer, ErrorBoundaryLayer, ObserveLayer};
use seaworthy::{Body, BoxError};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

mod web_support;
use web_support::{PanicsInCall, Unready, dropped_at_every_poll, one_at_a_time, poll_once, request, text};

/// Answers with the id it saw, under a header of its own too.
async fn echo(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let id = request.extensions().get::<RequestId>().unwrap().to_string();
    let mut response = Response::new(Body::from(id));
    response
        .headers_mut()
        .insert("x-request-id", "the-services-own".parse().unwrap());
    Ok(response)
}

/// Sends an id and returns the one that the service saw, which must be the response's only one.
async fn exchange(layer: ContextLayer, sent: Option<&[u8]>) -> String {
    let mut request = request();
    if let Some(sent) = sent {
        let header = http::HeaderValue::from_bytes(sent).unwrap();
        request.headers_mut().insert("x-request-id", header);
    }
    let response = layer.layer(service_fn(echo)).oneshot(request).await.unwrap();
    let ids: Vec<_> = response
        .headers()
        .get_all("x-request-id")
        .into_iter()
        .cloned()
        .collect();
    let seen = text(response).await;
    assert_eq!(ids, [seen.as_str()]);
    seen
}

#[tokio::test]
async fn every_request_gets_an_id_of_its_own_and_its_response_the_same() {
    let one = exchange(ContextLayer::default(), None).await;
    let other = exchange(ContextLayer::default(), None).await;
    assert_eq!(one.len(), 36);
    assert_ne!(one, other);
}

#[tokio::test]
async fn an_id_from_a_caller_who_is_not_trusted_is_not_taken() {
    assert_ne!(exchange(ContextLayer::default(), Some(b"mine")).await, "mine");
}

#[tokio::test]
async fn a_trusted_callers_id_is_taken_if_it_is_valid() {
    let trusting = ContextLayer::default().trust_request_id(true);
    let longest = "a".repeat(128);
    for good in ["mine", longest.as_str()] {
        assert_eq!(exchange(trusting, Some(good.as_bytes())).await, good);
    }
    for bad in [
        &b""[..],
        b"a b",
        b"<script>",
        b"\xff\xfe",
        b"a\tb",
        "a".repeat(129).as_bytes(),
    ] {
        assert_eq!(exchange(trusting, Some(bad)).await.len(), 36, "{bad:?} was taken");
    }
}

#[tokio::test]
async fn the_answer_to_a_panic_carries_the_id_too() {
    let inner = ErrorBoundaryLayer::new().layer(PanicsInCall);
    let response = ContextLayer::default().layer(inner).oneshot(request()).await.unwrap();
    assert!(response.headers().contains_key("x-request-id"));
    let alone = ContextLayer::default().layer(PanicsInCall);
    assert!(tokio::spawn(alone.oneshot(request())).await.unwrap_err().is_panic());
}

#[tokio::test]
async fn an_error_passes_as_it_is() {
    let fails = service_fn(|_: Request<Body>| async { Err::<Response<Body>, BoxError>("as it is".into()) });
    let error = ContextLayer::default()
        .layer(fails)
        .oneshot(request())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "as it is");
    assert!(
        ContextLayer::default()
            .layer(Unready::Fails)
            .oneshot(request())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn readiness_passes_and_a_readied_clone_that_is_dropped_gives_its_place_back() {
    let (places, inner) = one_at_a_time();
    let mut service = ContextLayer::default().layer(inner);
    service.ready().await.unwrap();
    assert_eq!(places.available_permits(), 0);
    assert!(service.clone().ready().now_or_never().is_none(), "a clone has no place");
    drop(service);
    assert_eq!(places.available_permits(), 1);
}

#[tokio::test]
async fn a_dropped_call_gives_its_place_back() {
    let (places, inner) = one_at_a_time();
    let mut service = ContextLayer::default().layer(inner);
    let start = || {
        assert!(poll_once(std::pin::pin!(service.ready())).is_ready());
        service.call(request())
    };
    dropped_at_every_poll(start, |polls| {
        assert_eq!(places.available_permits(), 1, "after {polls} polls")
    });
}

/// Notes the id of the request that it is dropped in.
struct Dropped(Arc<Mutex<Vec<Option<String>>>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0
            .lock()
            .unwrap()
            .push(RequestId::current().map(|id| id.to_string()));
    }
}

impl http_body::Body for Dropped {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
        Poll::Pending
    }
}

impl RequestSink for Dropped {
    fn began(&self, _: &'static str, _: &'static str) {}

    fn ended(&self, _: &RequestEnded<'_>) {
        drop(Dropped(Arc::clone(&self.0)));
    }
}

#[tokio::test]
async fn what_is_dropped_is_dropped_in_its_context() {
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let layer = ContextLayer::default().trust_request_id(true);
    let request = || Request::builder().header("x-request-id", "mine").body(()).unwrap();
    let note = || Dropped(Arc::clone(&seen));

    let sink = Arc::new(note());
    let streams = ServiceBuilder::new()
        .layer(layer)
        .layer(ObserveLayer::new(sink.clone()))
        .service(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(note()))
        }));
    // The body, and what is told of its end.
    drop(streams.oneshot(request()).await.unwrap());
    assert_eq!(
        take(&mut *seen.lock().unwrap()),
        [Some("mine".to_owned()), Some("mine".to_owned())]
    );

    let hangs = service_fn(|_: Request<()>| async {
        let _note = note();
        std::future::pending::<Result<Response<Body>, Infallible>>().await
    });
    let mut hangs = Box::pin(layer.layer(hangs).oneshot(request()));
    assert!((&mut hangs).now_or_never().is_none());
    drop(hangs);
    assert_eq!(take(&mut *seen.lock().unwrap()), [Some("mine".to_owned())]);

    let context = seaworthy::context::Context::current().request_id("job-1".parse().unwrap());
    let spawned = note();
    let mut spawned = Box::pin(context.scope(async move {
        let _note = spawned;
        std::future::pending::<()>().await;
    }));
    assert!((&mut spawned).now_or_never().is_none());
    drop(spawned);
    assert_eq!(take(&mut *seen.lock().unwrap()), [Some("job-1".to_owned())]);
}
