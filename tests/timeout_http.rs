//! The timeout's HTTP face: bodies are under the limits too.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use seaworthy::outcome::Outcome;
use seaworthy::timeout::{Timeout, TimeoutBuilder};
use seaworthy::web::{RequestLimits, status_of};
use seaworthy::{Body, BoxError, Part, Reason, Refusal};
use tokio::time::{Instant, Sleep, sleep};
use tower::{Layer, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// Gives one byte every `pause`, for ever.
struct Trickle {
    pause: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Trickle {
    fn new(pause: Duration) -> Self {
        Self {
            pause,
            timer: Box::pin(sleep(pause)),
        }
    }
}

impl http_body::Body for Trickle {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::ready!(self.timer.as_mut().poll(cx));
        let next = Instant::now() + self.pause;
        self.timer.as_mut().reset(next);
        Poll::Ready(Some(Ok(piece())))
    }
}

fn piece() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(b"."))
}

fn builder() -> TimeoutBuilder {
    Timeout::builder("inbound").limit(SECOND)
}

fn reason(error: &BoxError) -> (&'static str, Duration) {
    match Refusal::find(error.as_ref()).expect("a refusal").reason() {
        reason @ Reason::Elapsed { limit, .. } => (reason.label(), limit),
        other => panic!("{other}"),
    }
}

/// Sends `request` to a service whose answer is a byte every `pause`, and reads that to its end.
async fn read_trickle(timeout: TimeoutBuilder, pause: Duration, request: Request<Body>) -> Result<(), BoxError> {
    let inner =
        service_fn(move |_: Request<Body>| async move { Ok::<_, Infallible>(Response::new(Trickle::new(pause))) });
    let response = timeout
        .build()
        .unwrap()
        .http_layer()
        .layer(inner)
        .oneshot(request)
        .await?;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_body_timeout_fires_on_a_peer_that_trickles_a_byte_at_a_time() {
    let start = Instant::now();
    let read = read_trickle(builder().body_total(3 * SECOND), SECOND / 10, Request::default());
    let error = tokio::time::timeout(60 * SECOND, read)
        .await
        .expect("it ends")
        .unwrap_err();
    assert_eq!(reason(&error), ("body_elapsed", 3 * SECOND));
    assert_eq!(start.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_silent_body_ends_at_the_idle_limit() {
    let start = Instant::now();
    let error = read_trickle(builder().body_idle(2 * SECOND), 5 * SECOND, Request::default())
        .await
        .unwrap_err();
    assert_eq!(reason(&error), ("body_idle", 2 * SECOND));
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_is_slow_does_not_make_a_body_look_silent() {
    let inner = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Trickle::new(SECOND))) });
    let service = builder()
        .body_idle(2 * SECOND)
        .build()
        .unwrap()
        .http_layer()
        .layer(inner);
    let mut body = service.oneshot(Request::<Body>::default()).await.unwrap().into_body();
    for _ in 0..3 {
        sleep(10 * SECOND).await;
        body.frame().await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_pieces_are_always_there_ends_at_the_total_limit() {
    let endless = service_fn(|_: Request<Body>| async {
        let body = http_body_util::StreamBody::new(stream::repeat_with(|| Ok::<_, Infallible>(piece())));
        Ok::<_, Infallible>(Response::new(body))
    });
    let service = builder()
        .body_total(2 * SECOND)
        .build()
        .unwrap()
        .http_layer()
        .layer(endless);
    let mut body = service.oneshot(Request::<Body>::default()).await.unwrap().into_body();
    let start = Instant::now();
    let mut error = None;
    while error.is_none() && start.elapsed() < 10 * SECOND {
        // The reader takes its time; the body never has to be waited for.
        sleep(SECOND / 4).await;
        error = body.frame().await.unwrap().err();
    }
    let error = error.expect("it ends");
    assert_eq!(reason(&error), ("body_elapsed", 2 * SECOND));
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_is_slow_with_the_body_is_told_so_whatever_the_service_answers() {
    let inner = service_fn(|request: Request<Body>| async {
        let _ = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(Body::from("made the best of it")))
    });
    let service = builder().build().unwrap().http_layer().layer(inner);
    let start = Instant::now();
    let error = service
        .oneshot(Request::new(Trickle::new(SECOND / 10)))
        .await
        .unwrap_err();
    assert_eq!(reason(&error), ("request_body_elapsed", SECOND));
    let Reason::Elapsed { part, .. } = Refusal::find(error.as_ref()).unwrap().reason() else {
        panic!()
    };
    assert_eq!(part, Part::RequestBody);
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_request_body_that_was_read_in_time_leaves_the_answer_alone() {
    let inner = service_fn(|request: Request<Body>| async {
        let read = request.into_body().frame().await.is_some_and(|frame| frame.is_ok());
        Ok::<_, Infallible>(Response::new(Body::from(if read { "read" } else { "not read" })))
    });
    let service = builder().build().unwrap().http_layer().layer(inner);
    let response = service.oneshot(Request::new(Trickle::new(SECOND / 10))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "read");
}

#[tokio::test(start_paused = true)]
async fn a_requests_own_deadline_overrides_the_layers() {
    let mut limits = RequestLimits::default();
    limits.deadline = Some(5 * SECOND);
    let mut request = Request::<Body>::default();
    request.extensions_mut().insert(limits);
    let start = Instant::now();
    let error = read_trickle(builder(), SECOND / 10, request).await.unwrap_err();
    assert_eq!(reason(&error), ("body_elapsed", 5 * SECOND));
    assert_eq!(start.elapsed(), 5 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_declared_stream_outlives_the_deadline() {
    let mut limits = RequestLimits::default();
    limits.stream = true;
    let mut request = Request::<Body>::default();
    request.extensions_mut().insert(limits);
    let read = read_trickle(builder().body_total(SECOND).body_idle(SECOND), 2 * SECOND, request);
    tokio::time::timeout(60 * SECOND, read)
        .await
        .expect_err("still streams");
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_falls_silent_is_told_so_and_the_service_is_not_blamed() {
    let inner = service_fn(|request: Request<Body>| async {
        request.into_body().collect().await?;
        Ok::<_, BoxError>(Response::new(Body::empty()))
    });
    let service = builder()
        .body_idle(SECOND / 4)
        .build()
        .unwrap()
        .http_layer()
        .layer(inner);
    let start = Instant::now();
    let error = service
        .oneshot(Request::new(Trickle::new(SECOND / 2)))
        .await
        .unwrap_err();
    assert_eq!(reason(&error), ("request_body_idle", SECOND / 4));
    assert_eq!(start.elapsed(), SECOND / 4);
    let refusal = Refusal::find(error.as_ref()).unwrap();
    assert_eq!(
        (status_of(refusal).as_u16(), refusal.outcome()),
        (408, Outcome::Ignored)
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_makes_progress_is_not_silent() {
    let read = read_trickle(builder().body_idle(SECOND), SECOND * 9 / 10, Request::default());
    tokio::time::timeout(60 * SECOND, read)
        .await
        .expect_err("still streams");
}
