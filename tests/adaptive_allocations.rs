//! A call that is let in allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;

use alloc_support::allocations;
use bytes::Bytes;
use http::{Request, Response};
use seaworthy::Body;
use seaworthy::adaptive::AdaptiveLimit;
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_that_is_let_in_costs_no_allocation() {
    let limit = AdaptiveLimit::builder("search").build().unwrap();
    let inner = service_fn(|n: u64| async move { Ok::<_, Infallible>(n + 1) });
    let pending = service_fn(|n: u64| async move {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(n + 1)
    });
    let service = limit.layer().layer(inner);
    let at_once = allocations(|| service.clone().oneshot(black_box(1))).await;
    let service = limit.layer().layer(pending);
    let pending_once = allocations(|| service.clone().oneshot(black_box(1))).await;
    let called = allocations(|| limit.call(|| async { Ok::<_, Infallible>(1) })).await;
    assert_eq!([at_once, pending_once, called], [0; 3]);
}

#[tokio::test(flavor = "current_thread")]
async fn an_http_exchange_with_a_whole_body_costs_no_allocation() {
    let limit = AdaptiveLimit::builder("search").build().unwrap();
    let inner = service_fn(|request: Request<Body>| async { Ok::<_, Infallible>(Response::new(request.into_body())) });
    let service = limit.http_layer().layer(inner);
    let request = || Request::new(Body::from(Bytes::from_static(b"ahoy")));
    assert_eq!(allocations(|| service.clone().oneshot(request())).await, 0);
}
