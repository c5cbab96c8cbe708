//! What the probes in front cost a request that is none: no allocation.

#![cfg(feature = "http")]

mod alloc_support;

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use alloc_support::of_this_thread;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use seaworthy::health::Health;
use seaworthy::web::HealthLayer;
use tower::{Layer, Service};

#[derive(Clone)]
struct Echo;

impl Service<Request<()>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Full::default())))
    }
}

/// Counts the allocations of one call, from the request's arrival to the response.
fn allocations<S: Service<Request<()>, Error = Infallible>>(service: &mut S, uri: &'static str) -> u64 {
    let request = Request::get(uri).body(()).expect("a request");
    let mut context = Context::from_waker(Waker::noop());
    let before = of_this_thread();
    assert!(service.poll_ready(&mut context).is_ready());
    assert!(pin!(service.call(request)).poll(&mut context).is_ready());
    of_this_thread() - before
}

#[test]
fn a_request_that_is_no_probe_allocates_nothing() {
    let mut service = HealthLayer::new(Health::new()).layer(Echo);
    for uri in ["/", "/orders/1?verbose", "/livezz", "/readyz-not", "/healthy"] {
        assert_eq!(allocations(&mut Echo, uri), 0);
        assert_eq!(allocations(&mut service, uri), 0, "{uri}");
    }
    assert!(allocations(&mut service, "/livez") > 0, "the count sees nothing at all");
}
