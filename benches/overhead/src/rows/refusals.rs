//! Calls that are refused, so that the service is not called.

use std::future::{pending, ready};
use std::task::{Context, Waker};
use std::time::Duration;

use seaworthy::App;
use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::bulkhead::{Bulkhead, BulkheadBuilder, PartitionedBulkhead};
use seaworthy::load_shed::LoadShed;
use seaworthy::rate_limit::{AtCapacity, KeyedRateLimit, Quota, RateLimit};
use tower::Layer as _;

use super::ours::Reads;
use super::{BARE, BUILT, OURS, layers, outbound};
use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::{Failure, Inner};

/// What does not come back.
const ONE: u32 = 1;
const KEYS: usize = 100;
const HOUR: Duration = Duration::from_secs(60 * 60);

pub(super) fn all() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    Comparison {
        title: "refused".to_owned(),
        settings: "a circuit that is open, limits that are used up, places that are taken".to_owned(),
        outcome: Outcome::Refusal,
        bare: Row::service("std", BARE, inner),
        rows: vec![
            breaker(inner),
            keyed_breaker(inner),
            bulkhead(inner),
            keyed_bulkhead(inner),
            partitioned_bulkhead(inner),
            rate_limit(inner),
            keyed(inner),
            adaptive(inner),
            load_shed(inner),
            dependency(inner),
        ],
        on_two_threads: false,
    }
}

fn breaker(inner: Inner) -> Row {
    let breaker = layers::breaker();
    breaker.force_open();
    Row::service(OURS, "breaker", breaker.layer().layer(inner))
}

fn keyed_breaker(inner: Inner) -> Row {
    let breaker = CircuitBreaker::builder("payments")
        .minimum_calls(ONE)
        .open(HOUR, HOUR)
        .build_keyed(KEYS, HOUR)
        .expect(BUILT);
    drive(breaker.call(0, || ready(Err::<u64, _>(Failure::default())))).expect_err("it fails");
    Row::service(OURS, "keyed breaker", breaker.layer(|_: &u64| 0).layer(inner))
}

fn bulkhead(inner: Inner) -> Row {
    let bulkhead = full().build().expect(BUILT);
    let place = drive(bulkhead.acquire()).expect("it is free");
    Row::service(OURS, "bulkhead", bulkhead.layer().layer(inner)).keeping(place)
}

fn keyed_bulkhead(inner: Inner) -> Row {
    let bulkhead = full().build_keyed(KEYS).expect(BUILT);
    let place = drive(bulkhead.acquire(0)).expect("it is free");
    Row::service(OURS, "keyed bulkhead", bulkhead.layer(|_: &u64| 0).layer(inner)).keeping(place)
}

fn partitioned_bulkhead(inner: Inner) -> Row {
    let bulkhead = PartitionedBulkhead::builder("payments").partition("reads", |config| {
        config.concurrent = ONE;
        config.queue = 0;
    });
    let bulkhead = bulkhead.build().expect(BUILT);
    let reads = bulkhead.partition("reads").expect("there is one");
    let place = drive(reads.acquire()).expect("it is free");
    Row::service(
        OURS,
        "partitioned bulkhead",
        bulkhead.layer(|_: &u64| "reads").layer(inner),
    )
    .keeping(place)
}

/// With one place and no queue.
fn full() -> BulkheadBuilder {
    Bulkhead::builder("payments").concurrent(ONE).queue(0)
}

fn rate_limit(inner: Inner) -> Row {
    let limit = RateLimit::builder("payments").quota(Quota::per_hour(ONE));
    let limit = limit.build().expect(BUILT);
    limit.check(ONE).expect("the first call of the hour");
    Row::service(OURS, "rate limit", limit.layer().layer(inner))
}

fn keyed(inner: Inner) -> Row {
    let limit = RateLimit::builder("payments").quota(Quota::per_hour(ONE));
    let limit: KeyedRateLimit<u64> = limit.build_keyed(KEYS, AtCapacity::Forget).expect(BUILT);
    limit.check(0, ONE).expect("the first call of the hour");
    Row::service(OURS, "keyed rate limit", limit.layer(|_: &u64| 0).layer(inner))
}

fn adaptive(inner: Inner) -> Row {
    let limit = AdaptiveLimit::builder("payments").min(ONE).max(ONE).initial(ONE);
    let limit = limit.build().expect(BUILT);
    let mut first = Box::pin(limit.call(pending::<Result<u64, Failure>>));
    let polled = first.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "it has the only place");
    Row::service(OURS, "adaptive limit", limit.layer().layer(inner)).keeping(first)
}

fn load_shed(inner: Inner) -> Row {
    let shed = LoadShed::builder("payments").signal("full", || 1.0);
    Row::service(OURS, "load shed", shed.build().expect(BUILT).layer().layer(inner))
}

fn dependency(inner: Inner) -> Row {
    let mut app = App::builder("orders");
    let guarded = app.dependency("payments").layer();
    app.build().expect(BUILT);
    guarded.dependency().breaker().force_open();
    outbound::row("outbound stack, circuit open", guarded.layer(Reads(inner)))
}
