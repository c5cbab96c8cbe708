//! The hedge's HTTP face, on tokio's paused time.

mod web_support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use seaworthy::Body;
use seaworthy::attempt::Attempt;
use seaworthy::hedge::Hedge;
use seaworthy::inventory::Describe;
use seaworthy::retry::{Backoff, Retry};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};
use web_support::{Step, script};

const MS: Duration = Duration::from_millis(1);

fn hedge() -> Hedge {
    Hedge::builder("accounts").after(10 * MS).build().unwrap()
}

fn counter(hedge: &Hedge, name: &str) -> u64 {
    let entry = hedge.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Sends `request` to a service that reads the body and answers its attempts after these times, with these statuses.
async fn exchange(hedge: &Hedge, request: Request<Body>, attempts: [(u64, u16); 2]) -> (StatusCode, Duration, Seen) {
    let seen = Seen::default();
    let noted = seen.clone();
    let service = hedge.http_layer().layer(service_fn(move |request: Request<Body>| {
        let seen = noted.clone();
        async move {
            let number = request.headers().get("x-request-attempt").cloned();
            let number = number.map(|number| number.to_str().unwrap().to_owned());
            let (wait, status) = attempts[usize::from(number.is_some())];
            let body = request.into_body().collect().await.unwrap().to_bytes();
            seen.lock()
                .unwrap()
                .push((String::from_utf8_lossy(&body).into_owned(), number));
            sleep(Duration::from_millis(wait)).await;
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            Ok::<_, Infallible>(response)
        }
    }));
    let start = Instant::now();
    let response = service.oneshot(request).await.unwrap();
    (response.status(), start.elapsed(), seen)
}

fn request(method: Method, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    request
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_asked_for_again_with_the_whole_request() {
    let hedge = hedge();
    let sent = request(Method::PUT, Body::from("cargo"));
    let (status, took, seen) = exchange(&hedge, sent, [(5000, 200), (20, 201)]).await;
    assert_eq!((status.as_u16(), took), (201, 30 * MS));
    let expected = [("cargo".to_owned(), None), ("cargo".to_owned(), Some("2".to_owned()))];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(counter(&hedge, "won"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_inside_a_retry_counts_on_and_believes_nobody_else() {
    let retry = Retry::builder("accounts")
        .backoff(Backoff::constant(MS))
        .build()
        .unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let failing = service_fn(move |request: Request<Body>| {
        let number = request.headers().get("x-request-attempt").cloned();
        let number = number.map(|number| number.to_str().unwrap().to_owned());
        let carried = request
            .extensions()
            .get::<Attempt>()
            .map(|attempt| attempt.number().to_string());
        noted.lock().unwrap().push((carried.unwrap_or_default(), number));
        std::future::ready(Err::<Response<Body>, _>(std::io::Error::other("down")))
    });
    let service = retry.http_layer().layer(hedge().http_layer().layer(failing));
    let mut spoofed = request(Method::GET, Body::empty());
    spoofed.headers_mut().insert("x-request-attempt", "7".parse().unwrap());
    spoofed
        .headers_mut()
        .insert("grpc-previous-rpc-attempts", "9".parse().unwrap());
    service.oneshot(spoofed).await.unwrap_err();
    let of = |number: &str| (number.to_owned(), Some(number.to_owned()));
    assert_eq!(*seen.lock().unwrap(), [(String::new(), None), of("2"), of("3")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_proven_to_be_idempotent_is_asked_once() {
    let hedge = hedge();
    let (status, took, _) = exchange(&hedge, request(Method::POST, Body::empty()), [(100, 200), (0, 201)]).await;
    assert_eq!((status.as_u16(), took), (200, 100 * MS));
    let mut keyed = request(Method::POST, Body::empty());
    keyed.headers_mut().insert("idempotency-key", "\"7\"".parse().unwrap());
    let (status, ..) = exchange(&hedge, keyed, [(100, 200), (0, 201)]).await;
    assert_eq!(status, 201);
    assert_eq!([counter(&hedge, "unrepeatable"), counter(&hedge, "hedged")], [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_bad_status_loses_against_an_attempt_that_is_under_way() {
    let hedge = hedge();
    let (status, took, _) = exchange(&hedge, request(Method::GET, Body::empty()), [(100, 200), (20, 503)]).await;
    assert_eq!((status.as_u16(), took), (200, 100 * MS));
    let (status, took, _) = exchange(&hedge, request(Method::GET, Body::empty()), [(20, 503), (100, 200)]).await;
    assert_eq!((status.as_u16(), took), (200, 110 * MS));
    assert_eq!([counter(&hedge, "lost"), counter(&hedge, "won")], [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_still_flows_is_not_sent_twice_and_one_that_has_been_read_is() {
    let hedge = hedge();
    let read = request(Method::PUT, Body::new(script([Step::Data("car"), Step::Data("go")])));
    let (status, _, seen) = exchange(&hedge, read, [(100, 200), (0, 201)]).await;
    assert_eq!(status, 201);
    assert_eq!(seen.lock().unwrap()[1].0, "cargo");

    let service = hedge.http_layer().layer(service_fn(|request: Request<Body>| async {
        let answered = tokio::time::timeout(50 * MS, request.into_body().collect()).await;
        assert!(answered.is_err(), "the body never ends");
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let flowing = request(Method::PUT, Body::new(script([Step::Data("car"), Step::Hang])));
    service.oneshot(flowing).await.unwrap();
    assert_eq!([counter(&hedge, "unrepeatable"), counter(&hedge, "hedged")], [1, 1]);
}
