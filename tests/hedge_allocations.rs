//! A call that succeeds allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use alloc_support::allocations;
use seaworthy::attempt::Attempt;
use seaworthy::hedge::{Delay, Hedge};
use seaworthy::replay::Idempotent;
use tower::{Layer, Service, service_fn};

#[derive(Clone)]
struct Read(u64);

impl Idempotent for Read {}

/// One of each kind of delay.
fn hedges() -> [Hedge; 2] {
    let build = |delay| {
        Hedge::builder("payments")
            .after(delay)
            .without_budget()
            .build()
            .unwrap()
    };
    [build(Delay::Fixed(Duration::from_secs(1))), build(Delay::default())]
}

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_that_is_answered_in_time_costs_no_allocation() {
    for hedge in hedges() {
        let mut service = hedge
            .layer()
            .layer(service_fn(async |read: Read| Ok::<_, Infallible>(read.0)));
        let at_once = allocations(|| service.call(black_box(Read(1)))).await;
        let mut service = hedge.layer().layer(service_fn(async |read: Read| {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(read.0)
        }));
        let pending_once = allocations(|| service.call(black_box(Read(1)))).await;
        let own = allocations(|| hedge.call_idempotent(async || Ok::<_, Infallible>(1))).await;
        assert_eq!([at_once, pending_once, own], [0; 3], "{hedge:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_hedged_costs_no_allocation() {
    let [hedge, _] = hedges();
    let mut service = hedge.layer().layer(service_fn(async |read: Read| {
        if Attempt::current() == Attempt::FIRST {
            std::future::pending::<()>().await;
        }
        Ok::<_, Infallible>(read.0)
    }));
    assert_eq!(allocations(|| service.call(black_box(Read(1)))).await, 0);
    assert_eq!(hedge.config().after, Delay::Fixed(Duration::from_secs(1)));
}
