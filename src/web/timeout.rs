//! The HTTP face of [`Timeout`]: its limits hold for bodies too.

use std::cell::LazyCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use super::body::{Body, Rider};
use super::deadline;
use super::fault::Fault;
use super::limits::RequestLimits;
use crate::base::clock::{Clock, later, sleep_until};
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;
use crate::base::ready::Call;
use crate::base::refusal::{Part, Reason, Refusal};
use crate::base::stripe::Lane;
use crate::policy::timeout::{BodyWatch, Shared, Timed, Timeout, TimeoutConfig};

impl Timeout {
    /// Makes the layer for HTTP services: limits hold to the end of the bodies, not only to the response's head.
    ///
    /// The request's body must be read within `limit`, too; a caller who is too slow with it is told so (408), whatever
    /// the service answers then. A response's body that is late ends in an error, which cuts the connection or stream:
    /// a status has been sent already. [`RequestLimits`] in the request's extensions override the limits.
    ///
    /// A [`Deadline`] in the request's extensions or of the task holds as well, for the bodies too; the response's body is
    /// polled under it.
    pub fn http_layer(&self) -> HttpTimeoutLayer {
        HttpTimeoutLayer {
            timeout: self.clone(),
            is_edge: false,
        }
    }
}

/// Puts every exchange of an HTTP service under a [`Timeout`], bodies included.
#[derive(Clone, Debug)]
pub struct HttpTimeoutLayer {
    timeout: Timeout,
    is_edge: bool,
}

impl HttpTimeoutLayer {
    /// Takes the caller's patience from the wire ([`caller_timeout`](super::caller_timeout)), so that the shorter of the
    /// two limits holds, and puts the resulting [`Deadline`] into the request's extensions. Default `false`.
    ///
    /// For the outermost limit of a service. A caller can only shorten the time that its own request has.
    #[must_use]
    pub fn callers_deadline(mut self, taken: bool) -> Self {
        self.is_edge = taken;
        self
    }
}

impl<S> Layer<S> for HttpTimeoutLayer {
    type Service = HttpTimeoutService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HttpTimeoutService {
            inner,
            timeout: self.timeout.clone(),
            is_edge: self.is_edge,
        }
    }
}

/// The tower shell of an [`HttpTimeoutLayer`]; always ready, as the wait for the inner service is under the limit.
#[derive(Clone, Debug)]
pub struct HttpTimeoutService<S> {
    inner: S,
    timeout: Timeout,
    is_edge: bool,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for HttpTimeoutService<S>
where
    S: Service<Request<Body>, Response = Response<ResB>, Error: Into<BoxError>> + Clone,
    ReqB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpTimeoutFuture<S>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let limits = self.timeout.limits();
        let request_idle = limits.body_idle;
        let own = RequestLimits::of(&request);
        let is_stream = own.stream;
        let limits = effective(limits, own);
        // Of all that has no body and no caller's deadline, nobody asks for it.
        let start = LazyCell::new(|| Clock::default().now());
        let mut request = request.map(Body::new);
        let given = self.given(&mut request, || *start, limits.limit);

        let fault = request.body().is_stream().then(Fault::default);
        if let Some(fault) = &fault {
            let watch = BodyWatch::new(|| *start, Some(limits.limit), request_idle, Part::RequestBody).until(given);
            request
                .body_mut()
                .add_rider(Watch::new(watch, self.timeout.lane(), Some(fault.clone())));
        }
        let watch = BodyWatch::new(|| *start, limits.body_total, limits.body_idle, Part::Body);
        // The deadline of a stream's request ends with its head.
        let watch = watch.until(given.filter(|_| !is_stream));
        let call = || Call::new(&mut self.inner, request);
        HttpTimeoutFuture {
            timed: self.timeout.timed(limits.limit, given, call),
            watch: Some(watch),
            fault,
        }
    }
}

