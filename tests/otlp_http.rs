//! Spans as a collector gets them over HTTP: ids, parents, attributes, status, events, resource.

mod otlp_support;
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get as on_get;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use otlp_support::{LONG, Sink, attribute, text, told};
use seaworthy::telemetry::otlp::Traces;
use seaworthy::{App, Endpoint};
use support::{Served, builder, get, send};
use tower::ServiceExt;
use tracing::Instrument;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A service whose spans go to `url`, and only those of this thread.
fn exporting(url: &str, settings: &[(&str, &str)]) -> (App, Traces, DefaultGuard) {
    let mut app =
        builder()
            .setting("traces.endpoint", url)
            .endpoint(http::Method::GET, "/orders/{id}", Endpoint::default());
    for (key, value) in settings {
        app = app.setting(*key, *value);
    }
    let app = app.build().unwrap();
    let traces = app.traces().unwrap().clone();
    let subscriber = tracing_subscriber::registry().with(traces.layer().unwrap());
    (app, traces, tracing::subscriber::set_default(subscriber))
}

fn router() -> Router {
    Router::new()
        .route(
            "/orders/{id}",
            on_get(|| async {
                let span = tracing::info_span!("look", depth = 3, deep = true);
                span.in_scope(|| tracing::info!(found = 7, "looked"));
                "found"
            }),
        )
        .route("/fails", on_get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/missing", on_get(|| async { StatusCode::NOT_FOUND }))
}

fn traceparent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{flags}")
}

#[tokio::test]
async fn a_request_is_a_span_in_its_callers_trace_and_what_it_does_is_below_it() {
    let sink = Sink::over_http();
    let (app, traces, _guard) = exporting(&sink.url(), &[]);
    let served = Served::start(app, router());
    send(served.addr, "GET", "/orders/1?secret=x", &[&traceparent("01")], "").await;
    assert!(traces.flush(LONG).await);

    let request = sink.span("GET /orders/{id}");
    assert_eq!(hex(&request.trace_id), TRACE);
    assert_eq!(hex(&request.parent_span_id), PARENT);
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(request.flags & 0x300, 0x300, "the parent is remote");
    assert_eq!(
        attribute(&request.attributes, "http.response.status_code"),
        Some(Value::IntValue(200))
    );
    assert_eq!(text(&request.attributes, "http.route").as_deref(), Some("/orders/{id}"));
    assert_eq!(text(&request.attributes, "url.path").as_deref(), Some("/orders/1"));
    assert!(text(&request.attributes, "request_id").is_some());
    for key in [
        "trace_id",
        "span_id",
        "parent_span_id",
        "target",
        "otel.kind",
        "code.file.path",
        "thread.id",
        "busy_ns",
    ] {
        assert_eq!(attribute(&request.attributes, key), None, "{key}");
    }
    assert_eq!(request.status.unwrap_or_default().code(), SpanStatus::Unset);
    assert!(request.start_time_unix_nano <= request.end_time_unix_nano);

    let look = sink.span("look");
    assert_eq!(
        (&look.trace_id, &look.parent_span_id),
        (&request.trace_id, &request.span_id)
    );
    assert_eq!(look.kind(), SpanKind::Internal);
    assert_eq!(look.flags & 0x300, 0x100, "the parent is of this process");
    assert_eq!(attribute(&look.attributes, "depth"), Some(Value::IntValue(3)));
    assert_eq!(attribute(&look.attributes, "deep"), Some(Value::BoolValue(true)));
    assert_eq!(look.events[0].name, "looked");
    assert_eq!(attribute(&look.events[0].attributes, "found"), Some(Value::IntValue(7)));
    assert_eq!(sink.spans().len(), 2, "no more than these");
    served.end().await;
}

#[tokio::test]
async fn the_exported_span_has_the_ids_that_its_request_was_told() {
    let sink = Sink::over_http();
    let (app, traces, _guard) = exporting(&sink.url(), &[]);
    let served = Served::start(
        app,
        Router::new().route(
            "/orders/{id}",
            on_get(|| async { seaworthy::context::TraceContext::current().unwrap().to_string() }),
        ),
    );
    let told = get(served.addr, "/orders/1").await.body;
    assert!(traces.flush(LONG).await);

    let span = sink.span("GET /orders/{id}");
    assert_eq!(told, format!("00-{}-{}-03", hex(&span.trace_id), hex(&span.span_id)));
    assert!(span.parent_span_id.is_empty(), "it begins the trace");
    served.end().await;
}

