//! Times what is called otherwise than over HTTP.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::panicking;

use pin_project_lite::pin_project;
use tower_service::Service;

use super::outbound::outcome_of;
use crate::base::clock::Clock;
use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome};
use crate::base::refusal::Guarded;
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

/// Times a future of the user's own.
pub(super) async fn timed<T, E>(
    calls: &Calls,
    call: impl Future<Output = Result<T, Guarded<Guarded<E>>>>,
) -> Result<T, Guarded<Guarded<E>>> {
    let mut timer = Timer::start(calls);
    let end = call.await;
    timer.outcome = Some(outcome_of(end.as_ref()));
    end
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
        let timer = Timer::start(&self.calls);
        TimedFuture {
            response: self.inner.call(request),
            timer,
            classify: self.classify.clone(),
        }
    }
}

pin_project! {
    /// The response of a timed service.
    pub struct TimedFuture<F, C> {
        #[pin]
        response: F,
        timer: Timer,
        classify: C,
    }
}

impl<F, C, T> Future for TimedFuture<F, C>
where
    F: Future<Output = Result<T, BoxError>>,
    C: Classify<T, BoxError>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // What is left behind if it panics.
        this.timer.outcome = Some(Outcome::Failure);
        let Poll::Ready(end) = this.response.poll(cx) else {
            this.timer.outcome = None;
            return Poll::Pending;
        };
        // The user's code: whatever it does, the call goes on.
        let outcome = catch_unwind(AssertUnwindSafe(|| this.classify.classify(end.as_ref())));
        this.timer.outcome = Some(outcome.unwrap_or(Outcome::Failure));
        Poll::Ready(end)
    }
}
