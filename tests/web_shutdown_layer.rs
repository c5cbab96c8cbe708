//! The gate of the drain: what counts as in flight, and what clients are told.

#![cfg(feature = "http")]

use std::convert::Infallible;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use seaworthy::shutdown::{Cause, Draining, Shutdown};
use seaworthy::web::ShutdownLayer;
use seaworthy::{Body, BoxError};
use tokio::runtime::Handle;
use tower::{Layer, Service, ServiceExt, service_fn};

mod web_support;
use web_support::{PanicsInCall, Step, Unready, dropped_at_every_poll, one_at_a_time, poll_once, request, script};

fn shutdown() -> Shutdown {
    Shutdown::builder().hold(Duration::ZERO).build().unwrap()
}

/// A shutdown that is draining, and stays so while the returned value lives.
async fn draining() -> (Shutdown, impl Sized) {
    let shutdown = shutdown();
    let request = shutdown.enter();
    shutdown.begin(Cause::Requested);
    let driven = shutdown.clone();
    tokio::spawn(async move { driven.drive(&Handle::current()).await });
    shutdown.closing().await;
    (shutdown, request)
}

async fn streams(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let steps = [Step::Data("a"), Step::Yield, Step::Data("b")];
    Ok(Response::new(Body::new(script(steps))))
}

#[tokio::test]
async fn a_request_is_in_flight_until_its_responses_body_has_ended() {
    let shutdown = shutdown();
    let mut service = ShutdownLayer::new(&shutdown).layer(service_fn(streams));
    let call = service.ready().await.unwrap().call(request());
    assert_eq!(shutdown.in_flight(), 1, "from the call on");
    let mut body = call.await.unwrap().into_body();
    assert_eq!(shutdown.in_flight(), 1, "the body is still to come");
    while body.frame().await.is_some() {
        assert_eq!(shutdown.in_flight(), 1);
    }
    assert_eq!(shutdown.in_flight(), 0, "at the body's end, not when that is dropped");
}

#[tokio::test]
async fn a_body_that_is_dropped_or_breaks_ends_its_request() {
    let shutdown = shutdown();
    let layer = ShutdownLayer::new(&shutdown);
    let response = layer.layer(service_fn(streams)).oneshot(request()).await.unwrap();
    drop(response);
    assert_eq!(shutdown.in_flight(), 0);

    let breaks = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(script([Step::Fail]))) });
    let mut body = layer.layer(breaks).oneshot(request()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap_err();
    assert_eq!(shutdown.in_flight(), 0);

    let whole = service_fn(|_: Request<Body>| async { Ok::<_, Infallible>(Response::new(Body::from("whole"))) });
    let response = layer.layer(whole).oneshot(request()).await.unwrap();
    assert_eq!(shutdown.in_flight(), 1, "a whole body is still to be sent");
    drop(response);
    assert_eq!(shutdown.in_flight(), 0);
}

#[tokio::test]
async fn errors_and_panics_end_a_request() {
    let shutdown = shutdown();
    let layer = ShutdownLayer::new(&shutdown);
    let fails = service_fn(|_: Request<Body>| async { Err::<Response<Body>, BoxError>("inside".into()) });
    assert!(layer.layer(fails).oneshot(request()).await.is_err());
    assert!(layer.layer(Unready::Fails).oneshot(request()).await.is_err());
    let panics = tokio::spawn(layer.layer(PanicsInCall).oneshot(request()));
    assert!(panics.await.unwrap_err().is_panic());
    let panics = service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> { panic!("inside") });
    let panics = tokio::spawn(layer.layer(panics).oneshot(request()));
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(shutdown.in_flight(), 0);
}

