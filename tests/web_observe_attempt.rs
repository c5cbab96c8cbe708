//! The span and the record of every attempt at a dependency.

#![cfg(all(feature = "http", feature = "retry"))]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use seaworthy::bulkhead::Bulkhead;
use seaworthy::context::TraceContext;
use seaworthy::request::{AttemptEnded, AttemptSink};
use seaworthy::retry::{Backoff, Retry};
use seaworthy::timeout::Timeout;
use seaworthy::web::{ContextLayer, ObserveAttemptLayer};
use seaworthy::{Body, BoxError};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Vec<String>>>);

impl AttemptSink for Ended {
    fn ended(&self, attempt: &AttemptEnded<'_>) {
        let AttemptEnded {
            dependency,
            method,
            server_address,
            server_port,
            status,
            error,
            ..
        } = attempt;
        let to = format!(
            "{dependency} {method} {}:{}",
            server_address.unwrap_or("-"),
            server_port.unwrap_or(0)
        );
        let line = format!("{to} {status:?} {}", error.unwrap_or("-"));
        self.0.lock().unwrap().push(line);
    }
}

impl Ended {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

type Fields = BTreeMap<&'static str, String>;

/// Every span of the name `attempt` that has ended, and the events in it.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Fields>>>);

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Reader(&mut fields));
        cx.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, cx: Context<'_, S>) {
        let span = cx.span(id).unwrap();
        record.record(&mut Reader(span.extensions_mut().get_mut().unwrap()));
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Reader(&mut fields));
        if let Some(span) = cx.event_span(event) {
            let told = format!("{} by {}", fields["message"], fields["policy"]);
            span.extensions_mut().get_mut::<Fields>().unwrap().insert("event", told);
        }
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        let span = cx.span(&id).unwrap();
        if span.name() == "attempt" {
            let fields = span.extensions_mut().remove().unwrap();
            self.0.lock().unwrap().push(fields);
        }
    }
}

/// To be done in each test: what a thread without a subscriber comes to first stays unheard for all.
fn subscribe(spans: &Spans) -> tracing::subscriber::DefaultGuard {
    tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()))
}

