//! A first try that succeeds allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;

use alloc_support::allocations;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::deadline::Deadline;
use seaworthy::replay::Idempotent;
use seaworthy::retry::Retry;
use seaworthy::timeout::Timeout;
use tower::{Layer, Service, service_fn};

#[derive(Clone)]
struct Read(u64);

impl Idempotent for Read {}

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_first_try_that_succeeds_costs_no_allocation() {
    let retry = Retry::builder("payments").build().unwrap();
    let mut service = retry
        .layer()
        .layer(service_fn(async |read: Read| Ok::<_, Infallible>(read.0 + 1)));
    let at_once = allocations(|| service.call(black_box(Read(1)))).await;
    let mut service = retry.layer().layer(service_fn(async |read: Read| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(read.0 + 1)
    }));
    let pending_once = allocations(|| service.call(black_box(Read(1)))).await;
    let called = allocations(|| retry.call_idempotent(async || Ok::<_, Infallible>(1))).await;
    assert_eq!([at_once, pending_once, called], [0; 3]);
}

#[tokio::test(flavor = "current_thread")]
async fn retry_breaker_and_timeout_together_cost_no_allocation() {
    let retry = Retry::builder("payments").build().unwrap();
    let breaker = CircuitBreaker::builder("payments").build().unwrap();
    let timeout = Timeout::builder("payments").build().unwrap();
    let inner = service_fn(async |read: Read| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(read.0 + 1)
    });
    let mut service = retry.layer().layer(breaker.layer().layer(timeout.layer().layer(inner)));
    let deadline = Deadline::after(std::time::Duration::from_secs(3));
    let together = allocations(|| deadline.scope(service.call(black_box(Read(1))))).await;
    assert_eq!(together, 0);
}