#[tokio::test]
async fn a_dropped_call_gives_its_place_back_and_is_not_in_flight() {
    let shutdown = shutdown();
    let (places, inner) = one_at_a_time();
    let mut service = ShutdownLayer::new(&shutdown).layer(inner);
    let start = || {
        assert!(poll_once(std::pin::pin!(service.ready())).is_ready());
        service.call(request())
    };
    dropped_at_every_poll(start, |polls| {
        assert_eq!(
            (places.available_permits(), shutdown.in_flight()),
            (1, 0),
            "after {polls} polls"
        );
    });
}

#[tokio::test]
async fn readiness_passes_and_a_readied_clone_that_is_dropped_counts_for_nothing() {
    let shutdown = shutdown();
    let (places, inner) = one_at_a_time();
    let mut service = ShutdownLayer::new(&shutdown).layer(inner);
    service.ready().await.unwrap();
    assert!(service.clone().ready().now_or_never().is_none(), "a clone has no place");
    assert_eq!((places.available_permits(), shutdown.in_flight()), (0, 0));
    drop(service);
    assert_eq!(places.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn clones_and_layers_count_for_one_shutdown() {
    let shutdown = shutdown();
    let one = ShutdownLayer::new(&shutdown).layer(service_fn(streams));
    let other = ShutdownLayer::new(&shutdown.clone()).layer(service_fn(streams));
    let calls = [
        one.clone().call(request()),
        one.clone().call(request()),
        other.clone().call(request()),
    ];
    assert_eq!(shutdown.in_flight(), 3);
    shutdown.begin(Cause::Requested);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(calls);
    });
    let drained = shutdown.drive(&Handle::current()).await;
    assert_eq!((drained.requests_cut, drained.took), (0, Duration::from_secs(2)));
}

#[tokio::test]
async fn only_http_1_is_told_to_close_and_only_while_draining() {
    let (draining, _request) = draining().await;
    for (shutdown, version, closes) in [
        (&draining, Version::HTTP_10, true),
        (&draining, Version::HTTP_11, true),
        (&draining, Version::HTTP_2, false),
        (&shutdown(), Version::HTTP_11, false),
    ] {
        let mut request = request();
        *request.version_mut() = version;
        let service = ShutdownLayer::new(shutdown).layer(service_fn(streams));
        let response = service.oneshot(request).await.unwrap();
        let expected = closes.then(|| HeaderValue::from_static("close"));
        assert_eq!(response.headers().get(CONNECTION), expected.as_ref(), "{version:?}");
        assert_eq!(response.status(), StatusCode::OK, "nothing is refused");
    }
}

#[tokio::test]
async fn a_switch_of_protocols_keeps_its_header_while_draining() {
    let (shutdown, _request) = draining().await;
    let switches = service_fn(|_: Request<Body>| async {
        let response = Response::builder().status(101).header(CONNECTION, "upgrade");
        Ok::<_, Infallible>(response.body(Body::empty()).unwrap())
    });
    let response = ShutdownLayer::new(&shutdown)
        .layer(switches)
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(response.headers()[CONNECTION], "upgrade");
}

#[tokio::test]
async fn a_request_that_began_before_the_drain_sees_it_begin() {
    let shutdown = shutdown();
    let watches = service_fn(|request: Request<Body>| async move {
        let draining = request.extensions().get::<Draining>().unwrap();
        assert!(!draining.is_draining());
        draining.draining().await;
        Ok::<_, Infallible>(Response::new(Body::from("ended early")))
    });
    let call = tokio::spawn(ShutdownLayer::new(&shutdown).layer(watches).oneshot(request()));
    tokio::task::yield_now().await;
    assert_eq!(shutdown.in_flight(), 1);
    shutdown.begin(Cause::Requested);
    let driven = shutdown.clone();
    let driven = tokio::spawn(async move { driven.drive(&Handle::current()).await });
    let response = call.await.unwrap().unwrap();
    assert_eq!(
        response.headers()[CONNECTION],
        "close",
        "it began before, and ends while draining"
    );
    drop(response);
    assert!(driven.await.unwrap().is_whole());
}
