//! The deadline over HTTP: from the wire into the request, under its bodies, and onto the wire again.

mod web_support;

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use seaworthy::deadline::Deadline;
use seaworthy::timeout::Timeout;
use seaworthy::web::{
    GRPC_TIMEOUT, HttpTimeoutLayer, RequestLimits, SendDeadlineLayer, X_REQUEST_TIMEOUT_MS, status_of,
};
use seaworthy::{Body, BoxError, Reason, Refusal};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt, service_fn};
use web_support::{Step, script};

const MS: Duration = Duration::from_millis(1);

/// An edge of a service with a limit of a second.
fn edge() -> HttpTimeoutLayer {
    let timeout = Timeout::builder("inbound").limit(1000 * MS).body_total(1000 * MS);
    timeout.build().unwrap().http_layer().callers_deadline(true)
}

fn request(headers: &[(HeaderName, &str)]) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    for (name, value) in headers {
        let value = http::HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers_mut().append(name, value);
    }
    request
}

fn reason(error: BoxError) -> Reason {
    Refusal::find(error.as_ref()).expect("a refusal").reason()
}

/// Returns what is left by the task's deadline and by the request's, as the service sees it.
async fn seen(layer: &HttpTimeoutLayer, request: Request<Body>) -> [Option<Duration>; 2] {
    let service = layer.layer(service_fn(async |request: Request<Body>| {
        let carried = request.extensions().get::<Deadline>().copied();
        let seen = [Deadline::current(), carried].map(|deadline| deadline.map(Deadline::remaining));
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(seen);
        Ok::<_, Infallible>(response)
    }));
    let response = service.oneshot(request).await.unwrap();
    *response.extensions().get().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_shorter_of_ours_and_the_callers_holds_in_task_and_request() {
    let cases = [
        (vec![], 1000),
        (vec![(X_REQUEST_TIMEOUT_MS, "400")], 400),
        (vec![(X_REQUEST_TIMEOUT_MS, "4000")], 1000),
        (vec![(GRPC_TIMEOUT, "300m")], 300),
        (vec![(GRPC_TIMEOUT, "2S"), (X_REQUEST_TIMEOUT_MS, "200")], 200),
    ];
    for (headers, expected) in cases {
        let expected = Some(Duration::from_millis(expected));
        assert_eq!(seen(&edge(), request(&headers)).await, [expected; 2], "{headers:?}");
    }
    let mut carried = request(&[(X_REQUEST_TIMEOUT_MS, "400")]);
    carried.extensions_mut().insert(Deadline::after(150 * MS));
    assert_eq!(seen(&edge(), carried).await, [Some(150 * MS); 2]);
}

#[tokio::test(start_paused = true)]
async fn a_hostile_header_never_fails_a_request_and_never_makes_its_time_longer() {
    let long = "9".repeat(5000);
    for hostile in [
        "",
        "0",
        "-1",
        "NaN",
        "1e9",
        "é",
        "99999999999999999999",
        &long,
        "\u{7f}".trim(),
    ] {
        if http::HeaderValue::from_bytes(hostile.as_bytes()).is_err() {
            continue;
        }
        for name in [X_REQUEST_TIMEOUT_MS, GRPC_TIMEOUT] {
            let seen = seen(&edge(), request(&[(name.clone(), hostile)])).await;
            assert_eq!(seen, [Some(1000 * MS); 2], "{name}: {hostile}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_being_told_to_a_layer_takes_no_callers_word() {
    let timeout = Timeout::builder("outbound").limit(1000 * MS).build().unwrap();
    let seen = seen(&timeout.http_layer(), request(&[(X_REQUEST_TIMEOUT_MS, "1")])).await;
    assert_eq!(seen, [Some(1000 * MS), None]);
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_ends_the_request_and_says_so() {
    let hung = edge().layer(service_fn(|_: Request<Body>| {
        pending::<Result<Response<Body>, Infallible>>()
    }));
    let start = Instant::now();
    let ended = hung.clone().oneshot(request(&[(X_REQUEST_TIMEOUT_MS, "400")])).await;
    let error = ended.unwrap_err();
    assert_eq!(start.elapsed(), 400 * MS);
    assert_eq!(status_of(Refusal::find(error.as_ref()).unwrap()), 504);
    assert_eq!(reason(error), Reason::DeadlinePassed);
    let mut late = request(&[]);
    late.extensions_mut().insert(Deadline::after(10 * MS));
    advance(10 * MS).await;
    let start = Instant::now();
    assert_eq!(reason(hung.oneshot(late).await.unwrap_err()), Reason::DeadlinePassed);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

fn trickle() -> impl http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static {
    StreamBody::new(stream::unfold((), |()| async {
        sleep(30 * MS).await;
        let left = Deadline::current().map(|deadline| deadline.remaining().as_millis().to_string());
        let left = left.unwrap_or_else(|| "none".to_owned()) + " ";
        Some((Ok::<_, BoxError>(Frame::data(Bytes::from(left))), ()))
    }))
}

async fn read_all(mut body: Body) -> (String, Option<BoxError>) {
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap(),
            Err(error) => return (text, Some(error)),
        }
    }
    (text, None)
}

#[tokio::test(start_paused = true)]
async fn a_body_is_polled_under_its_requests_deadline_and_ends_with_it() {
    let service = edge().layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::new(trickle())))
    }));
    let start = Instant::now();
    let response = service
        .clone()
        .oneshot(request(&[(X_REQUEST_TIMEOUT_MS, "100")]))
        .await
        .unwrap();
    let (text, error) = tokio::spawn(read_all(response.into_body())).await.unwrap();
    assert_eq!((text.as_str(), start.elapsed()), ("70 40 10 ", 100 * MS));
    assert_eq!(reason(error.unwrap()), Reason::DeadlinePassed);

    let mut streamed = request(&[(X_REQUEST_TIMEOUT_MS, "100")]);
    streamed.extensions_mut().insert({
        let mut limits = RequestLimits::default();
        limits.stream = true;
        limits
    });
    let response = service.oneshot(streamed).await.unwrap();
    let (text, error) = read_for(400 * MS, response.into_body()).await;
    assert!(
        text.starts_with("none none ") && error.is_none(),
        "a stream's deadline ends with its head: {text}"
    );
}

