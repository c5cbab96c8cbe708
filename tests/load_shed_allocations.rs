//! A call that is let in allocates nothing. In a binary of its own, as it counts for the whole process.

mod alloc_support;

use std::convert::Infallible;
use std::hint::black_box;
use std::io;

use alloc_support::allocations;
use bytes::Bytes;
use http::{Request, Response};
use seaworthy::Body;
use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::criticality::Criticality;
use seaworthy::load_shed::LoadShed;
use seaworthy::web::{CriticalityLayer, SendCriticalityLayer, X_CRITICALITY};
use tower::{Layer, Service, ServiceBuilder, service_fn};

/// Under a little pressure of each kind.
fn shed() -> LoadShed {
    let limit = AdaptiveLimit::builder("orders").build().unwrap();
    let shed = LoadShed::builder("orders").signal("limit", limit);
    shed.signal("backlog", || 0.1).build().unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn a_call_that_is_let_in_costs_no_allocation() {
    let shed = shed();
    let mut service = shed
        .layer()
        .layer(service_fn(async |n: u64| Ok::<_, Infallible>(n + 1)));
    let at_once = allocations(|| service.call(black_box(1))).await;
    let mut service = shed.layer().layer(service_fn(async |n: u64| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(n + 1)
    }));
    let pending_once = allocations(|| service.call(black_box(1))).await;
    let mut service = shed.layer().layer(NotYet::default());
    let unready_once = allocations(|| service.call(())).await;
    let guarded = allocations(|| shed.call(async || Ok::<_, Infallible>(1))).await;
    let scoped = allocations(|| Criticality::Sheddable.scope(shed.call(async || Ok::<_, Infallible>(1)))).await;
    assert_eq!([at_once, pending_once, unready_once, guarded, scoped], [0; 5]);
}

/// Is ready when it is asked for the second time.
#[derive(Clone, Default)]
struct NotYet(bool);

impl Service<()> for NotYet {
    type Response = ();
    type Error = Infallible;
    type Future = std::future::Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        if std::mem::replace(&mut self.0, true) {
            return std::task::Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.0 = false;
        std::future::ready(Ok(()))
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_refusal_costs_its_box_through_the_layer_and_nothing_through_call() {
    let full = LoadShed::builder("orders").signal("full", || 1.0).build().unwrap();
    let mut service = full
        .layer()
        .layer(service_fn(async |n: u64| Ok::<_, Infallible>(n + 1)));
    assert_eq!(allocations(|| service.call(black_box(1))).await, 100);
    assert_eq!(allocations(|| full.call(async || Ok::<_, io::Error>(1))).await, 0);
}

#[tokio::test(flavor = "current_thread")]
async fn telling_a_class_over_http_costs_no_allocation() {
    let shed = shed();
    let bare = || service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::from("ahoy"))));
    let mut inbound = ServiceBuilder::new()
        .layer(CriticalityLayer::default().trust_callers(true))
        .layer(shed.http_layer())
        .service(bare());
    let request = || {
        let mut request = Request::new(Body::from(Bytes::from_static(b"ahoy")));
        let extensions = request.extensions_mut();
        extensions.insert(Criticality::Critical);
        let headers = request.headers_mut();
        headers.insert(X_CRITICALITY, http::HeaderValue::from_static("critical"));
        request
    };
    let mut alone = bare();
    let without = allocations(|| alone.call(request())).await;
    assert_eq!(allocations(|| inbound.call(request())).await, without);
    let mut outbound = SendCriticalityLayer.layer(bare());
    assert_eq!(allocations(|| outbound.call(request())).await, without);
}
