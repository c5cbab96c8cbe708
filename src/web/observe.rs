//! Tells of every request: a span round it, and a record of how it ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;

use super::body::{Body, BodyPanicked, End, Rider};
use super::error_boundary::Panicked;
use super::request_id::RequestId;
use crate::base::clock::Clock;
use crate::base::error::BoxError;
use crate::base::outcome::Outcome;
use crate::base::refusal::Refusal;
use crate::base::request::{RequestEnded, RequestSink};

/// The template of the endpoint that a request matched, for labels; in the request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteTemplate(pub Arc<str>);

/// The label of all requests without a [`RouteTemplate`].
const UNDECLARED: &str = "undeclared";

/// Puts a span round every request and reports its end to a [`RequestSink`].
///
/// Stands outside of the [`ErrorBoundaryLayer`](super::ErrorBoundaryLayer), so that it sees the final status of
/// refusals and panics. A request ends with its response's body, or when it is dropped before.
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
        let record = Record::begin(Arc::clone(&self.layer.sink), &request);
        let route = record.route.as_ref().map_or(UNDECLARED, |route| &*route.0);
        let id = request.extensions().get::<RequestId>().map(RequestId::as_str);
        let span = tracing::info_span!("request", request_id = id, method = record.method, route);
        let response = span.in_scope(|| self.inner.call(request));
        ObserveFuture {
            response,
            span,
            record: Some(record),
        }
    }
}

pin_project! {
    /// The response of a service inside an [`ObserveLayer`].
    pub struct ObserveFuture<F> {
        #[pin]
        response: F,
        span: Span,
        record: Option<Record>,
    }

    impl<F> PinnedDrop for ObserveFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let _entered = this.span.enter();
            if let Some(mut record) = this.record.take() {
                record.end(Outcome::Ignored, Some(CANCELLED));
            }
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
        let _entered = this.span.enter();
        let response = ready!(this.response.poll(cx));
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
        if response.body().is_stream() && !record.is_head {
            response.body_mut().set_span(this.span.clone());
            response.body_mut().add_rider(record);
        } else {
            record.ended(End::Complete);
        }
        Poll::Ready(Ok(response))
    }
}

const CANCELLED: &str = "cancelled";

/// What is known of a request so far; reported once.
struct Record {
    sink: Arc<dyn RequestSink>,
    start: Instant,
    method: &'static str,
    scheme: &'static str,
    is_head: bool,
    route: Option<RouteTemplate>,
    status: Option<StatusCode>,
    refusal: Option<Refusal>,
    panicked: bool,
}

impl Record {
    fn begin<B>(sink: Arc<dyn RequestSink>, request: &Request<B>) -> Self {
        let (method, scheme) = (method_label(request.method()), "http");
        sink.began(method, scheme);
        Self {
            sink,
            start: Clock::default().now(),
            method,
            scheme,
            is_head: request.method() == Method::HEAD,
            route: request.extensions().get().cloned(),
            status: None,
            refusal: None,
            panicked: false,
        }
    }

    fn head<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status());
        self.refusal = response.extensions().get().cloned();
        self.panicked = response.extensions().get::<Panicked>().is_some();
    }

    fn end(&mut self, outcome: Outcome, error: Option<&str>) {
        self.sink.ended(&RequestEnded {
            method: self.method,
            route: self.route.as_ref().map_or(UNDECLARED, |route| &*route.0),
            scheme: self.scheme,
            status: self.status.map(|status| status.as_u16()),
            outcome,
            error,
            refusal: self.refusal.as_ref(),
            took: Clock::default().now() - self.start,
        });
    }

    /// What the head alone says, if that is bad.
    fn head_error(&self) -> Option<String> {
        let failed = self.status.is_some_and(|status| status.is_server_error());
        match &self.refusal {
            _ if self.panicked => Some("panic".to_owned()),
            Some(refusal) => Some(refusal.reason().label().to_owned()),
            None if failed => self.status.map(|status| status.as_str().to_owned()),
            None => None,
        }
    }
}

impl Rider for Record {
    fn ended(&mut self, end: End<'_>) {
        let refused = match end {
            End::Failed(error) => Refusal::find(error.as_ref()).cloned(),
            _ => None,
        };
        let refused_body = refused.is_some();
        self.refusal = refused.or(self.refusal.take());
        let head_error = self.head_error();
        let failed = self.status.is_some_and(|status| status.is_server_error());
        let (outcome, error) = match (end, &head_error) {
            (End::Failed(_), Some(error)) if refused_body => (Outcome::Failure, Some(error.as_str())),
            (End::Failed(error), _) if error.is::<BodyPanicked>() => (Outcome::Failure, Some("panic")),
            (End::Failed(_), _) => (Outcome::Failure, Some("body")),
            (End::Dropped, _) => (Outcome::Ignored, Some(CANCELLED)),
            (End::Complete, error) => (
                if failed { Outcome::Failure } else { Outcome::Success },
                error.as_deref(),
            ),
        };
        self.end(outcome, error);
    }
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}
