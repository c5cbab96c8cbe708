//! Injected faults over HTTP.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use seaworthy::Body;
use seaworthy::breaker::{CircuitBreaker, Window};
use seaworthy::chaos::{Chaos, InjectedFault, Latency};
use seaworthy::deadline::Deadline;
use seaworthy::inventory::Describe;
use tokio::time::Instant;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

fn disconnecting() -> Chaos {
    let chaos = Chaos::builder("payments").enabled(true).disconnect_share(1.0);
    chaos.build().unwrap()
}

async fn answer(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("all of it")))
}

#[tokio::test]
async fn the_head_comes_and_the_body_breaks_off() {
    let client = disconnecting().http_layer().layer(service_fn(answer));
    let response = client.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = response.into_body();
    let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(piece, "all ");
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(
        error.downcast_ref::<io::Error>().unwrap().kind(),
        io::ErrorKind::ConnectionReset
    );
    assert!(InjectedFault::find(error.as_ref()).unwrap().is_disconnect());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_empty_body_breaks_off_too() {
    let empty = async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty()));
    let client = disconnecting().http_layer().layer(service_fn(empty));
    let response = client.oneshot(Request::new(Body::empty())).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn what_has_no_body_does_not_come() {
    let cases = [
        ("HEAD", 200, "9"),
        ("GET", 204, "9"),
        ("GET", 304, "9"),
        ("GET", 200, "0"),
    ];
    for (method, status, length) in cases {
        let head = move || Response::builder().status(status).header("content-length", length);
        let inside = service_fn(move |_: Request<Body>| ready(head().body(Body::empty())));
        let client = disconnecting().http_layer().layer(inside);
        let request = Request::builder().method(method).body(Body::empty()).unwrap();
        let error = client.oneshot(request).await.unwrap_err();
        assert!(
            InjectedFault::find(error.as_ref()).unwrap().is_disconnect(),
            "{method} {status}"
        );
    }
}

#[tokio::test]
async fn a_breaker_outside_takes_a_broken_body_for_a_failure() {
    let breaker = CircuitBreaker::builder("payments").window(Window::Consecutive(1));
    let breaker = breaker.build().unwrap();
    let client = ServiceBuilder::new()
        .layer(breaker.http_layer())
        .layer(disconnecting().http_layer())
        .service(service_fn(answer));
    let response = client.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(breaker.describe().state, "closed");
    response.into_body().collect().await.unwrap_err();
    assert_eq!(breaker.describe().state, "open");
}

#[tokio::test(start_paused = true)]
async fn a_latency_does_not_outlive_a_deadline_that_came_with_the_request() {
    let late = Chaos::builder("payments").enabled(true);
    let late = late
        .latency(1.0, Latency::fixed(Duration::from_secs(10)))
        .build()
        .unwrap();
    let limit = Duration::from_millis(50);
    let mut request = Request::new(Body::empty());
    request.extensions_mut().insert(Deadline::after(limit));
    let start = Instant::now();
    let client = late.http_layer().layer(service_fn(answer));
    client.oneshot(request).await.unwrap();
    assert_eq!(start.elapsed(), limit);
}

#[tokio::test]
async fn an_error_is_no_response() {
    let chaos = Chaos::builder("payments")
        .enabled(true)
        .error_share(1.0)
        .build()
        .unwrap();
    let client = chaos.http_layer().layer(service_fn(answer));
    let error = client.oneshot(Request::new(Body::empty())).await.unwrap_err();
    assert!(InjectedFault::find(error.as_ref()).is_some());
}

#[tokio::test]
async fn a_peer_on_a_connection_gets_the_head_and_half_of_the_body() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let (mut peer, ours) = tokio::io::duplex(4096);
    let service = disconnecting().http_layer().layer(service_fn(answer));
    let service =
        service_fn(move |request: Request<hyper::body::Incoming>| service.clone().oneshot(request.map(Body::new)));
    let served = tokio::spawn(async move {
        hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
            .serve_connection(
                TokioIo::new(ours),
                hyper_util::service::TowerToHyperService::new(service),
            )
            .await
            .map_err(|error| error.to_string())
    });
    peer.write_all(b"GET / HTTP/1.1\r\nhost: orders\r\n\r\n").await.unwrap();
    let mut wire = String::new();
    peer.read_to_string(&mut wire).await.unwrap();
    assert!(wire.starts_with("HTTP/1.1 200 OK"), "{wire}");
    assert!(
        wire.contains("content-length: 9") && wire.ends_with("\r\n\r\nall "),
        "{wire}"
    );
    served.await.unwrap().unwrap_err();
}