async fn read_for(time: Duration, mut body: Body) -> (String, Option<BoxError>) {
    let mut text = String::new();
    let read = async {
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap(),
                Err(error) => return Some(error),
            }
        }
        None
    };
    let error = tokio::time::timeout(time, read).await.ok().flatten();
    (text, error)
}

#[tokio::test(start_paused = true)]
async fn a_dependencys_body_ends_with_the_callers_deadline() {
    let timeout = Timeout::builder("payments").limit(1000 * MS).build().unwrap();
    let client = timeout.http_layer().layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::new(script([Step::Data("a"), Step::Hang]))))
    }));
    let start = Instant::now();
    let called = Deadline::after(100 * MS).scope(async {
        let response = client.oneshot(request(&[])).await.unwrap();
        read_all(response.into_body()).await
    });
    let (text, error) = called.await;
    assert_eq!((text.as_str(), start.elapsed()), ("a", 100 * MS));
    assert_eq!(reason(error.unwrap()), Reason::DeadlinePassed);
}

#[tokio::test(start_paused = true)]
async fn a_request_body_that_is_slower_than_the_callers_own_deadline_is_given_up() {
    let service = edge().layer(service_fn(async |request: Request<Body>| {
        let read = request.into_body().collect().await;
        Ok::<_, Infallible>(Response::new(Body::from(format!("{:?}", read.is_ok()))))
    }));
    let mut slow = Request::new(Body::new(script([Step::Data("a"), Step::Hang])));
    slow.headers_mut().insert(X_REQUEST_TIMEOUT_MS, "100".parse().unwrap());
    let start = Instant::now();
    let error = service.oneshot(slow).await.unwrap_err();
    assert_eq!((reason(error), start.elapsed()), (Reason::DeadlinePassed, 100 * MS));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_goes_on_over_the_wire() {
    let sent = |request: Request<Body>| async {
        let client = SendDeadlineLayer::new().layer(service_fn(async |request: Request<Body>| {
            Ok::<_, Infallible>(request.headers().clone())
        }));
        client.oneshot(request).await.unwrap()
    };
    assert!(sent(request(&[])).await.is_empty(), "there is no deadline to tell of");

    let deadline = Deadline::after(500 * MS);
    advance(120 * MS).await;
    let stale = request(&[(X_REQUEST_TIMEOUT_MS, "9000"), (GRPC_TIMEOUT, "1n")]);
    let headers = deadline.scope(sent(stale)).await;
    assert!(!headers.contains_key(GRPC_TIMEOUT));
    assert_eq!(
        headers.get_all(X_REQUEST_TIMEOUT_MS).iter().collect::<Vec<_>>(),
        ["380"]
    );

    let mut carried = request(&[(http::header::CONTENT_TYPE, "application/grpc")]);
    carried.extensions_mut().insert(Deadline::after(200 * MS));
    let headers = deadline.scope(sent(carried)).await;
    assert_eq!(headers[GRPC_TIMEOUT], "200000u");
    assert!(!headers.contains_key(X_REQUEST_TIMEOUT_MS));
}

#[tokio::test(start_paused = true)]
async fn a_grpc_stream_keeps_its_own_timeout_as_that_of_the_head_would_end_it() {
    let client = SendDeadlineLayer::new().layer(service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(request.headers().clone())
    }));
    let mut limits = RequestLimits::default();
    limits.stream = true;
    let deadline = Deadline::after(500 * MS);
    for (content, grpc, millis) in [
        ("application/grpc+proto", Some("10M"), None),
        ("text/event-stream", None, Some("500")),
    ] {
        let mut request = request(&[(http::header::CONTENT_TYPE, content), (GRPC_TIMEOUT, "10M")]);
        request.extensions_mut().insert(limits.clone());
        let headers = deadline.scope(client.clone().oneshot(request)).await.unwrap();
        let told = |name| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(
            (told(GRPC_TIMEOUT), told(X_REQUEST_TIMEOUT_MS)),
            (grpc, millis),
            "{content}"
        );
    }
}
