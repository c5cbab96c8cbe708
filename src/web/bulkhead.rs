//! The HTTP face of [`Bulkhead`]: a call keeps its place until the end of its response's body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{Body, End, Rider};
use crate::base::error::BoxError;
use crate::base::key::KeyExtractor;
use crate::base::refusal::Refusal;
use crate::policy::bulkhead::{Bulkhead, Door, Held, Key, KeyedBulkhead, PartitionedBulkhead, Placed, Seat};

impl Bulkhead {
    /// Makes the layer for HTTP services: a call keeps its place until its response's body has ended or is dropped.
    ///
    /// A refusal is an error; the [`ErrorBoundaryLayer`](crate::web::ErrorBoundaryLayer) makes a response with the status
    /// 503 of it. A body that is dropped while somebody waits for it counts as cancelled.
    pub fn http_layer(&self) -> HttpBulkheadLayer {
        HttpBulkheadLayer(self.clone())
    }
}

impl PartitionedBulkhead {
    /// Makes the layer for HTTP services; `partition` says into which one a request goes. As [`Bulkhead::http_layer`].
    pub fn http_layer<F>(&self, partition: F) -> HttpPartitionedBulkheadLayer<F> {
        let bulkhead = self.clone();
        HttpPartitionedBulkheadLayer { bulkhead, partition }
    }
}

impl<K: Key> KeyedBulkhead<K> {
    /// Makes the layer for HTTP services; `key` says whose a request is, such as
    /// [`ClientIp`](crate::web::ClientIp). As [`Bulkhead::http_layer`].
    pub fn http_layer<F>(&self, key: F) -> HttpKeyedBulkheadLayer<K, F> {
        let bulkhead = self.clone();
        HttpKeyedBulkheadLayer { bulkhead, key }
    }
}

/// Puts every exchange of an HTTP service into a [`Bulkhead`], the response's body included.
#[derive(Clone, Debug)]
pub struct HttpBulkheadLayer(Bulkhead);

impl<S> Layer<S> for HttpBulkheadLayer {
    type Service = HttpBulkheadService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let door = Door::new(self.0.clone());
        HttpBulkheadService { inner, door }
    }
}

/// The tower shell of an [`HttpBulkheadLayer`].
///
/// It is ready when it has a place and the inner service is ready, and also, without asking that one, when it is going
/// to refuse.
#[derive(Clone, Debug)]
pub struct HttpBulkheadService<S> {
    inner: S,
    door: Door,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for HttpBulkheadService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpBulkheadFuture<Held<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let inner = &mut self.inner;
        self.door.poll_ready(cx, |cx| inner.poll_ready(cx))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let held = Held::new(self.door.pass(), || self.inner.call(request));
        HttpBulkheadFuture { held }
    }
}

/// Puts every exchange of an HTTP service into its partition of a [`PartitionedBulkhead`], the response's body included.
#[derive(Clone, Debug)]
pub struct HttpPartitionedBulkheadLayer<F> {
    bulkhead: PartitionedBulkhead,
    partition: F,
}

impl<S, F: Clone> Layer<S> for HttpPartitionedBulkheadLayer<F> {
    type Service = HttpPartitionedBulkheadService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpPartitionedBulkheadService {
            inner,
            bulkhead: self.bulkhead.clone(),
            partition: self.partition.clone(),
        }
    }
}

/// The tower shell of an [`HttpPartitionedBulkheadLayer`]; always ready, because only a request tells its partition.
#[derive(Clone, Debug)]
pub struct HttpPartitionedBulkheadService<S, F> {
    inner: S,
    bulkhead: PartitionedBulkhead,
    partition: F,
}

impl<S, F, N, ReqB, ResB> Service<Request<ReqB>> for HttpPartitionedBulkheadService<S, F>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>> + Clone,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    F: Fn(&Request<ReqB>) -> N,
    N: AsRef<str>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpBulkheadFuture<Placed<S, Request<ReqB>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let partition = (self.partition)(&request);
        let held = self.bulkhead.enter(partition.as_ref(), &mut self.inner, request);
        HttpBulkheadFuture { held }
    }
}

/// Puts every exchange of an HTTP service into the places of its key, the response's body included.
#[derive(Debug)]
pub struct HttpKeyedBulkheadLayer<K, F> {
    bulkhead: KeyedBulkhead<K>,
    key: F,
}

impl<K, F: Clone> Clone for HttpKeyedBulkheadLayer<K, F> {
    fn clone(&self) -> Self {
        Self {
            bulkhead: self.bulkhead.clone(),
            key: self.key.clone(),
        }
    }
}

impl<S, K, F: Clone> Layer<S> for HttpKeyedBulkheadLayer<K, F> {
    type Service = HttpKeyedBulkheadService<S, K, F>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpKeyedBulkheadService {
            inner,
            bulkhead: self.bulkhead.clone(),
            key: self.key.clone(),
        }
    }
}

/// The tower shell of an [`HttpKeyedBulkheadLayer`]; always ready, because only a request tells its key.
#[derive(Debug)]
pub struct HttpKeyedBulkheadService<S, K, F> {
    inner: S,
    bulkhead: KeyedBulkhead<K>,
    key: F,
}

impl<S: Clone, K, F: Clone> Clone for HttpKeyedBulkheadService<S, K, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            bulkhead: self.bulkhead.clone(),
            key: self.key.clone(),
        }
    }
}

impl<S, K, F, ReqB, ResB> Service<Request<ReqB>> for HttpKeyedBulkheadService<S, K, F>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>> + Clone,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    K: Key,
    F: KeyExtractor<Request<ReqB>, Key = K>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpBulkheadFuture<Placed<S, Request<ReqB>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let key = self.key.extract(&request);
        let held = self.bulkhead.enter(key, &mut self.inner, request);
        HttpBulkheadFuture { held }
    }
}

pin_project! {
    /// The response of an HTTP service in a bulkhead.
    pub struct HttpBulkheadFuture<A> {
        #[pin]
        held: A,
    }
}

impl<A, ResB, E> Future for HttpBulkheadFuture<A>
where
    A: Future<Output = Result<(Result<Response<ResB>, E>, Seat), Box<Refusal>>>,
    E: Into<BoxError>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (output, mut seat) = match ready!(self.project().held.poll(cx)) {
            Ok(ended) => ended,
            // Not by `?`, which would box the box.
            Err(refusal) => return Poll::Ready(Err(refusal)),
        };
        let mut output = output.map(|response| response.map(Body::new)).map_err(Into::into);
        match &mut output {
            Ok(response) if response.body().is_stream() => {
                let waiting = false;
                response.body_mut().add_rider(Occupant { seat, waiting });
            }
            _ => seat.end(),
        }
        Poll::Ready(output)
    }
}

/// Rides the body of a response, and keeps its place until it has ended.
struct Occupant {
    seat: Seat,
    waiting: bool,
}

impl Rider for Occupant {
    fn piece(&mut self, _: usize) -> Result<(), Refusal> {
        self.waiting = false;
        Ok(())
    }

    fn waiting(&mut self, _: &mut Context<'_>) -> Poll<Refusal> {
        self.waiting = true;
        Poll::Pending
    }

    fn ended(&mut self, end: End<'_>) {
        // The place is dropped with this otherwise, and counts as cancelled.
        if !(self.waiting && matches!(end, End::Dropped)) {
            self.seat.end();
        }
    }
}
