//! What travels with a request: from the caller, through the service's tasks and bodies, to its dependencies, on sockets.

mod support;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use bytes::Bytes;
use http_body::Frame;
use seaworthy::context::{self, Baggage, IdempotencyKey, RequestId, TraceContext};
use seaworthy::criticality::Criticality;
use seaworthy::deadline::Deadline;
use seaworthy::replay::Idempotent;
use seaworthy::retry::Backoff;
use seaworthy::{Body, BoxError, HttpClient};
use support::upstream::{Act, Seen, Upstream};
use support::{Answer, Served, builder, get, metric, send};
use tower::{Layer, Service, service_fn};

const MS: Duration = Duration::from_millis(1);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const TOLD: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

struct Scene {
    upstream: Upstream,
    served: Served,
}

impl Scene {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let upstream = Upstream::start().await;
        let mut app = builder();
        for (key, value) in settings {
            app = app.setting(*key, *value);
        }
        let eager = app
            .dependency("payments")
            .retry(|retry| retry.backoff(Backoff::constant(MS)));
        let client = eager.http(upstream.url());
        let served = Served::start(app.build().unwrap(), relay(client));
        Self { upstream, served }
    }

    async fn send(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        send(self.served.addr, method, path, headers, "").await
    }

    /// Sends a request, and returns what the dependency saw of it.
    async fn relayed(&self, method: &str, path: &str, headers: &[&str]) -> Vec<Seen> {
        let before = self.upstream.count();
        self.send(method, path, headers).await;
        self.upstream.seen().split_off(before)
    }
}

/// Asks the dependency in the handler, in a task of its own, or while the response's body is polled.
fn relay(client: HttpClient) -> Router {
    Router::new().fallback(move |request: Request| {
        let (client, other) = (client.clone(), client.clone());
        async move {
            let (parts, _) = request.into_parts();
            let path = parts.uri.path().to_owned();
            let ask = async move {
                // As it came, headers and all: what they say of the caller must not go on.
                let sent = client.send(http::Request::from_parts(parts, Body::empty())).await;
                sent.map(|response| response.status().as_u16()).unwrap_or_default()
            };
            http::Response::new(match path.as_str() {
                "/spawned" => Body::from(context::spawn(ask).await.unwrap().to_string()),
                "/streamed" => Body::new(Streamed(Some(Box::pin(ask)))),
                "/uploaded" => {
                    // Asks while the body of another call is sent, which the connection's task does.
                    let upload = Body::new(Streamed(Some(Box::pin(ask))));
                    let sent = other.send(http::Request::put("/upload").body(upload).unwrap()).await;
                    Body::from(sent.is_ok().to_string())
                }
                _ => Body::from(ask.await.to_string()),
            })
        }
    })
}

/// A body whose only piece has to be asked for.
struct Streamed(Option<Pin<Box<dyn Future<Output = u16> + Send>>>);

impl http_body::Body for Streamed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(ask) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let status = std::task::ready!(ask.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Some(Ok(Frame::data(status.to_string().into()))))
    }
}

fn trace(seen: &Seen) -> TraceContext {
    seen.header("traceparent").unwrap().parse().unwrap()
}

#[tokio::test]
async fn everything_travels_from_the_handler_a_spawned_task_and_streaming_bodies() {
    let scene = Scene::start(&[
        ("server.trust_request_id", "true"),
        ("server.trust_criticality", "true"),
    ])
    .await;
    for path in ["/", "/spawned", "/streamed", "/uploaded"] {
        let headers = [
            TOLD,
            "tracestate: rojo=1",
            "tracestate: congo=2",
            "baggage: tenant=acme",
            "x-request-id: mine-1",
            "x-criticality: sheddable",
            "x-request-timeout-ms: 900",
            "idempotency-key: \"once\"",
        ];
        let mut seen = scene.relayed("POST", path, &headers).await;
        seen.retain(|seen| seen.path != "/upload");
        let [seen] = &seen[..] else {
            panic!("{path}: one call");
        };
        assert_eq!(trace(seen).trace_id().to_string(), TRACE, "{path}");
        assert!(trace(seen).is_sampled(), "{path}");
        assert_ne!(trace(seen).span_id().to_string(), "00f067aa0ba902b7", "{path}");
        for (name, value) in [
            ("tracestate", "rojo=1,congo=2"),
            ("baggage", "tenant=acme"),
            ("x-request-id", "mine-1"),
            ("x-criticality", "sheddable"),
            ("idempotency-key", "\"once\""),
        ] {
            assert_eq!(seen.header(name), Some(value), "{path}: {name}");
            assert_eq!(seen.headers.get_all(name).iter().count(), 1, "{path}: {name}");
        }
        let left: u64 = seen.header("x-request-timeout-ms").unwrap().parse().unwrap();
        assert!((1..900).contains(&left), "{path}: {left}");
    }
    scene.served.end().await;
}

