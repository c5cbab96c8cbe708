//! The retry of gRPC calls: declared methods, the status in the head, pushback, and the header of gRFC A6.

mod web_support;

use std::time::Duration;

use http::{Request, Response};
use seaworthy::grpc::{Code, GrpcReplay, IdempotentMethods, RetryByGrpcStatus};
use seaworthy::retry::Retry;
use seaworthy::{Body, BoxError};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use web_support::retry::{answering, eager, status};
use web_support::{Step, script};

const GET: &str = "/bank.Ledger/GetBalance";

fn methods() -> IdempotentMethods {
    IdempotentMethods::new([GET, "/bank.Rates/*"]).unwrap()
}

fn call(path: &str) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/grpc");
    request.body(Body::new(script([Step::Data("message")]))).unwrap()
}

/// A response whose head alone ends the call with that status.
fn ended(code: &str) -> Response<Body> {
    Response::builder()
        .header("grpc-status", code)
        .body(Body::empty())
        .unwrap()
}

fn recovers(attempt: usize) -> Response<Body> {
    ended(if attempt == 1 { "14" } else { "0" })
}

async fn send<S>(retry: &Retry, service: S, request: Request<Body>) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError> + Clone,
{
    let layer = retry.grpc_layer(methods());
    layer.layer(service).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn only_methods_that_are_declared_are_tried_again() {
    let retry = eager().build().unwrap();
    for (path, attempts) in [
        (GET, 2),
        ("/bank.Rates/List", 2),
        ("/bank.Ledger/Append", 1),
        ("/bank.RatesX/List", 1),
    ] {
        let (seen, service) = answering(recovers);
        send(&retry, service, call(path)).await;
        assert_eq!(seen.bodies(), vec!["message"; attempts], "{path}");
    }
    let (seen, service) = answering(recovers);
    let mut keyed = call("/bank.Ledger/Append");
    keyed.headers_mut().insert("idempotency-key", "7".parse().unwrap());
    *keyed.method_mut() = http::Method::GET;
    send(&retry, service, keyed).await;
    assert_eq!(seen.attempts(), 1, "neither is a proof in gRPC");
}

#[tokio::test]
async fn unavailable_is_worth_a_further_attempt_and_other_codes_if_they_are_named() {
    let retry = eager().build().unwrap();
    let named = RetryByGrpcStatus::default().codes([Code::ResourceExhausted, Code::Aborted]);
    for code in 0..=17 {
        let (seen, service) = answering(move |_| ended(&code.to_string()));
        send(&retry, service, call(GET)).await;
        assert_eq!(seen.attempts(), if code == 14 { 3 } else { 1 }, "{code}");

        let (seen, service) = answering(move |_| ended(&code.to_string()));
        let layer = retry.grpc_layer(methods()).appraise(named);
        layer.layer(service).oneshot(call(GET)).await.unwrap();
        assert_eq!(seen.attempts(), if matches!(code, 8 | 10) { 3 } else { 1 }, "{code}");
    }
}

#[tokio::test]
async fn a_message_that_has_begun_commits_the_call() {
    let (seen, service) = answering(|_| status(200));
    send(&eager().build().unwrap(), service, call(GET)).await;
    assert_eq!(seen.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_proxy_answers_is_read_as_the_protocol_says() {
    let retry = eager().build().unwrap();
    for (code, attempts) in [(429, 3), (502, 3), (503, 3), (504, 3), (500, 1), (404, 1), (408, 1)] {
        let (seen, service) = answering(move |_| status(code));
        send(&retry, service, call(GET)).await;
        assert_eq!(seen.attempts(), attempts, "{code}");
    }
    let (seen, service) = answering(|_| {
        let mut response = ended("5");
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        response
    });
    send(&retry, service, call(GET)).await;
    assert_eq!(seen.attempts(), 1, "the status of gRPC comes before that of HTTP");

    let (seen, service) = answering(|_| {
        let mut response = status(503);
        response.headers_mut().insert("retry-after", 1.into());
        response
    });
    let start = Instant::now();
    send(&retry, service, call(GET)).await;
    assert_eq!((seen.attempts(), start.elapsed().as_secs()), (3, 2));
}

fn pushed_back(code: &'static str, pushback: &'static str) -> impl Fn(usize) -> Response<Body> + Clone + Send {
    move |attempt| {
        let mut response = ended(if attempt == 1 { code } else { "0" });
        let value = pushback.parse().unwrap();
        response.headers_mut().insert("grpc-retry-pushback-ms", value);
        response
    }
}

#[tokio::test(start_paused = true)]
async fn a_pushback_decides_when_and_whether() {
    // A backoff of an hour, which the server's word replaces.
    let backoff = seaworthy::retry::Backoff::constant(Duration::from_secs(3600))
        .cap(Duration::from_secs(3600))
        .jitter(seaworthy::retry::Jitter::None);
    let retry = eager().backoff(backoff).total(None).build().unwrap();
    for (code, pushback, attempts, millis) in [
        ("14", "0", 2, 0),
        ("14", "250", 2, 250),
        ("14", "-1", 1, 0),
        ("14", "soon", 1, 0),
        ("8", "250", 1, 0),
    ] {
        let (seen, service) = answering(pushed_back(code, pushback));
        let start = Instant::now();
        send(&retry, service, call(GET)).await;
        let waited = start.elapsed().as_millis() as u64;
        assert_eq!(seen.attempts(), attempts, "{code} {pushback}");
        assert!((millis..millis + 3).contains(&waited), "{waited} ms for {pushback}");
    }
}

#[tokio::test]
async fn the_number_of_earlier_attempts_is_on_the_wire_and_nobody_else_writes_it() {
    let (seen, service) = answering(|_| ended("14"));
    let mut request = call(GET);
    let spoofed = "7".parse().unwrap();
    request.headers_mut().insert("grpc-previous-rpc-attempts", spoofed);
    send(&eager().build().unwrap(), service, request).await;
    assert_eq!(
        seen.headers("grpc-previous-rpc-attempts"),
        [None, Some("1".to_owned()), Some("2".to_owned())]
    );
    assert_eq!(seen.headers("x-request-attempt"), [None, None, None]);
}

#[tokio::test]
async fn a_message_over_the_limit_is_sent_once() {
    let retry = eager().build().unwrap();
    for (limit, attempts) in [(6, 1), (7, 3)] {
        let (seen, service) = answering(|_| ended("14"));
        let replay = GrpcReplay::new(methods()).body_limit(limit);
        let layer = retry.grpc_layer(methods()).replay(replay);
        layer.layer(service).oneshot(call(GET)).await.unwrap();
        assert_eq!(seen.bodies(), vec!["message"; attempts], "{limit}");
    }
}
