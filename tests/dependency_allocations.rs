//! A call of a dependency that succeeds allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use alloc_support::allocations;
use seaworthy::App;
use seaworthy::deadline::Deadline;
use seaworthy::replay::Idempotent;
use tower::{Layer, Service, service_fn};

#[derive(Clone)]
struct Read(u64);

impl Idempotent for Read {}

const CALLERS: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_through_all_guards_of_a_dependency_costs_no_allocation() {
    let mut app = App::builder("orders");
    let guarded = app.dependency("payments").layer();
    let _app = app.build().unwrap();
    let mut client = guarded.layer(service_fn(async |read: Read| Ok::<_, Infallible>(read.0 + 1)));
    let at_once = allocations(|| client.call(black_box(Read(1)))).await;
    let mut client = guarded.layer(service_fn(async |read: Read| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(read.0 + 1)
    }));
    let pending_once = allocations(|| client.call(black_box(Read(1)))).await;
    let callers = Deadline::after(CALLERS);
    let under_deadline = allocations(|| callers.scope(client.call(black_box(Read(1))))).await;
    assert_eq!([at_once, pending_once, under_deadline], [0; 3]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_future_under_the_guards_of_a_dependency_costs_no_allocation() {
    let mut app = App::builder("orders");
    let ledger = app.dependency("ledger").guard();
    let _app = app.build().unwrap();
    let once = allocations(|| ledger.call(async || Ok::<_, Infallible>(black_box(1)))).await;
    let pending = async || {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(black_box(1))
    };
    let pending_once = allocations(|| ledger.call(pending)).await;
    let repeated = allocations(|| ledger.call_idempotent(pending)).await;
    assert_eq!([once, pending_once, repeated], [0; 3]);
}