impl<S> HttpTimeoutService<S> {
    /// Returns the deadline that came with the request or with the task; at the edge it goes on with the request.
    fn given<B>(&self, request: &mut Request<B>, start: impl Fn() -> Instant, limit: Duration) -> Option<Deadline> {
        let given = deadline::of(request.extensions());
        if !self.is_edge {
            return given;
        }
        let at = |limit| Deadline::at(later(start(), limit));
        let caller = deadline::caller_timeout(request.headers()).map(at);
        let given = given.into_iter().chain(caller).min();
        let ours = at(limit);
        request
            .extensions_mut()
            .insert(given.map_or(ours, |given| given.min(ours)));
        given
    }
}

/// Applies one request's own limits to those of the layer.
fn effective(mut config: TimeoutConfig, own: RequestLimits) -> TimeoutConfig {
    if let Some(deadline) = own.deadline {
        config.limit = deadline;
        config.body_total = Some(deadline);
    }
    if own.stream {
        config.body_total = None;
        config.body_idle = None;
    }
    config
}

pin_project! {
    /// The response of a service inside an [`HttpTimeoutLayer`].
    pub struct HttpTimeoutFuture<S>
    where
        S: Service<Request<Body>>,
    {
        #[pin]
        timed: Timed<Call<S, Request<Body>>>,
        watch: Option<BodyWatch>,
        fault: Option<Fault>,
    }
}

impl<S, ResB> Future for HttpTimeoutFuture<S>
where
    S: Service<Request<Body>, Response = Response<ResB>, Error: Into<BoxError>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let result = ready!(this.timed.as_mut().poll(cx));
        if let Some(refusal) = this.fault.as_ref().and_then(Fault::get) {
            return Poll::Ready(Err(Box::new(refusal)));
        }
        let response = match result {
            Ok(response) => response.map_err(Into::into)?,
            Err(refusal) => return Poll::Ready(Err(Box::new(refusal))),
        };
        let mut response = response.map(Body::new);
        let watch = this.watch.take().filter(BodyWatch::is_limited);
        if let Some(watch) = watch.filter(|_| response.body().is_stream()) {
            let body = response.body_mut();
            body.set_deadline(watch.end());
            body.add_rider(Watch::new(watch, this.timed.shared().clone(), None));
        }
        Poll::Ready(Ok(response))
    }
}

/// Rides a body and ends it when a limit passes.
struct Watch {
    watch: BodyWatch,
    timer: Option<Pin<Box<Sleep>>>,
    timeout: Lane<Shared>,
    fault: Option<Fault>,
}

impl Watch {
    fn new(watch: BodyWatch, timeout: Lane<Shared>, fault: Option<Fault>) -> Self {
        Self {
            watch,
            timer: None,
            timeout,
            fault,
        }
    }

    fn refuse(&self, reason: Reason) -> Refusal {
        let refusal = self.timeout.refuse(reason);
        match &self.fault {
            Some(fault) => fault.set(refusal),
            None => refusal,
        }
    }

    /// Waits until `end` passes.
    fn poll_timer(&mut self, end: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline().into_std() != end {
            timer.as_mut().reset(end.into());
        }
        // As in the future: the budget that the body has used up must not keep the timer from running.
        std::pin::pin!(tokio::task::unconstrained(timer.as_mut())).poll(cx)
    }
}

impl Rider for Watch {
    fn piece(&mut self, _: usize) -> Result<(), Refusal> {
        self.watch
            .progress(Clock::default().now())
            .map_err(|reason| self.refuse(reason))
    }

    fn waiting(&mut self, cx: &mut Context<'_>) -> Poll<Refusal> {
        loop {
            match self.watch.wait(Clock::default().now()) {
                Err(reason) => return Poll::Ready(self.refuse(reason)),
                Ok(None) => return Poll::Pending,
                // Asked again, as a timer may end a little before its instant has passed.
                Ok(Some(end)) => ready!(self.poll_timer(end, cx)),
            }
        }
    }
}
