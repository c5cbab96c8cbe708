//! What the tests of the HTTP layers share: bodies that follow a script, and services that wait, fail and panic.

#![allow(dead_code, reason = "every test binary uses some of it")]

pub mod retry;
pub mod sink;
pub mod wire;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use seaworthy::{Body, BoxError};
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, service_fn};

/// What a [`Script`] does when it is polled next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Data(&'static str),
    Trailers,
    Fail,
    Panic,
    /// Pending once, and polled again at once.
    Yield,
    /// Pending, and nobody wakes it.
    Hang,
}

/// A body that does what it is told and never says that it is at its end before it was polled there.
pub struct Script {
    steps: VecDeque<Step>,
    hint: SizeHint,
}

pub fn script(steps: impl Into<VecDeque<Step>>) -> Script {
    Script {
        steps: steps.into(),
        hint: SizeHint::default(),
    }
}

impl Script {
    /// Knows how many bytes it still has.
    pub fn of_known_length(mut self) -> Self {
        let data = self.steps.iter().map(|step| match step {
            Step::Data(text) => text.len() as u64,
            _ => 0,
        });
        self.hint = SizeHint::with_exact(data.sum());
        self
    }
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.steps.front() {
            Some(Step::Hang) => return Poll::Pending,
            Some(Step::Panic) => panic!("the secret inside"),
            _ => {}
        }
        Poll::Ready(match self.steps.pop_front() {
            Some(Step::Data(text)) => {
                if let Some(left) = self.hint.exact() {
                    self.hint = SizeHint::with_exact(left - text.len() as u64);
                }
                Some(Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
            }
            Some(Step::Trailers) => {
                let trailers = HeaderMap::from_iter([(http::header::ETAG, "trailer".parse().unwrap())]);
                Some(Ok(Frame::trailers(trailers)))
            }
            Some(Step::Fail) => Some(Err("the secret inside".into())),
            Some(Step::Yield) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            _ => None,
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// A request without content.
pub fn request() -> Request<Body> {
    Request::default()
}

pub async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub async fn json(response: Response<Body>) -> Value {
    serde_json::from_str(&text(response).await).unwrap()
}

/// Answers after three polls, one call at a time; the semaphore shows whether its place is taken.
pub fn one_at_a_time() -> (
    Arc<Semaphore>,
    impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static,
) {
    let places = Arc::new(Semaphore::new(1));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(places.clone());
    let service = limit.layer(service_fn(async |_: Request<Body>| {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        Ok::<_, Infallible>(Response::new(Body::from("answer")))
    }));
    (places, service)
}

/// Panics in `call`, before there is a future.
#[derive(Clone, Copy)]
pub struct PanicsInCall;

impl<B> Service<Request<B>> for PanicsInCall {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Pending<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        panic!("the secret inside")
    }
}

/// Is never ready: fails or panics when it is asked.
#[derive(Clone, Copy)]
pub enum Unready {
    Fails,
    Panics,
}

impl<B> Service<Request<B>> for Unready {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = std::future::Pending<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Fails => Poll::Ready(Err("the secret inside".into())),
            Self::Panics => panic!("the secret inside"),
        }
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        unreachable!("called without being ready")
    }
}

/// Polls once, with a waker that does nothing.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Starts a future again and again, drops it one poll later each time, and lets `check` look at what is left.
pub fn dropped_at_every_poll<F: Future>(mut start: impl FnMut() -> F, mut check: impl FnMut(usize)) {
    for polls in 0..20 {
        let mut future = Box::pin(start());
        let ended = (0..polls).any(|_| poll_once(future.as_mut()).is_ready());
        drop(future);
        check(polls);
        if ended {
            return;
        }
    }
    panic!("it never ends");
}
