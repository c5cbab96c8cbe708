//! Each layer that `App` wires does its part over a real socket: without its line in the stack, its test fails.

mod support;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{get as on_get, post as on_post};
use http::Method;
use hyper_util::rt::{TokioExecutor, TokioIo};
use seaworthy::context::RequestId;
use seaworthy::shutdown::Draining;
use seaworthy::{App, Body, BoxError, Endpoint};
use support::{Served, builder, get, metric, send, send_raw};
use tower::service_fn;

const MS: Duration = Duration::from_millis(1);

fn app() -> App {
    builder()
        .setting("server.deadline", "300ms")
        .setting("server.body_limit", "16")
        .endpoint(Method::GET, "/items/{id}", Endpoint::default())
        .endpoint(Method::GET, "/patient", Endpoint::default().deadline(5_000 * MS))
        .endpoint(Method::POST, "/large", Endpoint::default().body_limit(64))
        .build()
        .unwrap()
}

async fn read(body: String) -> String {
    body
}

fn router() -> Router {
    Router::new()
        .route("/items/{id}", on_get(|| async { "item" }))
        .route("/hang", on_get(std::future::pending::<()>))
        .route("/patient", on_get(|| tokio::time::sleep(600 * MS)))
        .route("/panic", on_get(|| async { assert_eq!(1, 2, "the secret inside") }))
        .route("/read", on_post(read))
        .route("/large", on_post(read))
        .route(
            "/draining",
            on_get(|request: Request| async move { request.extensions().get::<Draining>().is_some().to_string() }),
        )
        .route(
            "/id",
            on_get(|request: Request| async move { request.extensions().get::<RequestId>().unwrap().to_string() }),
        )
}

