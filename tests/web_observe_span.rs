//! The span round every request, also while its body is polled.

#![cfg(feature = "http")]

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use seaworthy::Body;
use seaworthy::request::{RequestEnded, RequestSink};
use seaworthy::web::{ContextLayer, ObserveLayer, RouteTemplate};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;

/// Writes down each event with the spans it was in, and some fields of those.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if ["message", "request_id", "http.request.method", "http.route"].contains(&field.name()) {
            self.0 += &format!(" {field}={value:?}");
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: tracing_subscriber::layer::Context<'_, S>) {
        let mut fields = Fields(attributes.metadata().name().to_owned());
        attributes.record(&mut fields);
        cx.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, cx: tracing_subscriber::layer::Context<'_, S>) {
        record.record(cx.span(id).unwrap().extensions_mut().get_mut::<Fields>().unwrap());
    }

    fn on_event(&self, event: &Event<'_>, cx: tracing_subscriber::layer::Context<'_, S>) {
        let mut line = Fields(String::new());
        event.record(&mut line);
        for span in cx.event_scope(event).into_iter().flatten() {
            line.0 += &format!(" in {}", span.extensions().get::<Fields>().unwrap().0);
        }
        self.0.lock().unwrap().push(line.0);
    }
}

struct Sink;

impl RequestSink for Sink {
    fn began(&self, _: &'static str, _: &'static str) {}

    fn ended(&self, request: &RequestEnded<'_>) {
        tracing::info!("ended {:?}", request.status);
    }
}

/// Tells whenever it is polled, and when it is dropped.
struct Talks(u8);

impl http_body::Body for Talks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        tracing::info!("body");
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or(0);
        Poll::Ready(left.map(|_| Ok(Frame::data(Bytes::from_static(b".")))))
    }
}

fn layer() -> ObserveLayer {
    ObserveLayer::new(Arc::new(Sink))
}

fn request() -> Request<Body> {
    let mut request = Request::<Body>::default();
    request.extensions_mut().insert(RouteTemplate("/items/{id}".into()));
    request
}

#[tokio::test]
async fn the_call_the_future_the_body_and_the_record_are_in_the_requests_span() {
    let lines = Lines::default();
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let talks = service_fn(|_: Request<Body>| {
        tracing::info!("call");
        async {
            tokio::task::yield_now().await;
            tracing::info!("future");
            Ok::<_, Infallible>(Response::new(Talks(1)))
        }
    });
    let service = ServiceBuilder::new()
        .layer(ContextLayer::default())
        .layer(layer())
        .service(talks);
    let response = service.oneshot(request()).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    tracing::info!("between");
    response.into_body().collect().await.unwrap();

    let span = format!("in request request_id={id:?} http.request.method=\"GET\" http.route=\"/items/{{id}}\"");
    let inside = |message: &str| format!(" message={message} {span}");
    let expected = [
        inside("call"),
        inside("future"),
        " message=between".to_owned(),
        inside("body"),
        inside("body"),
        inside("ended Some(200)"),
    ];
    assert_eq!(*lines.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_is_dropped_is_told_in_its_span_too() {
    let lines = Lines::default();
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let service = layer().layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Talks(2)))
    }));
    let mut body = service.clone().oneshot(request()).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    drop(service.oneshot(request()));
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with(" message=ended Some(200) in request"), "{lines:?}");
}

#[tokio::test]
async fn a_body_is_in_the_innermost_span() {
    let lines = Lines::default();
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let inner = layer().layer(service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Talks(0)))
    }));
    let service = ServiceBuilder::new()
        .layer(layer())
        .layer(ContextLayer::default())
        .service(inner);
    let response = service.oneshot(request()).await.unwrap();
    response.into_body().collect().await.unwrap();
    let line = &lines.0.lock().unwrap()[0];
    assert!(
        line.contains("in request request_id=")
            && line.ends_with("in request http.request.method=\"GET\" http.route=\"/items/{id}\""),
        "{line}"
    );
}

#[tokio::test]
async fn the_span_of_an_undeclared_endpoint_gets_its_route_with_the_head() {
    let lines = Lines::default();
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    let talks = service_fn(|request: Request<Body>| async move {
        tracing::info!("future");
        let mut response = Response::new(Talks(0));
        match request.uri().path() {
            "/matched" => drop(response.extensions_mut().insert(RouteTemplate("/{known}".into()))),
            "/hangs" => std::future::pending().await,
            "/fails" => return Err("inside"),
            _ => {}
        }
        Ok(response)
    });
    for (path, route) in [
        ("/matched", " http.route=\"/{known}\""),
        ("/nowhere", ""),
        ("/hangs", ""),
        ("/fails", ""),
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answered = layer().layer(talks).oneshot(request).now_or_never();
        if let Some(Ok(response)) = answered {
            response.into_body().collect().await.unwrap();
        }
        let lines = std::mem::take(&mut *lines.0.lock().unwrap());
        let (last, before) = lines.split_last().unwrap();
        assert_eq!(
            before[0], " message=future in request http.request.method=\"GET\"",
            "{path}"
        );
        assert!(last.contains("message=ended"), "{path}: {last}");
        let all = &lines[1..];
        let told = format!("in request http.request.method=\"GET\"{route}");
        assert!(all.iter().all(|line| line.ends_with(&told)), "{path}: {all:?}");
    }
}
