//! Tells of every request: a span round it, and a record of how it ended.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;

use super::body::{Body, BodyPanicked, End, Rider};
use super::error_boundary::Panicked;
use super::peer::Scheme;
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
        let mut record = Record::begin(Arc::clone(&self.layer.sink), &request);
        let route = record.route.as_ref().map_or(UNDECLARED, |route| &*route.0);
        let id = request.extensions().get::<RequestId>().map(RequestId::as_str);
        let span = tracing::info_span!("request", request_id = id, method = record.method, route);
        let response = span.in_scope(|| record.guard(|| self.inner.call(request)));
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
            if let Some(record) = this.record.take() {
                let _entered = this.span.enter();
                drop(record);
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
        let Some(record) = this.record.as_mut() else {
            return Poll::Pending;
        };
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
            response.body_mut().set_span(this.span.clone());
            response.body_mut().add_rider(record);
        } else {
            record.ended(End::Complete);
        }
        Poll::Ready(Ok(response))
    }
}

const CANCELLED: &str = "cancelled";

/// What is known of a request so far; reported once, when it is dropped if not before.
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
    /// How many bytes of the body must still pass before all that the head announced has.
    announced: Option<u64>,
    told: bool,
}

impl Record {
    fn begin<B>(sink: Arc<dyn RequestSink>, request: &Request<B>) -> Self {
        let scheme = request.extensions().get().copied().unwrap_or(Scheme::Http).label();
        let method = method_label(request.method());
        // The user's code: whatever it does, the request goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| sink.began(method, scheme)));
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
            announced: None,
            told: false,
        }
    }

    /// Runs the user's code; if that panics, the record that is left behind says so.
    fn guard<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.panicked = true;
        let done = run();
        self.panicked = false;
        done
    }

    fn head<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status());
        self.refusal = response.extensions().get().cloned();
        self.panicked = response.extensions().get::<Panicked>().is_some();
        let length = response.headers().get(CONTENT_LENGTH);
        self.announced = length.and_then(|length| length.to_str().ok()?.parse().ok());
    }

    /// Returns whether no body follows the head, whatever the service has given.
    fn is_bodiless(&self) -> bool {
        let status = self.status;
        self.is_head || status == Some(StatusCode::NO_CONTENT) || status == Some(StatusCode::NOT_MODIFIED)
    }

    fn end(&mut self, outcome: Outcome, error: Option<&str>) {
        self.told = true;
        let ended = RequestEnded {
            method: self.method,
            route: self.route.as_ref().map_or(UNDECLARED, |route| &*route.0),
            scheme: self.scheme,
            status: self.status.map(|status| status.as_u16()),
            outcome,
            error,
            refusal: self.refusal.as_ref(),
            took: Clock::default().now() - self.start,
        };
        let _ = catch_unwind(AssertUnwindSafe(|| self.sink.ended(&ended)));
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
    fn piece(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.announced = self.announced.map(|left| left.saturating_sub(bytes as u64));
        Ok(())
    }

    fn ended(&mut self, end: End<'_>) {
        let failed = self.status.is_some_and(|status| status.is_server_error());
        let head = if failed { Outcome::Failure } else { Outcome::Success };
        match end {
            End::Failed(error) => match Refusal::find(error.as_ref()) {
                Some(refusal) => {
                    let refusal = self.refusal.insert(refusal.clone());
                    let (outcome, label) = (refusal.outcome(), refusal.reason().label());
                    self.end(outcome, Some(label));
                }
                None if error.is::<BodyPanicked>() => self.end(Outcome::Failure, Some("panic")),
                None => self.end(Outcome::Failure, Some("body")),
            },
            // A server drops a body that has given all it announced; one that has failed already has no more to tell.
            End::Dropped if self.announced != Some(0) && !failed => self.end(Outcome::Ignored, Some(CANCELLED)),
            End::Complete | End::Dropped => self.end(head, self.head_error().as_deref()),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        match (self.told, self.panicked) {
            (true, _) => {}
            (false, true) => self.end(Outcome::Failure, Some("panic")),
            (false, false) => self.end(Outcome::Ignored, Some(CANCELLED)),
        }
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