#[tokio::test]
async fn a_request_is_named_by_a_route_that_is_found_after_spans_inside_it() {
    let sink = Sink::over_http();
    let (app, traces, _guard) = exporting(&sink.url(), &[]);
    let handler = || async {
        tracing::info_span!("inside").in_scope(|| drop(tracing::info_span!("deeper")));
        "found"
    };
    let router = Router::new().route("/late/{id}", on_get(handler));
    let served = Served::start(app, router.layer(seaworthy::web::MatchedPathLayer::new()));
    get(served.addr, "/late/1").await;
    assert!(traces.flush(LONG).await);
    let request = sink.span("GET /late/{id}");
    assert_eq!(sink.span("inside").parent_span_id, request.span_id);
    served.end().await;
}

#[tokio::test]
async fn every_attempt_is_a_span_of_its_own_and_the_callee_goes_on_in_it() {
    let sink = Sink::over_http();
    let calls = Arc::new(AtomicUsize::new(0));
    let callee = Router::new().route(
        "/charge",
        on_get(move |headers: HeaderMap| async move {
            let told = headers["traceparent"].to_str().unwrap().to_owned();
            match calls.fetch_add(1, Ordering::SeqCst) {
                0 => (StatusCode::SERVICE_UNAVAILABLE, told),
                _ => (StatusCode::OK, told),
            }
        }),
    );
    let callee = callee_of(callee);

    let mut app = builder().setting("traces.endpoint", sink.url());
    let payments = app.dependency("payments").http(format!("http://{callee}"));
    let app = app.build().unwrap();
    let traces = app.traces().unwrap().clone();
    let subscriber = tracing_subscriber::registry().with(traces.layer().unwrap());
    let _guard = tracing::subscriber::set_default(subscriber);
    let router = Router::new().route(
        "/order",
        on_get(move || async move {
            let between = tracing::info_span!("pay");
            let charge = http::Request::get("/charge").body(seaworthy::Body::empty()).unwrap();
            let response = payments.oneshot(charge).instrument(between).await.unwrap();
            axum::body::to_bytes(axum::body::Body::new(response.into_body()), 1_000)
                .await
                .unwrap()
        }),
    );
    let served = Served::start(app, router);
    let told = get(served.addr, "/order").await.body;
    served.end().await;
    assert!(traces.flush(LONG).await);

    let spans = sink.spans();
    let (pay, request) = (
        sink.span("pay"),
        spans.iter().find(|span| span.kind() == SpanKind::Server).unwrap(),
    );
    assert_eq!(pay.parent_span_id, request.span_id);
    let mut attempts: Vec<_> = spans.iter().filter(|span| span.kind() == SpanKind::Client).collect();
    attempts.sort_by_key(|attempt| attempt.start_time_unix_nano);
    assert_eq!(attempts.len(), 2);
    for (attempt, (status, resent, code)) in attempts.iter().zip([
        (503, None, SpanStatus::Error),
        (200, Some(Value::IntValue(1)), SpanStatus::Unset),
    ]) {
        assert_eq!(
            (&attempt.trace_id, &attempt.parent_span_id),
            (&request.trace_id, &pay.span_id)
        );
        let of = |key: &str| attribute(&attempt.attributes, key);
        assert_eq!(of("http.response.status_code"), Some(Value::IntValue(status)));
        assert_eq!(of("http.request.resend_count"), resent);
        assert_eq!(of("server.port"), Some(Value::IntValue(callee.port().into())));
        assert_eq!(attempt.status.clone().unwrap_or_default().code(), code);
    }
    assert_eq!(
        told,
        format!("00-{}-{}-03", hex(&request.trace_id), hex(&attempts[1].span_id))
    );
}

/// Serves in the background, on a thread of its own.
fn callee_of(router: Router) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            otlp_support::serve_http(listener, router).await;
        });
    });
    addr
}

#[tokio::test]
async fn a_failure_is_an_error_of_the_span_and_a_mistake_of_the_caller_is_not() {
    let sink = Sink::over_http();
    let (app, traces, _guard) = exporting(&sink.url(), &[]);
    let served = Served::start(app, router());
    get(served.addr, "/fails").await;
    get(served.addr, "/missing").await;
    assert!(traces.flush(LONG).await);

    let spans = sink.spans();
    let of = |path: &str| {
        let is_it = |attributes| text(attributes, "url.path").as_deref() == Some(path);
        spans.iter().find(|span| is_it(&span.attributes)).unwrap()
    };
    assert_eq!(of("/fails").status.clone().unwrap().code(), SpanStatus::Error);
    assert_eq!(text(&of("/fails").attributes, "error.type").as_deref(), Some("500"));
    assert_eq!(
        of("/missing").status.clone().unwrap_or_default().code(),
        SpanStatus::Unset
    );
    served.end().await;
}

