//! The HTTP face of [`CircuitBreaker`]: a call ends with the end of its response's body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{Body, End, Rider};
use super::by_status::ByStatus;
use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome, of_error};
use crate::base::ready;
use crate::base::refusal::Refusal;
use crate::policy::breaker::{CircuitBreaker, Door, Key, KeyedCircuitBreaker, Observed, Permit};

impl CircuitBreaker {
    /// Makes the layer for HTTP services: a response counts when its body has ended.
    ///
    /// A status of 5xx is a failure, any other a success ([`ByStatus`]; [`HttpCircuitBreakerLayer::classify`] changes
    /// that). A body that breaks after a good head is a failure. One that is dropped while somebody waits for it counts
    /// as cancelled; one that is dropped otherwise has given all that was wanted, and is a success. A probe's body that
    /// still flows after half of the probe's deadline has shown enough. Whoever reads a body slowly makes the call slow.
    pub fn http_layer(&self) -> HttpCircuitBreakerLayer {
        HttpCircuitBreakerLayer {
            breaker: self.clone(),
            classify: ByStatus,
        }
    }
}

impl<K: Key> KeyedCircuitBreaker<K> {
    /// Makes the layer for HTTP services; `key` says whom a request is for. As [`CircuitBreaker::http_layer`].
    pub fn http_layer<F>(&self, key: F) -> HttpKeyedCircuitBreakerLayer<K, F> {
        HttpKeyedCircuitBreakerLayer {
            breaker: self.clone(),
            key,
            classify: ByStatus,
        }
    }
}

/// Puts every exchange of an HTTP service behind a [`CircuitBreaker`], the response's body included.
#[derive(Clone, Debug)]
pub struct HttpCircuitBreakerLayer<C = ByStatus> {
    breaker: CircuitBreaker,
    classify: C,
}

impl<C> HttpCircuitBreakerLayer<C> {
    /// Lets `classify` say what a response's head or an error means.
    pub fn classify<D>(self, classify: D) -> HttpCircuitBreakerLayer<D> {
        HttpCircuitBreakerLayer {
            breaker: self.breaker,
            classify,
        }
    }
}

impl<S, C: Clone> Layer<S> for HttpCircuitBreakerLayer<C> {
    type Service = HttpCircuitBreakerService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpCircuitBreakerService {
            inner,
            door: Door::new(self.breaker.clone()),
            classify: self.classify.clone(),
        }
    }
}

/// The tower shell of an [`HttpCircuitBreakerLayer`].
///
/// It is ready when the inner service is, and also, without asking it, when it is going to refuse.
#[derive(Clone, Debug)]
pub struct HttpCircuitBreakerService<S, C> {
    inner: S,
    door: Door,
    classify: C,
}

impl<S, C, ReqB, ResB> Service<Request<ReqB>> for HttpCircuitBreakerService<S, C>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    C: Classify<Response<Body>, BoxError> + Clone,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpCircuitBreakerFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let (inner, classify) = (&mut self.inner, &self.classify);
        self.door
            .poll_ready(|| inner.poll_ready(cx), |error| classify.classify(Err(error)))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let observed = Observed::new(self.door.pass(), || self.inner.call(request));
        let classify = self.classify.clone();
        HttpCircuitBreakerFuture { observed, classify }
    }
}

/// Puts every exchange of an HTTP service behind the circuit of its key, the response's body included.
#[derive(Clone, Debug)]
pub struct HttpKeyedCircuitBreakerLayer<K, F, C = ByStatus> {
    breaker: KeyedCircuitBreaker<K>,
    key: F,
    classify: C,
}

impl<K, F, C> HttpKeyedCircuitBreakerLayer<K, F, C> {
    /// Lets `classify` say what a response's head or an error means.
    pub fn classify<D>(self, classify: D) -> HttpKeyedCircuitBreakerLayer<K, F, D> {
        HttpKeyedCircuitBreakerLayer {
            breaker: self.breaker,
            key: self.key,
            classify,
        }
    }
}

impl<S, K, F: Clone, C: Clone> Layer<S> for HttpKeyedCircuitBreakerLayer<K, F, C> {
    type Service = HttpKeyedCircuitBreakerService<S, K, F, C>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpKeyedCircuitBreakerService {
            inner,
            breaker: self.breaker.clone(),
            key: self.key.clone(),
            classify: self.classify.clone(),
        }
    }
}

/// The tower shell of an [`HttpKeyedCircuitBreakerLayer`]; always ready, because only a request tells the key.
#[derive(Clone, Debug)]
pub struct HttpKeyedCircuitBreakerService<S, K, F, C> {
    inner: S,
    breaker: KeyedCircuitBreaker<K>,
    key: F,
    classify: C,
}

impl<S, K, F, C, ReqB, ResB> Service<Request<ReqB>> for HttpKeyedCircuitBreakerService<S, K, F, C>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>> + Clone,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    K: Key,
    F: Fn(&Request<ReqB>) -> K,
    C: Classify<Response<Body>, BoxError> + Clone,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpCircuitBreakerFuture<ready::Call<S, Request<ReqB>>, C>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let admitted = self.breaker.enter((self.key)(&request));
        let observed = Observed::new(admitted, || ready::Call::new(&mut self.inner, request));
        let classify = self.classify.clone();
        HttpCircuitBreakerFuture { observed, classify }
    }
}

pin_project! {
    /// The response of an HTTP service behind a circuit breaker.
    pub struct HttpCircuitBreakerFuture<F, C> {
        #[pin]
        observed: Observed<F>,
        classify: C,
    }
}

impl<F, C, ResB, E> Future for HttpCircuitBreakerFuture<F, C>
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
        let ended = this.observed.poll(cx, |output, permit| {
            let mut output = output.map(|response| response.map(Body::new)).map_err(Into::into);
            let outcome = classify.classify(output.as_ref());
            match (&mut output, permit.take()) {
                (Ok(response), Some(permit)) if outcome == Outcome::Success && response.body().is_stream() => {
                    let waiting = false;
                    response.body_mut().add_rider(Witness { permit, waiting });
                }
                (_, Some(mut permit)) => permit.end(outcome),
                (_, None) => {}
            }
            output
        });
        Poll::Ready(ready!(ended).unwrap_or_else(|refusal| Err(Box::new(refusal))))
    }
}

/// Rides the body of a response with a good head, and says how it ended.
struct Witness {
    permit: Permit,
    waiting: bool,
}

impl Rider for Witness {
    fn piece(&mut self, _: usize) -> Result<(), Refusal> {
        self.waiting = false;
        self.permit.goes_on();
        Ok(())
    }

    fn waiting(&mut self, _: &mut Context<'_>) -> Poll<Refusal> {
        self.waiting = true;
        Poll::Pending
    }

    fn ended(&mut self, end: End<'_>) {
        let outcome = match end {
            End::Complete => Outcome::Success,
            End::Failed(error) => of_error(error),
            // Nobody waited: whoever dropped it had all that it wanted.
            End::Dropped if !self.waiting => Outcome::Success,
            // The permit is dropped with this, and counts as cancelled.
            End::Dropped => return,
        };
        self.permit.end(outcome);
    }
}
