//! tower-resilience's layers.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tower::ServiceBuilder;
use tower_resilience_bulkhead::BulkheadLayer;
use tower_resilience_circuitbreaker::CircuitBreakerLayer;
use tower_resilience_ratelimiter::RateLimiterLayer;
use tower_resilience_retry::RetryLayer;
use tower_resilience_timelimiter::TimeLimiterLayer;

use super::{Answer, Bodiless, LIMIT, PLACES, without_body};
use crate::server::variants::ahoy::Ahoy;
use crate::server::variants::door::{Failed, Served};
use crate::server::variants::ours::{NAME, QUOTA};

/// Rate limit, retry, circuit breaker, timeout and bulkhead, in this order from outside.
pub(in crate::server::variants) fn five() -> Result<impl Served, Failed> {
    let limit = RateLimiterLayer::per_second(QUOTA as usize).name(NAME).build()?;
    let retry = RetryLayer::<Bodiless, Answer, _>::builder()
        .name(NAME)
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(100))
        .build();
    let breaker = CircuitBreakerLayer::builder()
        .name(NAME)
        .failure_rate_threshold(0.5)
        .build()?;
    let timeout = TimeLimiterLayer::builder().name(NAME).timeout_duration(LIMIT).build();
    let bulkhead = BulkheadLayer::builder()
        .name(NAME)
        .max_concurrent_calls(PLACES)
        .build()?;
    Ok(ServiceBuilder::new()
        .map_request(without_body)
        .layer(limit)
        .layer(retry)
        .layer(breaker)
        .layer(timeout)
        .layer(bulkhead)
        .service(Ahoy::<Full<Bytes>>::new()))
}