#[tokio::test]
async fn each_attempt_is_a_span_of_its_own_in_the_callers_trace() {
    let scene = Scene::start(&[]).await;
    scene.upstream.then([Act::Status(503), Act::Status(503)]);
    let seen = scene.relayed("GET", "/", &[TOLD]).await;
    assert_eq!(seen.len(), 3);
    let spans: std::collections::HashSet<_> = seen.iter().map(|seen| trace(seen).span_id()).collect();
    assert_eq!(spans.len(), 3);
    assert!(seen.iter().all(|seen| trace(seen).trace_id().to_string() == TRACE));
    let metrics = get(scene.served.admin, "/metrics").await.body;
    for (status, expected) in [("503", 2.0), ("200", 1.0)] {
        let status = format!(r#"http_response_status_code="{status}""#);
        let labels = [
            r#"dependency="payments""#,
            r#"http_request_method="GET""#,
            r#"server_address="127.0.0.1""#,
            &status,
        ];
        let count = metric(&metrics, "http_client_request_duration_seconds_count", &labels);
        assert_eq!(count, Some(expected), "{metrics}");
    }
    scene.served.end().await;
}

#[tokio::test]
async fn an_untrusted_caller_begins_a_trace_and_brings_no_baggage() {
    let scene = Scene::start(&[("server.trust_trace", "false"), ("traces.sample_ratio", "0")]).await;
    let headers = [
        TOLD,
        "tracestate: rojo=1",
        "baggage: tenant=acme",
        "x-request-id: mine-1",
    ];
    let [seen] = &scene.relayed("GET", "/", &headers).await[..] else {
        panic!("one call");
    };
    assert_ne!(trace(seen).trace_id().to_string(), TRACE);
    assert!(!trace(seen).is_sampled());
    assert_eq!(seen.header("tracestate"), None);
    assert_eq!(seen.header("baggage"), None);
    assert_ne!(seen.header("x-request-id"), Some("mine-1"));
    scene.served.end().await;
}

#[tokio::test]
async fn a_header_that_is_none_begins_a_trace_and_fails_nothing() {
    let scene = Scene::start(&[]).await;
    let long = format!("traceparent: {}", "0".repeat(8000));
    for header in [
        "traceparent: ",
        "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "traceparent: ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        &format!("{TOLD}\r\n{TOLD}"),
        &long,
    ] {
        let seen = scene.relayed("GET", "/", &[header, "tracestate: rojo=1"]).await;
        let [seen] = &seen[..] else {
            panic!("{header}: one call");
        };
        assert_ne!(trace(seen).trace_id().to_string(), TRACE, "{header}");
        assert_eq!(seen.header("tracestate"), None, "of another trace: {header}");
    }
    let future = "traceparent: cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes";
    let seen = scene.relayed("GET", "/", &[future, "tracestate: wrong"]).await;
    assert_eq!(trace(&seen[0]).to_string()[..35], TOLD["traceparent: ".len()..][..35]);
    assert_eq!(seen[0].header("tracestate"), None, "a bad list does not end the trace");
    scene.served.end().await;
}

#[tokio::test]
async fn the_callers_idempotency_key_goes_with_what_is_not_idempotent_and_proves_nothing() {
    let scene = Scene::start(&[]).await;
    let seen = scene.relayed("GET", "/", &["idempotency-key: \"once\""]).await;
    // The relay passes on what came; a GET gets none added, and has the one it had.
    assert_eq!(seen[0].headers.get_all("idempotency-key").iter().count(), 1);
    let upstream = Upstream::start().await;
    let mut app = builder();
    let client = app.dependency("payments").http(upstream.url());
    let router = Router::new().fallback(move |request: Request| {
        let client = client.clone();
        async move {
            let own = http::Request::builder().method(request.method()).uri("/");
            let sent = client.send(own.body(Body::empty()).unwrap()).await;
            sent.map(|_| ()).map_err(|_| ()).is_ok().to_string()
        }
    });
    let served = Served::start(app.build().unwrap(), router);
    upstream.then([Act::Status(503)]);
    send(served.addr, "POST", "/", &["idempotency-key: \"once\""], "").await;
    send(served.addr, "GET", "/", &["idempotency-key: \"once\""], "").await;
    let keys: Vec<_> = upstream.seen();
    let keys: Vec<_> = keys
        .iter()
        .map(|seen| (seen.method.as_str(), seen.header("idempotency-key")))
        .collect();
    assert_eq!(
        keys,
        [("POST", Some("\"once\"")), ("GET", None)],
        "and one POST, which nobody repeats"
    );
    served.end().await;
}

#[tokio::test]
async fn what_is_spawned_by_hand_has_nothing_and_by_the_helper_all() {
    let said = || async {
        let trace = TraceContext::current().map(|trace| trace.trace_id().to_string());
        let id = RequestId::current().map(|id| id.to_string());
        let baggage = Baggage::current().map(|baggage| baggage.to_string());
        let key = IdempotencyKey::current().map(|key| key.to_string());
        format!(
            "{trace:?} {id:?} {baggage:?} {key:?} {:?} {}",
            Criticality::told(),
            Deadline::current().is_some()
        )
    };
    let router = Router::new().fallback(move |request: Request| async move {
        match request.uri().path() {
            "/helper" => context::spawn(said()).await.unwrap(),
            "/hand" => tokio::spawn(said()).await.unwrap(),
            _ => said().await,
        }
    });
    let served = Served::start(
        builder().setting("server.trust_request_id", "true").build().unwrap(),
        router,
    );
    let headers = [
        TOLD,
        "x-request-id: mine-1",
        "baggage: tenant=acme",
        "idempotency-key: k",
    ];
    let ask = async |path: &str| send(served.addr, "GET", path, &headers, "").await.body;
    let all = format!(r#"Some("{TRACE}") Some("mine-1") Some("tenant=acme") Some("k") Some(Critical) true"#);
    assert_eq!(ask("/").await, all);
    assert_eq!(ask("/helper").await, all);
    assert_eq!(ask("/hand").await, "None None None None None false");
    served.end().await;
}

#[derive(Clone)]
struct Read;

impl Idempotent for Read {}

async fn panics() -> Result<(), BoxError> {
    panic!("inside")
}

#[tokio::test]
async fn a_call_that_panics_is_a_failure_of_its_dependency() {
    let mut app = builder();
    let ledger = app.dependency("ledger").guard();
    let mirror = app.dependency("mirror").layer();
    let mirror = mirror.layer(service_fn(|_: Read| panics()));
    let router = Router::new().fallback(move |request: Request| {
        let (ledger, mut mirror) = (ledger.clone(), mirror.clone());
        async move {
            match request.uri().path() {
                "/ledger" => drop(ledger.call(panics).await),
                _ => drop(mirror.call(Read).await),
            }
        }
    });
    let served = Served::start(app.build().unwrap(), router);
    for name in ["ledger", "mirror"] {
        assert_eq!(get(served.addr, &format!("/{name}")).await.status, 500);
        let labels = [&*format!(r#"dependency="{name}""#), r#"outcome="failure""#];
        let metrics = get(served.admin, "/metrics").await.body;
        let count = metric(&metrics, "seaworthy_dependency_duration_seconds_count", &labels);
        assert_eq!(count, Some(1.0), "{metrics}");
    }
    served.end().await;
}
