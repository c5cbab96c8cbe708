//! A call that succeeds allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;
use std::io;

use alloc_support::allocations;
use bytes::Bytes;
use http::{Request, Response};
use seaworthy::Body;
use seaworthy::breaker::{CircuitBreaker, Window};
use tower::{Layer, Service, ServiceExt, service_fn};

/// One of each kind of window; slow calls on where they can be.
fn breakers() -> [CircuitBreaker; 3] {
    let build = |window| {
        let builder = CircuitBreaker::builder("payments").window(window);
        let builder = match window {
            Window::Consecutive(_) => builder,
            _ => builder.slow_calls(std::time::Duration::from_secs(1), 50),
        };
        builder.build().unwrap()
    };
    [
        build(Window::Count(100)),
        build(Window::Time(std::time::Duration::from_secs(30))),
        build(Window::Consecutive(5)),
    ]
}

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_that_is_let_through_costs_no_allocation() {
    for breaker in breakers() {
        let mut service = breaker
            .layer()
            .layer(service_fn(async |n: u64| Ok::<_, Infallible>(n + 1)));
        let at_once = allocations(|| service.call(black_box(1))).await;
        let mut service = breaker.layer().layer(service_fn(async |n: u64| {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(n + 1)
        }));
        let pending_once = allocations(|| service.call(black_box(1))).await;
        let guarded = allocations(|| breaker.call(async || Ok::<_, Infallible>(1))).await;
        assert_eq!([at_once, pending_once, guarded], [0; 3], "{breaker:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_http_exchange_with_bodies_costs_no_allocation() {
    for breaker in breakers() {
        let inner = || {
            service_fn(async |request: Request<Body>| {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(Response::new(request.into_body()))
            })
        };
        let request = || Request::new(Body::from(Bytes::from_static(b"ahoy")));
        let mut plain = breaker.layer().layer(inner());
        let plain = allocations(|| plain.call(request())).await;
        let mut http = breaker.http_layer().layer(inner());
        let http = allocations(|| http.call(request())).await;
        assert_eq!([plain, http], [0; 2], "{breaker:?}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_refusal_costs_its_box_through_the_layer_and_nothing_through_call() {
    for breaker in breakers() {
        breaker.force_open();
        let mut service = breaker
            .layer()
            .layer(service_fn(async |n: u64| Ok::<_, Infallible>(n + 1)));
        assert_eq!(allocations(|| service.call(black_box(1))).await, 100);
        assert_eq!(allocations(|| breaker.call(async || Ok::<_, io::Error>(1))).await, 0);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_key_that_is_there_costs_no_allocation() {
    let breaker = CircuitBreaker::builder("hosts")
        .build_keyed::<u64>(100, std::time::Duration::from_secs(60))
        .unwrap();
    let service = breaker
        .layer(|n: &u64| *n)
        .layer(service_fn(async |n: u64| Ok::<_, Infallible>(n + 1)));
    assert_eq!(allocations(|| service.clone().oneshot(black_box(1))).await, 0);
}
