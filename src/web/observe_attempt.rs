//! Tells of every attempt at a dependency: a span of its own, and a record of how it ended.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use crate::base::context::TraceContext;
use crate::base::error::BoxError;
use crate::base::request::AttemptSink;

mod record;
mod span;
use record::Record;

/// Puts a span round every attempt at a dependency, and reports its end to an [`AttemptSink`].
///
/// Stands inside of the retry, so that each attempt is seen, and outside of the attempt's timeout, so that what takes too
/// long is told as that. What the breaker refuses is no attempt. An attempt ends with its response's body, or when it is
/// dropped before.
///
/// The span, of the name `attempt`, has the fields that OpenTelemetry's conventions for HTTP clients ask for:
/// `http.request.resend_count` counts the attempts before, `url.full` has no query. It is a child of the task's
/// [`TraceContext`], and inside it is the task's, so that a [`SendContextLayer`](super::SendContextLayer) sends it.
#[derive(Clone)]
pub struct ObserveAttemptLayer {
    dependency: Arc<str>,
    sink: Arc<dyn AttemptSink>,
}

impl ObserveAttemptLayer {
    /// Reports attempts at the dependency of this name to `sink`.
    pub fn new(dependency: impl Into<Arc<str>>, sink: Arc<dyn AttemptSink>) -> Self {
        Self {
            dependency: dependency.into(),
            sink,
        }
    }
}

impl fmt::Debug for ObserveAttemptLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObserveAttemptLayer").field(&self.dependency).finish()
    }
}

impl<S> Layer<S> for ObserveAttemptLayer {
    type Service = ObserveAttemptService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ObserveAttemptService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The tower shell of an [`ObserveAttemptLayer`].
#[derive(Clone, Debug)]
pub struct ObserveAttemptService<S> {
    inner: S,
    layer: ObserveAttemptLayer,
}

impl<S, B> Service<Request<B>> for ObserveAttemptService<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = ObserveAttemptFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut trace = TraceContext::current().map(|caller| caller.child());
        let mut record = Record::begin(&self.layer, &request, trace.as_ref());
        let span = record.span.clone();
        let call = || record.guard(|| self.inner.call(request));
        let response = TraceContext::run(&mut trace, || span.in_scope(call));
        ObserveAttemptFuture {
            response: Some(response),
            trace,
            record: Some(record),
        }
    }
}

pin_project! {
    /// The response of a client inside an [`ObserveAttemptLayer`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ObserveAttemptFuture<F> {
        // `None` once it has been dropped, within its span as everything else.
        #[pin]
        response: Option<F>,
        trace: Option<TraceContext>,
        // `None` once it has been told, or rides on the body.
        record: Option<Record>,
    }

    impl<F> PinnedDrop for ObserveAttemptFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let record = this.record.take();
            let _entered = record.as_ref().map(|record| record.span.clone().entered());
            TraceContext::run(this.trace, || {
                this.response.set(None);
                drop(record);
            });
        }
    }
}

impl<F> Future for ObserveAttemptFuture<F>
where
    F: Future<Output = Result<Response<Body>, BoxError>>,
{
    type Output = Result<Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (Some(record), Some(response)) = (this.record.as_mut(), this.response.as_pin_mut()) else {
            return Poll::Pending;
        };
        let span = record.span.clone();
        let _entered = span.enter();
        let poll = || record.guard(|| response.poll(cx));
        let response = ready!(TraceContext::run(this.trace, poll));
        let Some(record) = this.record.take() else {
            return Poll::Pending;
        };
        Poll::Ready(match response {
            Ok(response) => Ok(record.head(response)),
            Err(error) => {
                record.failed(&error);
                Err(error)
            }
        })
    }
}
