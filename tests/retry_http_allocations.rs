//! A request that succeeds at once allocates nothing for the attempts that it does not need. In a binary of its own, as
//! it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;

use alloc_support::{allocations, kept_by_this_thread};
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};
use http_body_util::BodyExt;
use seaworthy::replay::Replay;
use seaworthy::retry::Retry;
use seaworthy::web::HttpReplay;
use seaworthy::{Body, BoxError};
use tower::{Layer, Service, service_fn};

/// What a hundred requests through a retry allocate beyond those that are only sent.
async fn added(make: impl Fn() -> Request<Body>) -> u64 {
    let mut inner = service_fn(async |request: Request<Body>| {
        // `collect` would keep the pieces in a list, which allocates.
        let mut body = request.into_body();
        while body.frame().await.is_some() {}
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let retry = Retry::builder("payments").build().unwrap();
    let mut service = retry.http_layer().layer(inner);
    let bare = allocations(|| inner.call(make())).await;
    allocations(|| service.call(make())).await - bare
}

#[tokio::test(flavor = "current_thread")]
async fn the_counter_counts() {
    assert_eq!(allocations(async || Box::new(1)).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_request_without_headers_costs_no_allocation() {
    assert_eq!(added(Request::default).await, 0);
    assert_eq!(
        added(|| Request::put("/").body(Body::from("an order")).unwrap()).await,
        0
    );
    assert_eq!(
        added(|| Request::post("/").body(Body::from("an order")).unwrap()).await,
        0
    );
}

#[tokio::test(flavor = "current_thread")]
async fn headers_cost_the_copy_of_their_map_and_a_body_with_one_owner_its_second() {
    let headers = || {
        let mut request = Request::default();
        let names = ["accept", "user-agent", "host"].map(HeaderName::from_static);
        for name in names {
            request.headers_mut().insert(name, HeaderValue::from_static("a"));
        }
        request
    };
    // The map's two tables.
    assert_eq!(added(headers).await, 200);
    // A value with one owner becomes one with two.
    let owned = || {
        let mut request = Request::default();
        request.headers_mut().insert("host", "localhost".parse().unwrap());
        request
    };
    assert_eq!(added(owned).await, 300);
    let body = || Request::put("/").body(Body::from(vec![7; 100])).unwrap();
    assert_eq!(added(body).await, 100);
}

#[tokio::test(flavor = "current_thread")]
async fn a_body_that_streams_costs_its_tape() {
    let streamed = || {
        let body = http_body_util::Full::new(Bytes::from_static(b"an order"));
        Request::put("/").body(Body::new(body)).unwrap()
    };
    // What all attempts share, this one's body, and what it records.
    assert_eq!(added(streamed).await, 300);
}

/// How much more is in memory after a body of 32 pieces of 1 KiB has gone by, of which `limit` bytes may be recorded;
/// what is kept of the request is dropped before that, if there is to be no further attempt.
async fn recorded(limit: u64, is_last: bool) -> isize {
    let pieces = futures_util::stream::iter((0..32).map(|_| Ok::<_, BoxError>(http_body::Frame::data(PIECE))));
    let request = Request::put("/").body(Body::new(http_body_util::StreamBody::new(pieces)));
    let (sent, kept) = HttpReplay::default().body_limit(limit).begin(request.unwrap());
    let kept = kept.filter(|_| !is_last);
    let mut body = sent.into_body();
    let before = kept_by_this_thread();
    for _ in 0..32 {
        body.frame().await.unwrap().unwrap();
    }
    let recorded = kept_by_this_thread() - before;
    drop(kept);
    recorded
}

const PIECE: Bytes = Bytes::from_static(&[7; 1024]);

#[tokio::test(flavor = "current_thread")]
async fn nothing_is_recorded_in_vain() {
    assert!(recorded(65_536, false).await >= 32 * 1024);
    assert_eq!(recorded(31 * 1024, false).await, 0, "what is too long is freed at once");
    assert_eq!(recorded(65_536, true).await, 0, "nobody will ask for it");
}
