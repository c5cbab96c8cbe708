//! An admitted request costs no allocation but for what it is told. In a binary of its own, as it counts for the thread.

mod alloc_support;

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use alloc_support::allocations;
use http::{HeaderMap, Request, Response};
use seaworthy::rate_limit::{AtCapacity, Quota, RateLimit, RateLimitBuilder};
use seaworthy::web::{ClientIp, PeerAddr, RateLimitHeaders};
use seaworthy::{Body, BoxError};
use tower::{Layer, Service, service_fn};

/// Enough for every request of a test.
fn plenty() -> RateLimitBuilder {
    RateLimit::builder("orders").quota(Quota::per_second(1_000_000))
}

fn request() -> Request<Body> {
    Request::new(Body::empty())
}

/// Counts the allocations of a hundred calls, each made by `request`, behind what `layer` makes.
///
/// The response has room for headers, as those of real services have some.
async fn counted<L, S>(layer: L, request: impl Fn() -> Request<Body>) -> u64
where
    L: Fn(fn() -> Response<Body>) -> S,
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError>,
{
    let mut service = layer(|| {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = HeaderMap::with_capacity(8);
        response
    });
    // Those of the request and the response themselves are none of ours.
    let room = allocations(|| ready(HeaderMap::<http::HeaderValue>::with_capacity(8))).await;
    let made = allocations(|| ready(request())).await;
    allocations(|| service.call(black_box(request()))).await - room - made
}

/// What a hundred requests cost behind one limit for all.
async fn plain(headers: RateLimitHeaders) -> u64 {
    let layer = plenty().build().unwrap().http_layer().headers(headers);
    let inner = |answer: fn() -> _| service_fn(move |_: Request<Body>| ready(Ok::<_, Infallible>(answer())));
    counted(|answer| layer.layer(inner(answer)), request).await
}

/// What a hundred requests cost behind a limit for each client.
async fn keyed(headers: RateLimitHeaders) -> u64 {
    let limit = plenty().build_keyed(100, AtCapacity::Forget).unwrap();
    let layer = limit.http_layer(ClientIp::x_forwarded_for(2)).headers(headers);
    let inner = |answer: fn() -> _| service_fn(move |_: Request<Body>| ready(Ok::<_, Infallible>(answer())));
    let request = || {
        let mut request = request();
        let told = http::HeaderValue::from_static("192.0.2.1, 10.0.0.1");
        request.headers_mut().insert("x-forwarded-for", told);
        request
            .extensions_mut()
            .insert(PeerAddr(SocketAddr::from(([10, 0, 0, 9], 4711))));
        request
    };
    counted(|answer| layer.layer(inner(answer)), request).await
}

#[tokio::test(flavor = "current_thread")]
async fn an_admitted_request_that_is_told_nothing_costs_no_allocation() {
    assert_eq!(plain(RateLimitHeaders::Off).await, 0);
    assert_eq!(keyed(RateLimitHeaders::Off).await, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_left_costs_one_allocation_in_draft_11() {
    assert_eq!(plain(RateLimitHeaders::Draft11).await, 100);
    assert_eq!(keyed(RateLimitHeaders::Draft11).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_refusal_costs_its_box() {
    let limit = RateLimit::builder("orders")
        .quota(Quota::per(1, Duration::from_secs(3600)))
        .build()
        .unwrap();
    limit.check(1).unwrap();
    let never = service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
    let mut service = limit.http_layer().layer(never);
    assert_eq!(allocations(|| service.call(request())).await, 100);
}
