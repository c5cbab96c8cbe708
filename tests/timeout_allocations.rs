//! A call that succeeds allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use alloc_support::allocations;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use seaworthy::Body;
use seaworthy::timeout::Timeout;
use tower::{Layer, Service, service_fn};

fn timeout() -> Timeout {
    Timeout::builder("payments")
        .limit(Duration::from_secs(1))
        .body_total(Duration::from_secs(1))
        .build()
        .unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_service_that_is_ready_at_once_costs_no_allocation() {
    let mut service = timeout()
        .layer()
        .layer(service_fn(async |n: u64| Ok::<_, Infallible>(n + 1)));
    assert_eq!(allocations(|| service.call(black_box(1))).await, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_service_that_waits_once_costs_no_allocation() {
    let mut service = timeout().layer().layer(service_fn(async |n: u64| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(n + 1)
    }));
    assert_eq!(allocations(|| service.call(black_box(1))).await, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn a_guarded_future_costs_no_allocation() {
    let timeout = timeout();
    let operation = async || {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(1)
    };
    assert_eq!(allocations(|| timeout.call(operation)).await, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn an_http_exchange_with_whole_bodies_costs_no_allocation() {
    let inner = service_fn(async |request: Request<Body>| {
        // `collect` would keep the pieces in a list, which allocates.
        let bytes = request.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
        Ok::<_, Infallible>(Response::new(Body::from(bytes)))
    });
    let mut service = timeout().http_layer().layer(inner);
    let call = || service.call(Request::new(Body::from(Bytes::from_static(b"ahoy"))));
    assert_eq!(allocations(call).await, 0);
}
