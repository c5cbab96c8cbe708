//! Times what is called otherwise than over HTTP.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::panicking;

use pin_project_lite::pin_project;
use tower_service::Service;

use crate::base::clock::Clock;
use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome};
use crate::base::ticks::Ticks;
use crate::telemetry::{Account, Calls};

/// Tells how long a call took, once, when it is dropped.
struct Timer {
    account: Account,
    start: Ticks,
    outcome: Option<Outcome>,
}

impl Timer {
    fn start(calls: &Calls) -> Self {
        Self {
            account: calls.account(),
            start: Clock::default().ticks(),
            outcome: None,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let outcome = self.outcome.or(panicking().then_some(Outcome::Failure));
        self.account.ended(outcome, Clock::default().ticks().since(self.start));
    }
}

/// Times the calls of a service.
#[derive(Clone, Debug)]
pub struct TimedService<S, C> {
    inner: S,
    calls: Calls,
    classify: C,
}

impl<S, C> TimedService<S, C> {
    pub(super) fn new(inner: S, calls: Calls, classify: C) -> Self {
        Self { inner, calls, classify }
    }
}

impl<S, C, Req> Service<Req> for TimedService<S, C>
where
    S: Service<Req, Error = BoxError>,
    C: Classify<S::Response, BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = TimedFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        TimedFuture::start(&self.calls, || self.inner.call(request), self.classify.clone())
    }
}

pin_project! {
    /// A future that is timed.
    pub struct TimedFuture<F, C> {
        #[pin]
        future: F,
        timer: Timer,
        classify: C,
    }
}

impl<F, C> TimedFuture<F, C> {
    #[inline]
    pub(super) fn start(calls: &Calls, future: impl FnOnce() -> F, classify: C) -> Self {
        let timer = Timer::start(calls);
        Self {
            future: future(),
            timer,
            classify,
        }
    }
}

impl<F, C, T, E> Future for TimedFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // What is left behind if it panics.
        this.timer.outcome = Some(Outcome::Failure);
        let Poll::Ready(end) = this.future.poll(cx) else {
            this.timer.outcome = None;
            return Poll::Pending;
        };
        // The user's code: whatever it does, the call goes on.
        let outcome = catch_unwind(AssertUnwindSafe(|| this.classify.classify(end.as_ref())));
        this.timer.outcome = Some(outcome.unwrap_or(Outcome::Failure));
        Poll::Ready(end)
    }
}