#[tokio::test]
async fn every_response_carries_the_id_that_the_service_saw() {
    let served = Served::start(app(), router());
    let answer = get(served.addr, "/id").await;
    assert_eq!(answer.header("x-request-id"), Some(answer.body.as_str()));
    for path in ["/nowhere", "/panic", "/hang", "/readyz", "/healthz"] {
        let answer = get(served.addr, path).await;
        assert!(answer.header("x-request-id").is_some(), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn an_id_from_outside_is_taken_only_from_trusted_callers() {
    for (trust, expected) in [("false", false), ("true", true)] {
        let app = builder().setting("server.trust_request_id", trust).build().unwrap();
        let served = Served::start(app, router());
        let answer = send(served.addr, "GET", "/id", &["x-request-id: mine"], "").await;
        assert_eq!(answer.header("x-request-id") == Some("mine"), expected);
        let answer = send(served.addr, "GET", "/id", &["x-request-id: <script>"], "").await;
        assert_ne!(answer.header("x-request-id"), Some("<script>"));
    }
}

#[tokio::test]
async fn probes_are_answered_on_the_services_port_with_the_status_alone() {
    let served = Served::start(app(), router());
    support::eventually("ready", || async { get(served.addr, "/readyz").await.status == 200 }).await;
    assert_eq!(get(served.addr, "/livez").await.body, "ok");
    assert!(!get(served.addr, "/readyz?verbose").await.body.contains("[+]"));
    assert_eq!(get(served.addr, "/metrics").await.status, 404);
    assert_eq!(get(served.addr, "/inventory").await.status, 404);
}

#[tokio::test]
async fn an_endpoints_own_limits_and_label_hold_for_it() {
    let served = Served::start(app(), router());
    assert_eq!(get(served.addr, "/patient").await.status, 200);
    let body = "x".repeat(60);
    assert_eq!(send(served.addr, "POST", "/large", &[], &body).await.body, body);
    get(served.addr, "/items/7").await;
    let text = get(served.admin, "/metrics").await.body;
    let labels = [r#"http_route="/items/{id}""#, r#"http_response_status_code="200""#];
    assert_eq!(
        metric(&text, "http_server_request_duration_seconds_count", &labels),
        Some(1.0),
        "{text}"
    );
}

#[tokio::test]
async fn every_request_is_measured() {
    let served = Served::start(app(), router());
    get(served.addr, "/nowhere").await;
    let text = get(served.admin, "/metrics").await.body;
    let labels = [
        r#"http_request_method="GET""#,
        r#"url_scheme="http""#,
        r#"http_route="undeclared""#,
        r#"status_code="404""#,
    ];
    assert_eq!(
        metric(&text, "http_server_request_duration_seconds_count", &labels),
        Some(1.0),
        "{text}"
    );
    assert_eq!(
        metric(&text, "http_server_active_requests", &labels[..2]),
        Some(0.0),
        "{text}"
    );
}

#[tokio::test]
async fn a_panic_becomes_a_problem_without_a_word_about_the_inside() {
    let served = Served::start(app(), router());
    let answer = get(served.addr, "/panic").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (500, Some("application/problem+json"))
    );
    let id = answer.header("x-request-id").unwrap();
    let expected = serde_json::json!({
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "the service failed; the request id names the log's lines about it",
        "request_id": id,
    });
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&answer.body).unwrap(),
        expected
    );
}

#[tokio::test]
async fn an_error_of_the_service_becomes_a_problem_too() {
    let failing = service_fn(|_: http::Request<Body>| async {
        Err::<http::Response<Body>, BoxError>("the secret inside".into())
    });
    let served = Served::start(app(), failing);
    let answer = get(served.addr, "/").await;
    assert_eq!(answer.status, 500);
    assert!(!answer.body.contains("secret"), "{answer:?}");
}

#[tokio::test]
async fn every_request_finds_the_draining_token() {
    let served = Served::start(app(), router());
    assert_eq!(get(served.addr, "/draining").await.body, "true");
}

#[tokio::test]
async fn a_request_that_takes_too_long_ends_at_the_deadline() {
    let served = Served::start(app(), router());
    let answer = get(served.addr, "/hang").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (504, Some("application/problem+json"))
    );
    let text = get(served.admin, "/metrics").await.body;
    let refused = [r#"policy="timeout""#, r#"name="inbound""#, r#"reason="elapsed""#];
    assert_eq!(metric(&text, "seaworthy_refusals_total", &refused), Some(1.0), "{text}");
}

#[tokio::test]
async fn the_callers_own_deadline_holds_if_it_is_shorter_and_no_header_fails_a_request() {
    let served = Served::start(app(), router());
    // `/patient` has 5 s, and answers after 600 ms.
    let timed_out = send(served.addr, "GET", "/patient", &["x-request-timeout-ms: 50"], "").await;
    assert_eq!(timed_out.status, 504);
    assert!(
        timed_out.body.contains("the caller's deadline has passed"),
        "{timed_out:?}"
    );
    let text = get(served.admin, "/metrics").await.body;
    let refused = [
        r#"policy="timeout""#,
        r#"name="inbound""#,
        r#"reason="deadline_passed""#,
    ];
    assert_eq!(metric(&text, "seaworthy_refusals_total", &refused), Some(1.0), "{text}");

    let nines = "9".repeat(4000);
    for hostile in ["0", "-1", "", "1e3", "soon", "\u{e9}", &nines] {
        for name in ["x-request-timeout-ms", "grpc-timeout"] {
            let header = format!("{name}: {hostile}");
            let answer = send(served.addr, "GET", "/items/1", &[&header], "").await;
            assert_eq!(answer.status, 200, "{header}");
        }
    }
    let longer = send(served.addr, "GET", "/hang", &["x-request-timeout-ms: 60000"], "").await;
    assert_eq!(longer.status, 504, "nobody has more than the service gives");
    assert!(longer.body.contains("no response within 300ms"), "{longer:?}");
}

#[tokio::test]
async fn a_body_that_never_ends_is_refused_at_the_deadline() {
    let served = Served::start(app(), router());
    let head = "POST /read HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 10\r\n\r\nabc";
    assert_eq!(send_raw(served.addr, head).await.unwrap().status, 408);
}

#[tokio::test]
async fn a_body_that_falls_silent_is_refused_before_the_deadline() {
    let app = builder().setting("server.body_idle_timeout", "100ms").build().unwrap();
    let served = Served::start(app, router());
    let head = "POST /read HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: 10\r\n\r\nabc";
    let answer = send_raw(served.addr, head).await.unwrap();
    assert_eq!(answer.status, 408);
    assert!(answer.body.contains("request body silent for 100ms"), "{answer:?}");
    let text = get(served.admin, "/metrics").await.body;
    let refused = [
        r#"policy="timeout""#,
        r#"name="inbound""#,
        r#"reason="request_body_idle""#,
    ];
    assert_eq!(metric(&text, "seaworthy_refusals_total", &refused), Some(1.0), "{text}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_its_length_is_declared_or_not() {
    let served = Served::start(app(), router());
    let declared = send(served.addr, "POST", "/read", &[], &"x".repeat(17)).await;
    assert_eq!(
        (declared.status, declared.header("content-type")),
        (413, Some("application/problem+json"))
    );
    let head = "POST /read HTTP/1.1\r\nhost: test\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = format!("{head}9\r\n123456789\r\n9\r\n123456789\r\n0\r\n\r\n");
    let chunked = send_raw(served.addr, chunked).await.unwrap();
    assert_eq!(
        (chunked.status, chunked.header("content-type")),
        (413, Some("application/problem+json"))
    );
    assert_eq!(
        send(served.addr, "POST", "/read", &[], &"x".repeat(16)).await.status,
        200
    );
}

#[tokio::test]
async fn a_service_that_is_no_router_is_served_too() {
    let hello = service_fn(|_: http::Request<Body>| async {
        Ok::<_, BoxError>(http::Response::new(Body::from("ahoy")).into_response())
    });
    let served = Served::start(app(), hello);
    assert_eq!(get(served.addr, "/").await.body, "ahoy");
}

#[tokio::test]
async fn a_grpc_call_is_answered_in_its_own_words_by_every_layer() {
    let served = Served::start(app(), router());
    let stream = tokio::net::TcpStream::connect(served.addr).await.unwrap();
    let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut client, connection) = client.await.unwrap();
    tokio::spawn(connection);
    for (method, path, body, code) in [
        (Method::GET, "/hang", "", "4"),
        (Method::POST, "/read", "more than the sixteen bytes of the limit", "8"),
        (Method::GET, "/panic", "", "13"),
    ] {
        let request = Request::builder().method(method).uri(format!("http://test{path}"));
        let request = request.header("content-type", "application/grpc+proto");
        let request = request.body(Body::from(body)).unwrap();
        let response = support::within(client.send_request(request)).await.unwrap();
        let told = ["grpc-status", "content-type"].map(|name| response.headers()[name].to_str().unwrap());
        assert_eq!(
            (response.status().as_u16(), told),
            (200, [code, "application/grpc"]),
            "{path}"
        );
        assert!(response.headers().contains_key("grpc-message"), "{path}");
        assert!(response.headers().contains_key("x-request-id"), "{path}");
        assert!(!response.headers().contains_key("content-length"), "{path}");
        // The head ends the stream: nothing follows, trailers neither.
        assert!(http_body::Body::is_end_stream(response.body()), "{path}");
    }
    let text = get(served.admin, "/metrics").await.body;
    for reason in ["elapsed", "body_too_large", "panic"] {
        let labels = [r#"code="200""#, &format!(r#"error_type="{reason}""#)];
        let count = metric(&text, "http_server_request_duration_seconds_count", &labels);
        assert_eq!(count, Some(1.0), "{reason}: {text}");
    }
}
