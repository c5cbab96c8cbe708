//! The HTTP face of [`AdaptiveLimit`]: the time ends with a response's head, the place with its body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{Body, End, Rider};
use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome};
use crate::base::refusal::Refusal;
use crate::policy::adaptive::{AdaptiveLimit, Door, Limited, OnlyTimeouts, Permit};

impl AdaptiveLimit {
    /// Makes the layer for HTTP services: a call keeps its place until its response's body has ended or is dropped.
    ///
    /// How long it took is known with the response's head, whoever reads the body slowly. [`OverloadByStatus`] says what
    /// a head means. A refusal is an error; the [`ErrorBoundaryLayer`](crate::web::ErrorBoundaryLayer) makes a response with
    /// the status 503 of it.
    pub fn http_layer(&self) -> HttpAdaptiveLimitLayer {
        HttpAdaptiveLimitLayer {
            limit: self.clone(),
            classify: OverloadByStatus,
        }
    }
}

/// Takes 429, 503, 504 and timeouts for signs of too much load, and other failures for nothing.
///
/// A [`Refusal`] says itself what it means, as an error or in a response's extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct OverloadByStatus;

impl<B> Classify<Response<B>, BoxError> for OverloadByStatus {
    fn classify(&self, end: Result<&Response<B>, &BoxError>) -> Outcome {
        let response = match end {
            Ok(response) => response,
            Err(error) => return Classify::<(), _>::classify(&OnlyTimeouts, Err(error)),
        };
        match (response.extensions().get::<Refusal>(), response.status()) {
            (Some(refusal), _) => refusal.outcome(),
            (None, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) => {
                Outcome::Failure
            }
            (None, status) if status.is_server_error() => Outcome::Ignored,
            (None, _) => Outcome::Success,
        }
    }
}

/// Puts every exchange of an HTTP service under an [`AdaptiveLimit`], the response's body included.
#[derive(Clone, Debug)]
pub struct HttpAdaptiveLimitLayer<C = OverloadByStatus> {
    limit: AdaptiveLimit,
    classify: C,
}

impl<C> HttpAdaptiveLimitLayer<C> {
    /// Lets `classify` say what a response's head or an error means.
    pub fn classify<D>(self, classify: D) -> HttpAdaptiveLimitLayer<D> {
        let limit = self.limit;
        HttpAdaptiveLimitLayer { limit, classify }
    }
}

impl<S, C: Clone> Layer<S> for HttpAdaptiveLimitLayer<C> {
    type Service = HttpAdaptiveLimitService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpAdaptiveLimitService {
            inner,
            door: Door::new(self.limit.clone()),
            classify: self.classify.clone(),
        }
    }
}

/// The tower shell of an [`HttpAdaptiveLimitLayer`].
///
/// It is ready when it has a place and the inner service is ready, and also, without asking that one, when it is going
/// to refuse.
#[derive(Clone, Debug)]
pub struct HttpAdaptiveLimitService<S, C> {
    inner: S,
    door: Door,
    classify: C,
}

impl<S, C, ReqB, ResB> Service<Request<ReqB>> for HttpAdaptiveLimitService<S, C>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    C: Classify<Response<Body>, BoxError> + Clone,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpAdaptiveLimitFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let inner = &mut self.inner;
        self.door.poll_ready(|| inner.poll_ready(cx))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let limited = Limited::new(self.door.pass(), || self.inner.call(request));
        let classify = self.classify.clone();
        HttpAdaptiveLimitFuture { limited, classify }
    }
}

pin_project! {
    /// The response of an HTTP service under an adaptive limit.
    pub struct HttpAdaptiveLimitFuture<F, C> {
        #[pin]
        limited: Limited<F>,
        classify: C,
    }
}

impl<F, C, ResB, E> Future for HttpAdaptiveLimitFuture<F, C>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    E: Into<BoxError>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    C: Classify<Response<Body>, BoxError>,
{
    type Output = Result<Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let classify = this.classify;
        let ended = this.limited.poll(cx, |output, permit| {
            let mut output = output.map(|response| response.map(Body::new)).map_err(Into::into);
            let outcome = classify.classify(output.as_ref());
            match &mut output {
                Ok(response) if response.body().is_stream() => {
                    response.body_mut().add_rider(Occupant(permit.answered(outcome)));
                }
                _ => permit.end(outcome),
            }
            output
        });
        // Not by `?`, which would box the box.
        Poll::Ready(ready!(ended).unwrap_or_else(|refusal| Err(refusal)))
    }
}

/// Rides the body of a response, and keeps its place until it has ended.
struct Occupant(Permit);

impl Rider for Occupant {
    fn ended(&mut self, _: End<'_>) {
        self.0.release();
    }
}
