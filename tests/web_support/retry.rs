//! Retries that do not wait, and services that keep what they are sent and answer as they are told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, request};
use http_body_util::BodyExt;
use seaworthy::retry::{Backoff, Jitter, Retry, RetryBuilder};
use seaworthy::{Body, BoxError};
use tower::{Service, service_fn};

/// Three attempts, one after another, and nothing else that could end them before 5 s.
pub fn eager() -> RetryBuilder {
    Retry::builder("payments")
        .backoff(Backoff::constant(Duration::ZERO).jitter(Jitter::None))
        .without_budget()
}

/// What a service was sent, one attempt after another.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Sent>>>);

pub struct Sent {
    pub head: request::Parts,
    pub size: http_body::SizeHint,
    pub data: Bytes,
    pub trailers: Option<HeaderMap>,
}

impl Seen {
    pub fn attempts(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// What `of` says of each attempt.
    pub fn each<T>(&self, of: impl FnMut(&Sent) -> T) -> Vec<T> {
        self.0.lock().unwrap().iter().map(of).collect()
    }

    pub fn bodies(&self) -> Vec<Bytes> {
        self.each(|sent| sent.data.clone())
    }

    pub fn headers(&self, name: &str) -> Vec<Option<String>> {
        self.each(|sent| Some(sent.head.headers.get(name)?.to_str().unwrap().to_owned()))
    }
}

/// Reads each request to its end, and answers the attempt of that number, from 1 on, as `answer` says.
pub fn answering<A>(
    answer: impl Fn(usize) -> A + Clone + Send + 'static,
) -> (
    Seen,
    impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone + Send + 'static,
)
where
    A: IntoAnswer,
{
    let seen = Seen::default();
    let kept = seen.clone();
    let service = service_fn(move |request: Request<Body>| {
        let (kept, answer) = (kept.clone(), answer.clone());
        async move {
            let size = http_body::Body::size_hint(request.body());
            let (head, body) = request.into_parts();
            let collected = body.collect().await?;
            let trailers = collected.trailers().cloned();
            let number = {
                let mut kept = kept.0.lock().unwrap();
                let data = collected.to_bytes();
                kept.push(Sent {
                    head,
                    size,
                    data,
                    trailers,
                });
                kept.len()
            };
            answer(number).into_answer()
        }
    });
    (seen, service)
}

pub trait IntoAnswer {
    fn into_answer(self) -> Result<Response<Body>, BoxError>;
}

impl IntoAnswer for u16 {
    fn into_answer(self) -> Result<Response<Body>, BoxError> {
        Ok(status(self))
    }
}

impl IntoAnswer for Response<Body> {
    fn into_answer(self) -> Result<Response<Body>, BoxError> {
        Ok(self)
    }
}

impl IntoAnswer for Result<Response<Body>, BoxError> {
    fn into_answer(self) -> Result<Response<Body>, BoxError> {
        self
    }
}

pub fn status(status: u16) -> Response<Body> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// 503 at first, then 200.
pub fn recovers(attempt: usize) -> u16 {
    if attempt == 1 { 503 } else { 200 }
}
