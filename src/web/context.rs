//! Gives every request its context, and every response the request's id.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use crate::base::context::{Baggage, Origin, RequestId, SampleRatio, TraceContext};
use crate::base::error::BoxError;

/// The header that carries a [`RequestId`].
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header that says which span a request comes from, by W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header with what the systems on the way say of a trace, by W3C Trace Context.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The header with names and values that travel with a request, by W3C Baggage.
pub const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
/// The header by which a repeated request is known, as
/// [a draft of the IETF](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) has it.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Gives every request a [`RequestId`] and a [`TraceContext`], and its response the header `x-request-id`.
///
/// The task has them inside, also while the response's body is polled, and so has every call that the guarded clients of
/// this crate make for it; beside them the caller's [`Baggage`] and `Idempotency-Key`. The request id is in the request's
/// extensions too.
///
/// A caller's `traceparent` and `baggage` are taken unless callers are [not trusted](Self::trust_trace): the request is a
/// span of its own in that trace then. A trace that is none begins anew; no header makes a request fail. Of several
/// `traceparent` or `idempotency-key` none counts. The caller's request id is taken only if that is [trusted](Self::trust_request_id).
///
/// # Examples
///
/// ```
/// use http::{Request, Response};
/// use seaworthy::{Body, context::TraceContext, web::ContextLayer};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let service = ContextLayer::default().layer(service_fn(|_: Request<()>| async {
///     let trace = TraceContext::current().unwrap();
///     assert_eq!(trace.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
///     Ok::<_, ()>(Response::new(Body::empty()))
/// }));
/// let request = Request::builder().header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
/// let response = service.oneshot(request.body(()).unwrap()).await.unwrap();
/// assert_eq!(response.headers()["x-request-id"].len(), 36);
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ContextLayer {
    trusts_request_id: bool,
    trusts_trace: bool,
    ratio: SampleRatio,
}

impl Default for ContextLayer {
    fn default() -> Self {
        Self {
            trusts_request_id: false,
            trusts_trace: true,
            ratio: SampleRatio::ALL,
        }
    }
}

impl ContextLayer {
    /// Takes valid request ids from callers too; only for services that nobody outside can reach. Off by default.
    #[must_use]
    pub fn trust_request_id(mut self, trust: bool) -> Self {
        self.trusts_request_id = trust;
        self
    }

    /// Whether a caller's trace goes on here, with its decision to be sampled, and its baggage is passed on. Default: yes.
    /// Otherwise every request begins a trace of its own, as at the edge to those who could have every request sampled.
    #[must_use]
    pub fn trust_trace(mut self, trust: bool) -> Self {
        self.trusts_trace = trust;
        self
    }

    /// How many of the traces that begin here are sampled. Default: all.
    #[must_use]
    pub fn sample_ratio(mut self, ratio: SampleRatio) -> Self {
        self.ratio = ratio;
        self
    }

    fn origin(self, headers: &HeaderMap) -> Origin {
        let sent = headers.get(X_REQUEST_ID).filter(|_| self.trusts_request_id);
        let caller = self.trusts_trace.then(|| trace_of(headers)).flatten();
        Origin {
            request_id: Some(sent.and_then(of_header).unwrap_or_else(RequestId::generate)),
            trace: Some(caller.map_or_else(|| TraceContext::begin(self.ratio), |caller| caller.child())),
            baggage: self
                .trusts_trace
                .then(|| Baggage::of(values(headers, &BAGGAGE)))
                .flatten(),
            idempotency_key: only(headers, &IDEMPOTENCY_KEY).and_then(of_header),
        }
    }
}

/// Reads the span that a request comes from.
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let trace: TraceContext = of_header(only(headers, &TRACEPARENT)?)?;
    Some(trace.with_state(values(headers, &TRACESTATE)))
}

/// Returns the header if there is one: of several, which may contradict each other, none counts.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut told = headers.get_all(name).iter();
    told.next().filter(|_| told.next().is_none())
}

fn of_header<T: std::str::FromStr>(value: &HeaderValue) -> Option<T> {
    value.to_str().ok()?.parse().ok()
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

impl<S> Layer<S> for ContextLayer {
    type Service = ContextService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ContextService { inner, layer: *self }
    }
}

/// The tower shell of a [`ContextLayer`].
#[derive(Clone, Debug)]
pub struct ContextService<S> {
    inner: S,
    layer: ContextLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ContextService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = ContextFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let mut origin = self.layer.origin(request.headers());
        if let Some(id) = origin.request_id.clone() {
            request.extensions_mut().insert(id);
        }
        let response = origin.run(|| self.inner.call(request));
        ContextFuture {
            response: Some(response),
            origin,
        }
    }
}

pin_project! {
    /// The response with its request's id.
    #[derive(Debug)]
    pub struct ContextFuture<F> {
        // `None` once it has been dropped, within the context as everything else.
        #[pin]
        response: Option<F>,
        origin: Origin,
    }

    impl<F> PinnedDrop for ContextFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.origin.run(|| this.response.set(None));
        }
    }
}

impl<F, ResB, E> Future for ContextFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some(response) = this.response.as_pin_mut() else {
            return Poll::Pending;
        };
        let mut response = ready!(this.origin.run(|| response.poll(cx)))?.map(Body::new);
        if let Some(id) = this.origin.request_id.as_ref().and_then(to_header) {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        response.body_mut().set_origin(this.origin);
        Poll::Ready(Ok(response))
    }
}

pub(super) fn to_header(id: &RequestId) -> Option<HeaderValue> {
    HeaderValue::from_bytes(id.as_bytes()).ok()
}
