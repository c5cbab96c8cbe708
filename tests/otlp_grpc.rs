//! Spans as a collector gets them over gRPC, with the headers that the environment says.

mod otlp_support;
mod support;

use axum::Router;
use axum::routing::get as on_get;
use otlp_support::{LONG, Sink, text, told};
use support::{Served, builder, get};
use tracing_subscriber::layer::SubscriberExt;

#[tokio::test]
async fn spans_arrive_over_grpc() {
    let sink = Sink::over_grpc();
    let app = builder()
        .setting("traces.endpoint", sink.url())
        .setting("traces.protocol", "grpc")
        .build()
        .unwrap();
    let (inventory, traces) = (app.inventory().clone(), app.traces().unwrap().clone());
    let subscriber = tracing_subscriber::registry().with(traces.layer().unwrap());
    let _guard = tracing::subscriber::set_default(subscriber);
    let served = Served::start(app, Router::new().route("/", on_get(|| async { "ok" })));
    for _ in 0..20 {
        get(served.addr, "/").await;
        assert!(traces.flush(LONG).await);
    }
    let spans = sink.spans();
    assert_eq!(
        (spans.len(), told(&inventory).exported),
        (20, 20),
        "and none of the exports themselves"
    );
    assert_eq!(text(&spans[0].attributes, "url.path").as_deref(), Some("/"));
    assert_eq!(
        text(&sink.resource().attributes, "service.name").as_deref(),
        Some("tested")
    );
    served.end().await;
}
