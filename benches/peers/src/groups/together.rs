//! Retry, circuit breaker and timeout round one service, in this order from outside.

use std::task::{Context, Poll};
use std::time::Duration;

use layered::Layer as _;
use recloser::{AnyError, AsyncRecloser, Recloser, RecloserFuture};
use seatbelt::{RecoveryInfo, ResilienceContext};
use seaworthy::breaker::CircuitBreaker;
use seaworthy::retry::Retry;
use seaworthy::timeout::Timeout;
use tick::Clock;
use tower::Service;

use super::retry;
use seaworthy_harness::comparison::{Comparison, Row};
use seaworthy_harness::inner::{Failure, Inner};
use seaworthy_harness::surroundings::LIMIT;

pub(crate) fn comparisons(clock: &Clock) -> Vec<Comparison> {
    [Inner::ReadyAtOnce, Inner::PendingOnce]
        .map(|inner| of(inner, clock))
        .into()
}

fn of(inner: Inner, clock: &Clock) -> Comparison {
    Comparison {
        title: inner.to_string(),
        settings: "retries with a budget where there is one, a total is ours alone; breakers with 30 s, or a ring of 100 calls".to_owned(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows: vec![
            ours(inner, &retry::without_total(), "layers, with a budget"),
            ours(inner, &retry::ours(), "layers, with a budget and a total").alike(retry::TIMED),
            Row::service(
                "tower",
                "retry with its budget and timeout, recloser between them",
                tower(inner),
            ),
            Row::layered("seatbelt", "layered, without a budget", seatbelt(inner, clock)),
            resilience(inner),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

fn ours(inner: Inner, retry: &Retry, what: &'static str) -> Row {
    let breaker = CircuitBreaker::builder("payments").build();
    let timeout = Timeout::builder("payments").limit(LIMIT).build();
    let breaker = breaker.expect("the defaults are in range").layer();
    let timeout = timeout.expect("ten seconds are in range").layer();
    let stack = retry::layer(retry).layer(breaker.layer(timeout.layer(inner)));
    Row::service("seaworthy", what, stack)
}

/// tower has no breaker; this one has no tower layer.
#[derive(Clone)]
pub(crate) struct Reclosed<S> {
    recloser: AsyncRecloser,
    inner: S,
}

impl<S: Service<Req>, Req> Service<Req> for Reclosed<S> {
    type Response = S::Response;
    type Error = recloser::Error<S::Error>;
    type Future = RecloserFuture<S::Future, AnyError>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(recloser::Error::Inner)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        self.recloser.call(self.inner.call(request))
    }
}

pub(crate) fn reclosed<S>(inner: S) -> Reclosed<S> {
    let recloser = AsyncRecloser::from(Recloser::custom().closed_len(100).build());
    Reclosed { recloser, inner }
}

fn tower(inner: Inner) -> impl Service<u64, Response = u64> + Clone + Send + 'static {
    let inner = tower::timeout::Timeout::new(inner, LIMIT);
    tower::retry::Retry::new(retry::Budgeted::new(), reclosed(inner))
}

type Output = Result<u64, Failure>;

fn seatbelt(inner: Inner, clock: &Clock) -> impl layered::Service<u64, Out = Output> + Clone + 'static {
    let context = ResilienceContext::new(clock);
    let recovery = |output: &Output| match output {
        Ok(_) => RecoveryInfo::never(),
        Err(_) => RecoveryInfo::retry(),
    };
    let timeout = seatbelt::timeout::Timeout::layer("payments", &context)
        .timeout_error(|_| Failure::default())
        .timeout(LIMIT);
    let breaker = seatbelt::breaker::Breaker::layer("payments", &context)
        .recovery_with(move |output: &Output, _| recovery(output))
        .rejected_input_error(|_, _| Failure::default())
        .sampling_duration(Duration::from_secs(30));
    let retry = seatbelt::retry::Retry::layer("payments", &context)
        .clone_input()
        .recovery_with(move |output: &Output, _| recovery(output));
    retry.layer(breaker.layer(timeout.layer(inner)))
}

fn resilience(inner: Inner) -> Row {
    let timeout = tower_resilience_timelimiter::TimeLimiterLayer::builder()
        .name("payments")
        .timeout_duration(LIMIT)
        .build();
    let breaker = tower_resilience_circuitbreaker::CircuitBreakerLayer::builder()
        .name("payments")
        .failure_rate_threshold(0.5)
        .build()
        .expect("the settings are those of its documentation");
    let retry = tower_resilience_retry::RetryLayer::<u64, u64, _>::builder()
        .name("payments")
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(100))
        .retry_on(|_| false)
        .build();
    let stack = retry.layer(breaker.layer(timeout.layer(inner)));
    Row::service("tower-resilience-retry", "with its breaker and time limiter", stack)
}