fn request(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::empty()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_numbered_span_in_the_trace_of_the_request() {
    let (spans, ended) = (Spans::default(), Ended::default());
    let _subscriber = subscribe(&spans);
    let retry = Retry::builder("payments")
        .backoff(Backoff::constant(Duration::from_millis(1)))
        .build()
        .unwrap();
    let seen = Arc::<Mutex<Vec<TraceContext>>>::default();
    let statuses = Arc::new(Mutex::new(vec![200, 404, 503]));
    let client = {
        let seen = Arc::clone(&seen);
        service_fn(move |_: Request<Body>| {
            seen.lock().unwrap().push(TraceContext::current().unwrap());
            let status = statuses.lock().unwrap().pop().unwrap();
            async move { Ok::<_, BoxError>(Response::builder().status(status).body(Body::empty()).unwrap()) }
        })
    };
    let service = ServiceBuilder::new()
        .layer(ContextLayer::default())
        .layer(retry.http_layer())
        .layer(ObserveAttemptLayer::new("payments", Arc::new(ended.clone())))
        .service(client);
    let uri = "http://user:hush@payments.example:8081/charges?card=hush";
    service.clone().oneshot(request(uri)).await.unwrap();

    let seen = seen.lock().unwrap();
    let spans = spans.0.lock().unwrap();
    assert_eq!(spans.len(), 2);
    for (span, seen) in spans.iter().zip(&*seen) {
        assert_eq!(span["trace_id"], seen.trace_id().to_string());
        assert_eq!(span["span_id"], seen.span_id().to_string());
        assert_eq!(span["parent_span_id"], seen.parent().unwrap().to_string());
        assert_eq!(span["url.full"], "http://payments.example:8081/charges");
        assert_eq!(span["server.address"], "payments.example");
        assert_eq!(span["server.port"], "8081");
        assert_eq!(span["otel.kind"], "client");
        assert_eq!(span["otel.name"], "GET");
        assert!(!format!("{span:?}").contains("hush"), "{span:?}");
        assert_eq!(span["otel.status_code"], "ERROR", "a 4xx is one for a client");
    }
    let of = |field: &str| spans.iter().map(|span| span.get(field).cloned()).collect::<Vec<_>>();
    assert_eq!(of("http.request.resend_count"), [None, Some("1".to_owned())]);
    assert_eq!(
        of("http.response.status_code"),
        [Some("503".to_owned()), Some("404".to_owned())]
    );
    assert_eq!(of("error.type"), of("http.response.status_code"));
    let to = "payments GET payments.example:8081";
    assert_eq!(
        ended.lines(),
        [format!("{to} Some(503) 503"), format!("{to} Some(404) 404")]
    );
}

#[tokio::test(start_paused = true)]
async fn what_ends_an_attempt_is_told_in_its_span() {
    let (spans, ended) = (Spans::default(), Ended::default());
    let _subscriber = subscribe(&spans);
    let slow = Timeout::builder("payments")
        .limit(Duration::from_millis(5))
        .build()
        .unwrap();
    let full = Bulkhead::builder("payments").concurrent(1).queue(0).build().unwrap();
    let client = service_fn(|request: Request<Body>| async move {
        match request.uri().path() {
            "/breaks" => Err("reset".into()),
            "/hangs" => std::future::pending().await,
            "/panics" => panic!("client"),
            "/tears" => Ok(Response::new(Body::new(Tears))),
            _ => Ok::<_, BoxError>(Response::new(Body::from("whole"))),
        }
    });
    let service = ServiceBuilder::new()
        .layer(ObserveAttemptLayer::new("payments", Arc::new(ended.clone())))
        .layer(slow.http_layer())
        .layer(full.http_layer())
        .service(client);
    let ask = |path: &str| service.clone().oneshot(request(path));
    ask(&format!("/{}", "c".repeat(300)))
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    ask("/breaks").await.unwrap_err();
    ask("/tears").await.unwrap().into_body().collect().await.unwrap_err();
    ask("/hangs").await.unwrap_err();
    let held = service.clone().oneshot(request("/hangs"));
    let mut held = Box::pin(held);
    assert!((&mut held).now_or_never().is_none());
    ask("/whole").await.unwrap_err();
    drop(held);
    let panics = std::panic::AssertUnwindSafe(ask("/panics")).catch_unwind();
    assert!(panics.await.is_err());
    let lines = ended.lines();
    let ends: Vec<_> = lines.iter().map(|line| line.rsplit_once(' ').unwrap().1).collect();
    assert_eq!(
        ends,
        [
            "-",
            "transport",
            "body",
            "elapsed",
            "bulkhead_full",
            "cancelled",
            "panic"
        ],
        "{lines:?}"
    );
    let spans = spans.0.lock().unwrap();
    assert_eq!(spans[0]["url.full"], format!("/{}", "c".repeat(255)));
    let of = |field: &str| {
        spans
            .iter()
            .map(|span| span.get(field).map_or("-", |text| text))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("error.type"), ends);
    assert_eq!(
        of("event"),
        ["-", "-", "-", "refused by timeout", "refused by bulkhead", "-", "-"]
    );
    assert_eq!(
        of("otel.status_code"),
        ["-", "ERROR", "ERROR", "ERROR", "ERROR", "-", "ERROR"]
    );
}

/// A body that breaks at once.
struct Tears;

impl http_body::Body for Tears {
    type Data = bytes::Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, BoxError>>> {
        std::task::Poll::Ready(Some(Err("torn".into())))
    }
}

struct Panics;

impl AttemptSink for Panics {
    fn ended(&self, _: &AttemptEnded<'_>) {
        panic!("sink");
    }
}

#[tokio::test]
async fn a_panicking_sink_does_not_reach_the_call() {
    let _subscriber = subscribe(&Spans::default());
    let client = service_fn(|_: Request<Body>| async { Ok::<_, BoxError>(Response::new(Body::empty())) });
    let service = ServiceBuilder::new()
        .layer(ObserveAttemptLayer::new("payments", Arc::new(Panics)))
        .service(client);
    assert_eq!(service.clone().oneshot(request("/")).await.unwrap().status(), 200);
    drop(tower::Service::call(&mut service.clone(), request("/")));
}
