//! Every layer alone, with its defaults wherever it has some.

use std::future::{Ready, ready};
use std::time::Duration;

use seaworthy::BoxError;
use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::breaker::{CircuitBreaker, KeyedCircuitBreaker};
use seaworthy::bulkhead::{Bulkhead, KeyedBulkhead, PartitionedBulkhead};
use seaworthy::chaos::Chaos;
use seaworthy::fallback::Fallback;
use seaworthy::hedge::Hedge;
use seaworthy::load_shed::LoadShed;
use seaworthy::rate_limit::{AtCapacity, KeyedRateLimit, Quota, RateLimit};
use seaworthy::retry::Retry;
use seaworthy::timeout::Timeout;
use tower::{Layer, Service};

use super::ours::{Never, Numbers};
use super::{BARE, BUILT, KEYS, OURS, PLENTY};
use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::inner::Inner;
use seaworthy_harness::surroundings::LIMIT;

/// How many keys there is room for.
const CAPACITY: usize = 100_000;
/// Longer than any run.
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn over(inner: Inner) -> Comparison {
    Comparison {
        title: inner.to_string(),
        settings:
            "each layer alone, in a service that refuses nobody; no failure is worth a retry; keys are a thousand"
                .to_owned(),
        outcome: inner.outcome(),
        bare: Row::service("std", BARE, inner),
        rows: vec![
            row("timeout", &timeout().layer(), inner),
            row("retry", &retry().layer().replay(Numbers).appraise(Never), inner),
            row("breaker", &breaker().layer(), inner),
            row("keyed breaker", &keyed_breaker().layer(key), inner),
            row("bulkhead", &bulkhead().layer(), inner),
            row("keyed bulkhead", &keyed_bulkhead().layer(key), inner),
            row("partitioned bulkhead", &partitioned().layer(partition), inner),
            row("rate limit", &rate_limit().layer(), inner),
            row("keyed rate limit", &keyed_rate_limit().layer(key), inner),
            row("adaptive limit", &adaptive().layer(), inner),
            row("load shed", &load_shed().layer(), inner),
            row("hedge", &hedge().layer().replay(Numbers), inner),
            row("fallback", &fallback().layer(pass_on), inner),
            row("chaos, told to do nothing", &chaos().layer(), inner),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

/// What fails inside, and is answered all the same.
pub(super) fn fallen_back() -> Comparison {
    let inner = Inner::Failing;
    let answer = |_: BoxError| ready(Ok(0));
    Comparison {
        title: "inner failing, answered".to_owned(),
        settings: String::new(),
        outcome: Outcome::Success,
        bare: Row::service("std", BARE, inner),
        rows: vec![row("fallback", &fallback().layer(answer), inner)],
        on_two_threads: false,
    }
}

/// Makes the row of a layer over a service.
fn row<L>(what: &'static str, layer: &L, inner: Inner) -> Row
where
    L: Layer<Inner, Service: Service<u64> + Clone + Send + 'static>,
{
    Row::service(OURS, what, layer.layer(inner)).of_layer(layer)
}

pub(super) fn timeout() -> Timeout {
    Timeout::builder("payments").limit(LIMIT).build().expect(BUILT)
}

pub(super) fn retry() -> Retry {
    Retry::builder("payments").build().expect(BUILT)
}

/// With the default window, in which there are never enough calls for it to open.
pub(super) fn breaker() -> CircuitBreaker {
    let breaker = CircuitBreaker::builder("payments").minimum_calls(u32::MAX);
    breaker.build().expect(BUILT)
}

/// As that, for each key.
pub(super) fn keyed_breaker() -> KeyedCircuitBreaker<u64> {
    let breaker = CircuitBreaker::builder("payments").minimum_calls(u32::MAX);
    breaker.build_keyed(CAPACITY, IDLE).expect(BUILT)
}

pub(super) fn bulkhead() -> Bulkhead {
    Bulkhead::builder("payments").build().expect(BUILT)
}

pub(super) fn keyed_bulkhead() -> KeyedBulkhead<u64> {
    Bulkhead::builder("payments").build_keyed(CAPACITY).expect(BUILT)
}

/// One for those who read, and one for those who write.
pub(super) fn partitioned() -> PartitionedBulkhead {
    let bulkhead = PartitionedBulkhead::builder("payments");
    let bulkhead = bulkhead.partition("reads", |_| ()).partition("writes", |_| ());
    bulkhead.build().expect(BUILT)
}

fn partition(n: &u64) -> &'static str {
    if n.is_multiple_of(2) { "reads" } else { "writes" }
}

fn key(n: &u64) -> u64 {
    n % KEYS
}

pub(super) fn rate_limit() -> RateLimit {
    let limit = RateLimit::builder("payments").quota(Quota::per_second(PLENTY));
    limit.build().expect(BUILT)
}

/// As that, for each key.
pub(super) fn keyed_rate_limit() -> KeyedRateLimit<u64> {
    let limit = RateLimit::builder("payments").quota(Quota::per_second(PLENTY));
    limit.build_keyed(CAPACITY, AtCapacity::Forget).expect(BUILT)
}

pub(super) fn adaptive() -> AdaptiveLimit {
    AdaptiveLimit::builder("payments").build().expect(BUILT)
}

/// Looks at the limit that an [`App`](seaworthy::App) lets it look at.
pub(super) fn load_shed() -> LoadShed {
    let shed = LoadShed::builder("payments").signal("adaptive_limit", adaptive());
    shed.build().expect(BUILT)
}

pub(super) fn hedge() -> Hedge {
    Hedge::builder("payments").build().expect(BUILT)
}

pub(super) fn fallback() -> Fallback {
    Fallback::builder("payments").build().expect(BUILT)
}

/// With the default settings, which inject nothing.
pub(super) fn chaos() -> Chaos {
    Chaos::builder("payments").build().expect(BUILT)
}

fn pass_on(error: BoxError) -> Ready<Result<u64, BoxError>> {
    ready(Err(error))
}