#[tokio::test]
async fn a_refusal_is_an_event_with_its_cause() {
    let sink = Sink::over_http();
    let one = [("clients.per_second", "1"), ("clients.burst", "1")];
    let (app, traces, _guard) = exporting(&sink.url(), &one);
    let served = Served::start(app, router());
    for status in [200, 429] {
        assert_eq!(get(served.addr, "/orders/1").await.status, status);
    }
    assert!(traces.flush(LONG).await);

    let spans = sink.spans();
    let refused = |span: &&opentelemetry_proto::tonic::trace::v1::Span| {
        attribute(&span.attributes, "http.response.status_code") == Some(Value::IntValue(429))
    };
    let events = &spans.iter().find(refused).unwrap().events;
    assert_eq!(events.len(), 1, "{events:?}");
    let told: Vec<_> = events[0]
        .attributes
        .iter()
        .map(|attribute| format!("{attribute:?}"))
        .collect();
    assert!(told.iter().any(|told| told.contains("rate_limit")), "{told:?}");
    served.end().await;
}

#[tokio::test]
async fn nothing_of_a_trace_that_is_not_sampled_is_exported() {
    let sink = Sink::over_http();
    let (app, traces, _guard) = exporting(&sink.url(), &[]);
    let inventory = app.inventory().clone();
    let served = Served::start(app, router());
    send(served.addr, "GET", "/orders/1", &[&traceparent("00")], "").await;
    assert!(traces.flush(LONG).await);
    assert_eq!(told(&inventory).ended, 0, "{:?}", sink.spans());
    served.end().await;
}

#[tokio::test]
async fn with_a_ratio_of_0_only_traces_of_callers_are_exported() {
    let sink = Sink::over_http();
    let (app, traces, _guard) = exporting(&sink.url(), &[("traces.sample_ratio", "0")]);
    let served = Served::start(app, router());
    get(served.addr, "/orders/1").await;
    tracing::info_span!("of nobody").in_scope(|| tracing::info!("alone"));
    send(served.addr, "GET", "/orders/2", &[&traceparent("01")], "").await;
    assert!(traces.flush(LONG).await);
    let traces_seen: Vec<_> = sink.spans().iter().map(|span| hex(&span.trace_id)).collect();
    assert_eq!(traces_seen, [TRACE, TRACE]);
    served.end().await;
}

#[tokio::test]
async fn a_span_outside_of_any_request_begins_a_trace_and_those_in_it_are_of_that() {
    let sink = Sink::over_http();
    let (_app, traces, _guard) = exporting(&sink.url(), &[]);
    let night = tracing::info_span!("night", otel.kind = "consumer", trace_id = "mine");
    night.in_scope(|| tracing::info_span!("dream").in_scope(|| tracing::debug_span!("noise").in_scope(|| ())));
    drop(night);
    assert!(traces.flush(LONG).await);

    let (night, dream) = (sink.span("night"), sink.span("dream"));
    assert_eq!(night.kind(), SpanKind::Consumer);
    assert_eq!(
        text(&night.attributes, "trace_id").as_deref(),
        Some("mine"),
        "a field of the user's"
    );
    assert_eq!(
        (&dream.trace_id, &dream.parent_span_id),
        (&night.trace_id, &night.span_id)
    );
    assert_eq!(sink.spans().len(), 2, "DEBUG is not exported");
}

#[tokio::test]
async fn the_resource_says_which_service_it_is() {
    let sink = Sink::over_http();
    let (app, traces, _guard) = exporting(&sink.url(), &[]);
    drop(tracing::info_span!("one"));
    assert!(traces.flush(LONG).await);
    let resource = sink.resource().attributes;
    assert_eq!(text(&resource, "service.name").as_deref(), Some("tested"));
    assert_eq!(text(&resource, "service.instance.id").unwrap().len(), 36);
    assert_eq!(text(&resource, "telemetry.sdk.language").as_deref(), Some("rust"));
    let told = told(app.inventory());
    assert_eq!((told.state.as_str(), told.ended, told.exported), ("exporting", 1, 1));
}

#[tokio::test]
async fn full_batches_are_sent_at_once_and_whole() {
    let sink = Sink::over_http();
    let (app, traces, _guard) = exporting(&sink.url(), &[]);
    for number in 0..1_000 {
        drop(tracing::info_span!("one", number));
    }
    assert!(traces.flush(LONG).await);
    assert_eq!(sink.spans().len(), 1_000);
    assert!(sink.requests() <= 3, "{} requests", sink.requests());
    assert_eq!(told(app.inventory()).exported, 1_000);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
