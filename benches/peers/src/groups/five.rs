//! Rate limit, retry, circuit breaker, timeout and bulkhead round one service, in this order from outside.

use std::time::Duration;

use seaworthy::breaker::CircuitBreaker;
use seaworthy::bulkhead::Bulkhead;
use seaworthy::rate_limit::{Quota, RateLimit};
use seaworthy::timeout::Timeout;
use tick::Clock;
use tower::Layer as _;

use super::retry;
use seaworthy_harness::comparison::{Comparison, Row};
use seaworthy_harness::inner::Inner;
use seaworthy_harness::surroundings::LIMIT;

pub(crate) fn comparisons(_: &Clock) -> Vec<Comparison> {
    [Inner::ReadyAtOnce, Inner::PendingOnce].map(of).into()
}

fn of(inner: Inner) -> Comparison {
    Comparison {
        title: inner.to_string(),
        settings: "as in the groups of each; no call is refused".to_owned(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows: vec![ours(inner), resilience(inner)],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

/// More than anybody can ask for.
const QUOTA: u32 = 1_000_000_000;
const BUILT: &str = "the settings are in range";

fn ours(inner: Inner) -> Row {
    let limit = RateLimit::builder("payments").quota(Quota::per_second(QUOTA)).build();
    let breaker = CircuitBreaker::builder("payments").build().expect(BUILT);
    let timeout = Timeout::builder("payments").limit(LIMIT).build().expect(BUILT);
    let bulkhead = Bulkhead::builder("payments").build().expect(BUILT);
    let inside = timeout.layer().layer(bulkhead.layer().layer(inner));
    let retried = retry::layer(&retry::ours()).layer(breaker.layer().layer(inside));
    let stack = limit.expect(BUILT).layer().layer(retried);
    Row::service("seaworthy", "five layers", stack)
}

fn resilience(inner: Inner) -> Row {
    let limit = tower_resilience_ratelimiter::RateLimiterLayer::per_second(QUOTA as usize);
    let bulkhead = tower_resilience_bulkhead::BulkheadLayer::builder()
        .name("payments")
        .max_concurrent_calls(64)
        .build();
    let timeout = tower_resilience_timelimiter::TimeLimiterLayer::builder()
        .name("payments")
        .timeout_duration(LIMIT)
        .build();
    let breaker = tower_resilience_circuitbreaker::CircuitBreakerLayer::builder()
        .name("payments")
        .failure_rate_threshold(0.5)
        .build();
    let retry = tower_resilience_retry::RetryLayer::<u64, u64, _>::builder()
        .name("payments")
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(100))
        .retry_on(|_| false)
        .build();
    let inside = timeout.layer(bulkhead.expect(BUILT).layer(inner));
    let stack = retry.layer(breaker.expect(BUILT).layer(inside));
    Row::service(
        "tower-resilience-retry",
        "with its four others",
        limit.name("payments").build().expect(BUILT).layer(stack),
    )
}
