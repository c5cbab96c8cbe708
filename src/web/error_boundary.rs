//! Makes every error and every panic one response.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use super::caller::Caller;
use crate::base::error::BoxError;
use crate::base::ready::Call;
use crate::base::refusal::Refusal;

/// Makes every refusal, error and panic one `application/problem+json` response, or a gRPC status.
///
/// A refusal gets its own status ([`status_of`](super::status_of)) and stays in the response's extensions. Any other
/// error, and a panic, is a 500 without a word about the inside; what it was goes to the log. The service that comes
/// out cannot fail, so it fits an axum `Router`. A panic while a body is polled ends that response alone.
///
/// A request whose `content-type` is `application/grpc` (also with `+proto` or parameters; not `application/grpc-web`) is
/// answered as its protocol wants: 200, and a head that ends the call with `grpc-status`, `grpc-message` and
/// `x-request-id`. The status is 4 for what took too long, 8 for a rate limit and for a body that is too large, 14 for
/// every other refusal, 13 for errors and panics. `grpc-retry-pushback-ms` says when to come back, if that is known: whole
/// milliseconds, rounded up, at most 2³¹ − 1.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, routing::get};
/// use seaworthy::{timeout::Timeout, web::ErrorBoundaryLayer};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let limit = Timeout::builder("inbound").limit(Duration::from_millis(5)).build().unwrap();
/// let app: Router = Router::new().route("/hang", get(std::future::pending::<()>)).layer(
///     ServiceBuilder::new().layer(ErrorBoundaryLayer::new()).layer(limit.http_layer()),
/// );
/// let request = http::Request::get("/hang").body(axum::body::Body::empty()).unwrap();
/// assert_eq!(app.oneshot(request).await.unwrap().status(), 504);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorBoundaryLayer(());

impl ErrorBoundaryLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for ErrorBoundaryLayer {
    type Service = ErrorBoundaryService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ErrorBoundaryService { inner }
    }
}

/// The tower shell of an [`ErrorBoundaryLayer`].
#[derive(Clone, Debug)]
pub struct ErrorBoundaryService<S> {
    inner: S,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ErrorBoundaryService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>> + Clone,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ErrorBoundaryFuture<S, Request<ReqB>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let caller = Caller::of(&request);
        // A panic before there is a future is kept until somebody can be answered.
        let call = catch_unwind(AssertUnwindSafe(|| Call::new(&mut self.inner, request))).ok();
        ErrorBoundaryFuture { call, caller }
    }
}

pin_project! {
    /// The response of a service inside an [`ErrorBoundaryLayer`].
    pub struct ErrorBoundaryFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        call: Option<Call<S, Req>>,
        caller: Caller,
    }
}

impl<S, Req, ResB> Future for ErrorBoundaryFuture<S, Req>
where
    S: Service<Req, Response = Response<ResB>, Error: Into<BoxError>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let caller = &*this.caller;
        let Some(call) = this.call.as_mut().as_pin_mut() else {
            return Poll::Ready(Ok(panicked(caller)));
        };
        // What shows an error and what measures a body is the user's code, too.
        let polled = catch_unwind(AssertUnwindSafe(|| call.poll(cx).map(|result| answer(result, caller))));
        polled.map(|polled| polled.map(Ok)).unwrap_or_else(|_| {
            // What panicked must not be polled again, and what it holds is given back now.
            this.call.set(None);
            Poll::Ready(Ok(panicked(caller)))
        })
    }
}

/// Marks a response that stands for a panic, for telemetry; found in the response's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

const INNER: &str = "the service failed; the request id names the log's lines about it";

fn answer<B, E>(result: Result<Response<B>, E>, caller: &Caller) -> Response<Body>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    match result {
        Ok(response) => {
            let mut response = response.map(Body::new);
            response.body_mut().catch_panics();
            response
        }
        Err(error) => failed(&error.into(), caller),
    }
}

fn failed(error: &BoxError, caller: &Caller) -> Response<Body> {
    if let Some(refusal) = Refusal::find(error.as_ref()) {
        return caller.refused(refusal.clone());
    }
    tracing::error!(error = %Chain(error), request_id = caller.id(), "request failed");
    caller.failed(INNER)
}

fn panicked(caller: &Caller) -> Response<Body> {
    tracing::error!(request_id = caller.id(), "request panicked");
    let mut response = caller.failed(INNER);
    response.extensions_mut().insert(Panicked);
    response
}

/// Shows an error with all that caused it.
struct Chain<'a>(&'a BoxError);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            write!(f, ": {error}")?;
            next = error.source();
        }
        Ok(())
    }
}
