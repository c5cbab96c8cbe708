//! The bulkhead's HTTP face: how long a call keeps its place, and what a refusal looks like outside.

mod web_support;

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use seaworthy::Body;
use seaworthy::bulkhead::{Bulkhead, PartitionedBulkhead};
use seaworthy::inventory::Describe;
use seaworthy::web::ErrorBoundaryLayer;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use web_support::{Step, script};

fn bulkhead() -> Bulkhead {
    Bulkhead::builder("inbound").concurrent(1).queue(0).build().unwrap()
}

fn request() -> Request<Body> {
    Request::new(Body::empty())
}

fn cancelled(bulkhead: &Bulkhead) -> u64 {
    let entry = bulkhead.describe();
    entry.counters.iter().find(|(key, _)| *key == "cancelled").unwrap().1
}

/// Polls a future that must be ready.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready at once"),
    }
}

/// The body of one exchange.
fn exchange(bulkhead: &Bulkhead, steps: &[Step]) -> Body {
    let mut response = Some(Response::new(Body::new(script(steps.to_vec()))));
    let inner = service_fn(move |_: Request<Body>| ready(Ok::<_, Infallible>(response.take().unwrap())));
    now(bulkhead.http_layer().layer(inner).oneshot(request()))
        .unwrap()
        .into_body()
}

#[test]
fn a_call_keeps_its_place_until_its_body_has_ended() {
    let bulkhead = bulkhead();
    let mut body = exchange(&bulkhead, &[Step::Data("a"), Step::Data("b")]);
    assert_eq!(bulkhead.snapshot().in_flight, 1);
    now(body.frame()).unwrap().unwrap();
    assert_eq!(bulkhead.snapshot().in_flight, 1);
    while now(body.frame()).is_some() {}
    assert_eq!((bulkhead.snapshot().in_flight, cancelled(&bulkhead)), (0, 0));
    let broken = exchange(&bulkhead, &[Step::Data("a"), Step::Fail]);
    now(broken.collect()).unwrap_err();
    assert_eq!((bulkhead.snapshot().in_flight, cancelled(&bulkhead)), (0, 0));
}

#[test]
fn a_body_that_is_dropped_gives_the_place_back() {
    let bulkhead = bulkhead();
    drop(exchange(&bulkhead, &[Step::Data("unread")]));
    assert_eq!((bulkhead.snapshot().in_flight, cancelled(&bulkhead)), (0, 0));
    let mut body = exchange(&bulkhead, &[Step::Hang]);
    assert!(
        Pin::new(&mut body.frame())
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(body);
    assert_eq!((bulkhead.snapshot().in_flight, cancelled(&bulkhead)), (0, 1));
}

#[test]
fn a_whole_body_keeps_no_place() {
    let bulkhead = bulkhead();
    let inner = service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::from("whole")))));
    let response = now(bulkhead.http_layer().layer(inner).oneshot(request())).unwrap();
    assert_eq!(bulkhead.snapshot().in_flight, 0);
    drop(response);
}

#[test]
fn a_refusal_is_a_problem_of_status_503() {
    let bulkhead = bulkhead();
    let _body = exchange(&bulkhead, &[Step::Hang]);
    let inner = service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
    let service = ServiceBuilder::new()
        .layer(ErrorBoundaryLayer::new())
        .layer(bulkhead.http_layer())
        .service(inner);
    let response = now(service.oneshot(request())).unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
}

#[test]
fn a_key_keeps_its_place_until_the_body_has_ended() {
    let tenants = Bulkhead::builder("tenants")
        .concurrent(1)
        .queue(0)
        .build_keyed(10)
        .unwrap();
    let inner = service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(script([Step::Hang])))));
    let of_path = |request: &Request<Body>| request.uri().path().to_owned();
    let service = tenants.http_layer(of_path).layer(inner);
    let body = now(service.clone().oneshot(request())).unwrap();
    assert!(now(service.clone().oneshot(request())).is_err());
    drop(body);
    assert!(now(service.oneshot(request())).is_ok());
}

#[test]
fn a_partition_keeps_its_place_until_the_body_has_ended() {
    let bulkhead = PartitionedBulkhead::builder("inbound")
        .partition("orders", |config| (config.concurrent, config.queue) = (1, 0))
        .partition("rest", |config| (config.concurrent, config.queue) = (1, 0))
        .build()
        .unwrap();
    let inner = service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(script([Step::Hang])))));
    let of_path = |request: &Request<Body>| {
        if request.uri().path() == "/orders" {
            "orders"
        } else {
            "rest"
        }
    };
    let service = bulkhead.http_layer(of_path).layer(inner);
    let order = || Request::builder().uri("/orders").body(Body::empty()).unwrap();
    let body = now(service.clone().oneshot(order())).unwrap();
    assert!(now(service.clone().oneshot(order())).is_err());
    let rest = now(service.clone().oneshot(request())).unwrap();
    drop(body);
    assert!(now(service.oneshot(order())).is_ok());
    drop(rest);
}
