//! What is let through allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use alloc_support::{allocations, of_this_thread};
use seaworthy::rate_limit::{AtCapacity, KeyedRateLimit, Quota, RateLimit};
use tower::{Layer, Service, service_fn};

const PLENTY: Quota = Quota::per_second(1_000_000);

#[tokio::test(flavor = "current_thread")]
async fn what_is_let_through_costs_no_allocation() {
    for wait in [0, 60] {
        let limit = RateLimit::builder("orders")
            .quota(PLENTY)
            .wait(Duration::from_secs(wait));
        let limit = limit.build().unwrap();
        let mut service = limit
            .layer()
            .layer(service_fn(|n: u64| async move { Ok::<_, Infallible>(n + 1) }));
        let at_once = allocations(|| service.call(black_box(1))).await;
        let mut service = limit.layer().weight(|_: &u64| 2).layer(service_fn(|n: u64| async move {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(n + 1)
        }));
        let pending_once = allocations(|| service.call(black_box(1))).await;
        let guarded = allocations(|| limit.call(|| async { Ok::<_, Infallible>(1) })).await;
        let checked = allocations(async || limit.check(1)).await;
        assert_eq!([at_once, pending_once, guarded, checked], [0; 4], "wait {wait}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn for_known_keys_too() {
    let limits = RateLimit::builder("clients").quota(PLENTY);
    let limits: KeyedRateLimit<IpAddr> = limits.build_keyed(1000, AtCapacity::Forget).unwrap();
    let client = |n: &u64| IpAddr::from(Ipv4Addr::from_bits((*n % 10) as u32));
    let mut service = limits
        .layer(client)
        .layer(service_fn(|n: u64| async move { Ok::<_, Infallible>(n + 1) }));
    let mut n = 0;
    let layer = allocations(|| {
        n += 1;
        service.call(black_box(n))
    })
    .await;
    let checked = allocations(async || limits.check(client(&3), 1)).await;
    assert_eq!([layer, checked], [0; 2]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_refusal_costs_its_box_through_the_layer_and_a_check_nothing() {
    let limit = RateLimit::builder("orders").quota(Quota::per_hour(1)).build().unwrap();
    limit.check(1).unwrap();
    let mut service = limit
        .layer()
        .layer(service_fn(|n: u64| async move { Ok::<_, Infallible>(n + 1) }));
    let layer = allocations(|| service.call(black_box(1))).await;
    let guarded = allocations(|| limit.call(|| async { Ok::<_, Infallible>(1) })).await;
    let before = of_this_thread();
    for _ in 0..100 {
        black_box(limit.check(1)).unwrap_err();
    }
    assert_eq!([layer, guarded, of_this_thread() - before], [100, 0, 0]);
}
