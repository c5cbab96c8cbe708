//! The way of a call to a dependency, outermost guard first.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::ServiceBuilder;
use tower::util::MapErr;

use super::timed::{TimedFuture, TimedService};
use crate::base::error::BoxError;
use crate::base::outcome::Outcome;
use crate::base::refusal::{Guarded, Refusal};
use crate::base::sync::{Mutex, lock};
use crate::base::within::Lowered;
use crate::policy::breaker::{CircuitBreaker, CircuitBreakerService};
use crate::policy::bulkhead::{Bulkhead, BulkheadService};
use crate::policy::retry::{Retry, RetryService};
use crate::policy::timeout::{Timeout, TimeoutService};
use crate::telemetry::Calls;
use crate::web::tell_refused;
use crate::web::{
    ByStatus, HttpBulkheadService, HttpCircuitBreakerService, HttpReplay, HttpTimeoutService, ObserveAttemptLayer,
    ObserveAttemptService, RetryByStatus, SendContextLayer, SendContextService, SendCriticalityLayer,
    SendCriticalityService, SendDeadlineLayer, SendDeadlineService,
};

/// The live policies of one dependency; everything that calls it goes through the same ones.
#[derive(Clone, Debug)]
pub(super) struct Guards {
    pub(super) retry: Retry,
    pub(super) breaker: CircuitBreaker,
    pub(super) attempt: Timeout,
    pub(super) bulkhead: Bulkhead,
    /// Tells of attempts over HTTP.
    pub(super) observe: ObserveAttemptLayer,
    /// Times all others.
    pub(super) calls: Calls,
}

/// Tells a refusal within the span of whoever calls.
type Told<S> = MapErr<S, fn(BoxError) -> BoxError>;
pub(super) type Plain<S, R, A, C> =
    Told<RetryService<CircuitBreakerService<TimedService<TimeoutService<BulkheadService<S>>, C>, C>, R, A>>;
pub(super) type Http<S, R = HttpReplay, A = RetryByStatus, C = ByStatus> =
    Told<RetryService<HttpCircuitBreakerService<ObserveAttemptService<Attempt<S>>, C>, R, A>>;
type Attempt<S> =
    HttpTimeoutService<HttpBulkheadService<SendDeadlineService<SendCriticalityService<SendContextService<S>>>>>;

impl Guards {
    /// Puts them round an HTTP client; `replay` and `appraise` say what is tried again, `classify` what is a failure.
    pub(super) fn http<S: Clone, R, A, C>(&self, client: S, replay: R, appraise: A, classify: C) -> Http<S, R, A, C>
    where
        R: Clone,
        A: Clone,
        C: Clone,
    {
        ServiceBuilder::new()
            // Outermost: sees what the caller gets.
            .map_err(told as fn(BoxError) -> BoxError)
            // Outside of all guards: its total, or the caller's own deadline, bounds every attempt and every wait below.
            // It counts the calls.
            .layer(self.retry.layer().replay(replay).appraise(appraise))
            // Inside of the retry: sees each attempt. Outside of the attempt's timeout: what takes too long has failed.
            .layer(self.breaker.http_layer().classify(classify))
            // Outside of all that can end an attempt: sees how it ended. What the breaker refuses is none.
            .layer(self.observe.clone())
            // Outside of the bulkhead: the wait for a place is a part of the attempt.
            .layer(self.attempt.http_layer())
            // Inside of all that refuses or waits: takes a place only for what is about to be sent.
            .layer(self.bulkhead.http_layer())
            // Next to the client: says what is left when it is sent, and not before a wait.
            .layer(SendDeadlineLayer::new())
            // Next to the client, as it depends on nothing.
            .layer(SendCriticalityLayer)
            // Next to the client: the span is that of the attempt.
            .layer(SendContextLayer::new())
            .service(client)
    }

    /// Puts them round any service, as `http` does.
    pub(super) fn plain<S: Clone, R, A, C>(&self, service: S, replay: R, appraise: A, classify: C) -> Plain<S, R, A, C>
    where
        R: Clone,
        A: Clone,
        C: Clone,
    {
        // The order and its reasons are those of `http`.
        ServiceBuilder::new()
            .map_err(told as fn(BoxError) -> BoxError)
            .layer(self.retry.layer().replay(replay).appraise(appraise))
            .layer(self.breaker.layer().classify(classify.clone()))
            .layer_fn(|inner| TimedService::new(inner, self.calls.clone(), classify.clone()))
            .layer(self.attempt.layer())
            .layer(self.bulkhead.layer())
            .service(service)
    }

    /// Runs a future of the user's own once, through all but the retry, in the same order.
    pub(super) async fn once<F, Fut, T, E>(&self, operation: F) -> Result<T, Guarded<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        // The retry, which keeps the total otherwise, has no part in it.
        let done = Lowered::start(self.retry.total(), || self.attempt(operation)).await;
        done.inspect_err(tell)
    }

    #[inline]
    fn attempt<F, Fut, T, E>(&self, operation: F) -> impl Future<Output = Result<T, Guarded<E>>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let held = || self.attempt.call(|| self.bulkhead.call(operation));
        let timed = || TimedFuture::start(&self.calls, held, outcome_of);
        let call = self.breaker.call_classified(timed, outcome_of);
        OfGuard { call }
    }

    /// Runs a future of the user's own through all of them, made anew for each attempt.
    pub(super) async fn repeated<F, Fut, T, E>(&self, operation: F) -> Result<T, Guarded<E>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        // Only an attempt that is let through may make its future: that may begin something by itself.
        let operation = Mutex::new(operation);
        let attempt = || self.attempt(|| lock(&operation)());
        let done = self.retry.call_idempotent(attempt).await;
        done.map_err(|error| match error {
            Guarded::Refused(refusal) => Guarded::Refused(refusal),
            Guarded::Inner(error) => error,
        })
        .inspect_err(tell)
    }
}

pin_project! {
    /// One attempt of a guard, with one error instead of one for each policy.
    struct OfGuard<F> {
        #[pin]
        call: F,
    }
}

impl<F, T, E> Future for OfGuard<F>
where
    F: Future<Output = Result<T, Guarded<Guarded<Guarded<E>>>>>,
{
    type Output = Result<T, Guarded<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let end = ready!(self.project().call.poll(cx));
        Poll::Ready(end.map_err(|error| match error {
            Guarded::Refused(refusal)
            | Guarded::Inner(Guarded::Refused(refusal))
            | Guarded::Inner(Guarded::Inner(Guarded::Refused(refusal))) => Guarded::Refused(refusal),
            Guarded::Inner(Guarded::Inner(Guarded::Inner(error))) => Guarded::Inner(error),
        }))
    }
}

fn told(error: BoxError) -> BoxError {
    if let Some(refusal) = Refusal::find(error.as_ref()) {
        tell_refused(refusal);
    }
    error
}

fn tell<E>(error: &Guarded<E>) {
    if let Guarded::Refused(refusal) = error {
        tell_refused(refusal);
    }
}

/// What one attempt says: a refusal says it itself, and an error of the user's is a failure.
pub(super) fn outcome_of<T, E>(end: Result<&T, &Guarded<Guarded<E>>>) -> Outcome {
    match end {
        Ok(_) => Outcome::Success,
        Err(Guarded::Refused(refusal) | Guarded::Inner(Guarded::Refused(refusal))) => refusal.outcome(),
        Err(Guarded::Inner(Guarded::Inner(_))) => Outcome::Failure,
    }
}
