//! Refuses request bodies that are too large.

use smol_str::SmolStr;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{Body, Rider};
use super::fault::Fault;
use super::limits::RequestLimits;
use crate::base::error::BoxError;
use crate::base::ready::Call;
use crate::base::refusal::{Reason, Refusal};

/// Refuses request bodies over a number of bytes.
///
/// A body whose declared length is over the limit never reaches the service. One that turns out too large while it is
/// read ends in an error, and whatever the service answers then is replaced by the refusal (over HTTP: 413).
///
/// A [`RequestLimits`] in the request's extensions overrides the limit.
#[derive(Clone, Debug)]
pub struct BodyLimitLayer {
    name: SmolStr,
    limit: u64,
}

impl BodyLimitLayer {
    /// Limits bodies to `limit` bytes; `name` shows in the refusal.
    pub fn new(name: impl AsRef<str>, limit: u64) -> Self {
        Self {
            name: SmolStr::new(name),
            limit,
        }
    }
}

impl<S> Layer<S> for BodyLimitLayer {
    type Service = BodyLimitService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyLimitService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The tower shell of a [`BodyLimitLayer`].
///
/// It is always ready: the wait for the inner service happens in the future, so that a refusal holds no place in it.
#[derive(Clone, Debug)]
pub struct BodyLimitService<S> {
    inner: S,
    layer: BodyLimitLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for BodyLimitService<S>
where
    S: Service<Request<Body>, Response = Response<ResB>, Error: Into<BoxError>> + Clone,
    ReqB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BodyLimitFuture<S>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let limit = RequestLimits::of(&request).body_bytes.unwrap_or(self.layer.limit);
        let mut request = request.map(Body::new);
        let size = http_body::Body::size_hint(request.body());
        let refusal = || Refusal::new("body_limit", self.layer.name.clone(), Reason::BodyTooLarge { limit });
        if size.lower() > limit {
            return BodyLimitFuture {
                response: None,
                fault: Some(Fault::of(refusal())),
            };
        }
        let fault = size.upper().is_none_or(|most| most > limit).then(Fault::default);
        if let Some(fault) = &fault {
            request.body_mut().add_rider(Count {
                left: limit,
                refusal: refusal(),
                fault: fault.clone(),
            });
        }
        BodyLimitFuture {
            response: Some(Call::new(&mut self.inner, request)),
            fault,
        }
    }
}

struct Count {
    left: u64,
    refusal: Refusal,
    fault: Fault,
}

impl Rider for Count {
    fn piece(&mut self, bytes: usize) -> Result<(), Refusal> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(self.fault.set(self.refusal.clone())),
        }
    }
}

pin_project! {
    /// The response of a service inside a [`BodyLimitLayer`].
    pub struct BodyLimitFuture<S>
    where
        S: Service<Request<Body>>,
    {
        #[pin]
        response: Option<Call<S, Request<Body>>>,
        fault: Option<Fault>,
    }
}

impl<S: Service<Request<Body>, Error: Into<BoxError>>> Future for BodyLimitFuture<S> {
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = match this.response.as_pin_mut() {
            Some(response) => Some(ready!(response.poll(cx))),
            None => None,
        };
        if let Some(refusal) = this.fault.as_ref().and_then(Fault::get) {
            return Poll::Ready(Err(Box::new(refusal)));
        }
        match response {
            Some(response) => Poll::Ready(response.map_err(Into::into)),
            None => Poll::Pending,
        }
    }
}
