//! What is off costs nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;

use alloc_support::allocations;
use http::{Request, Response};
use seaworthy::Body;
use seaworthy::chaos::Chaos;
use tower::{Layer, Service, service_fn};

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_chaos_that_is_off_costs_no_allocation() {
    let chaos = Chaos::builder("payments").error_share(1.0).build().unwrap();
    let mut plain = chaos
        .layer()
        .layer(service_fn(async |order: u64| Ok::<_, Infallible>(order)));
    let plain = allocations(|| plain.call(black_box(1))).await;
    let own = allocations(|| chaos.call(async || Ok::<_, Infallible>(1))).await;
    let mut http = chaos.http_layer().layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from("42")))
    }));
    let http = allocations(|| http.call(Request::new(Body::empty()))).await;
    assert_eq!([plain, own, http], [0; 3]);
}
