//! Tells of every request: a span round it, and a record of how it ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{Body, End, Rider};
use crate::base::error::BoxError;
use crate::base::outcome::Outcome;
use crate::base::request::RequestSink;

mod record;
mod span;
use record::Record;
pub(super) use record::method_label;
pub(super) use span::{path, version};

/// The template of the endpoint that a request matched, for labels; never a path.
///
/// In the request's extensions, as by the endpoint table of [`App`](crate::App); or, for a request without one, in those
/// of its response, as by [`MatchedPathLayer`](super::MatchedPathLayer). Without any the label is `undeclared`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTemplate(pub Arc<str>);

/// Puts a span round every request and reports its end to a [`RequestSink`].
///
/// Stands outside of the [`ErrorBoundaryLayer`](super::ErrorBoundaryLayer), so that it sees the final status of
/// refusals and panics. A request ends with its response's body, or when it is dropped before.
///
/// A call of gRPC has the status 200 whatever came of it. If its head ends it, a refusal counts as over HTTP, and a
/// `grpc-status` as OpenTelemetry's conventions say: 2, 4, 12, 13, 14 and 15 are failures of the server, told as their names,
/// such as `UNAVAILABLE`.
///
/// The span, of the name `request`, has the fields that OpenTelemetry's conventions for HTTP servers ask for, with those
/// special ones that `tracing-opentelemetry` reads: `http.route` is the request's [`RouteTemplate`], or as soon as there
/// is a head the response's; `url.path` is cut after 256 bytes, and no field has the query. `trace_id`, `span_id` and
/// `parent_span_id` are those of the task's [`TraceContext`](crate::context::TraceContext). A status of 5xx is an error of
/// the span; one of 4xx is not, and neither is a caller that goes away.
#[derive(Clone)]
pub struct ObserveLayer {
    sink: Arc<dyn RequestSink>,
}

impl ObserveLayer {
    /// Reports to `sink`.
    pub fn new(sink: Arc<dyn RequestSink>) -> Self {
        Self { sink }
    }
}

impl fmt::Debug for ObserveLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObserveLayer")
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = ObserveService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ObserveService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The tower shell of an [`ObserveLayer`].
#[derive(Clone, Debug)]
pub struct ObserveService<S> {
    inner: S,
    layer: ObserveLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ObserveService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let mut record = Record::begin(Arc::clone(&self.layer.sink), &request);
        let span = record.span.clone();
        let response = span.in_scope(|| record.guard(|| self.inner.call(request)));
        ObserveFuture {
            response,
            record: Some(record),
        }
    }
}

pin_project! {
    /// The response of a service inside an [`ObserveLayer`].
    pub struct ObserveFuture<F> {
        #[pin]
        response: F,
        record: Option<Record>,
    }

    impl<F> PinnedDrop for ObserveFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let Some(record) = this.project().record.take() else {
                return;
            };
            // Within the span, as what it tells is.
            let span = record.span.clone();
            span.in_scope(|| drop(record));
        }
    }
}

impl<F, ResB, E> Future for ObserveFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(record) = this.record.as_mut() else {
            return Poll::Pending;
        };
        let span = record.span.clone();
        let _entered = span.enter();
        let response = ready!(record.guard(|| this.response.poll(cx)));
        let Some(mut record) = this.record.take() else {
            return Poll::Pending;
        };
        let mut response = match response {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                record.end(Outcome::Failure, Some("error"));
                return Poll::Ready(Err(error));
            }
        };
        record.head(&response);
        if response.body().is_stream() && !record.is_bodiless() {
            response.body_mut().set_span(span.clone());
            response.body_mut().add_rider(record);
        } else {
            record.ended(End::Complete);
        }
        Poll::Ready(Ok(response))
    }
}
