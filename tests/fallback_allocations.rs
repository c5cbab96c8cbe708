//! A call that succeeds allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;

use alloc_support::allocations;
use http::{Request, Response};
use seaworthy::fallback::Fallback;
use seaworthy::web::Failed;
use seaworthy::{Body, BoxError};
use tower::{Layer, Service, service_fn};

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_that_is_answered_costs_no_allocation() {
    let fallback = Fallback::builder("prices").build().unwrap();
    let inside = service_fn(async |item: u64| Ok::<_, Infallible>(item));
    let mut plain = fallback.layer(|_: BoxError| ready(Ok(0))).layer(inside);
    let plain = allocations(|| plain.call(black_box(1))).await;
    let mut noting = fallback
        .layer_for(|item: &u64| *item, |item, _| ready(Ok(item)))
        .layer(inside);
    let noting = allocations(|| noting.call(black_box(1))).await;
    let own = allocations(|| fallback.call(async || Ok::<_, Infallible>(1), |_| ready(Ok(0)))).await;
    assert_eq!([plain, noting, own], [0; 3]);
}

#[tokio::test(flavor = "current_thread")]
async fn an_exchange_that_is_answered_costs_no_allocation() {
    let fallback = Fallback::builder("prices").build().unwrap();
    let inside = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::from("42"))));
    let mut client = fallback
        .http_layer(|failed: Failed| ready(failed.pass_on()))
        .layer(inside);
    assert_eq!(allocations(|| client.call(Request::new(Body::empty()))).await, 0);
}
