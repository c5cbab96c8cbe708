//! The faces that layers show to HTTP, and the layers that only HTTP has.

use std::future::ready;

use http::Request;
use seaworthy::health::Health;
use seaworthy::load_shed::LoadShed;
use seaworthy::rate_limit::{Quota, RateLimit};
use seaworthy::shutdown::Shutdown;
use seaworthy::web::{
    BodyLimitLayer, ContextLayer, CriticalityLayer, ErrorBoundaryLayer, Failed, HealthLayer, ObserveLayer,
    ShutdownLayer,
};
use seaworthy::{App, Body};
use tower::{Layer, Service};

use super::ours::Untold;
use super::{BARE, BUILT, OURS, inbound, layers};
use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::inner::Inner;

pub(super) fn faces(inner: Inner) -> Comparison {
    Comparison {
        title: format!("over HTTP, {inner}"),
        settings: "requests and responses without headers and bodies; there is one key".to_owned(),
        outcome: inner.outcome(),
        bare: of(BARE, inner),
        rows: policies(inner).into_iter().chain(layers_of_http(inner)).collect(),
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

/// Refusals, and the responses that tell of them.
pub(super) fn refused() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    let limit = RateLimit::builder("orders").quota(Quota::per_hour(1));
    let limit = limit.build().expect(BUILT);
    limit.check(1).expect("the first call of the hour");
    let shed = LoadShed::builder("orders").signal("full", || 1.0);
    let shed = shed.build().expect(BUILT);
    let boundary = ErrorBoundaryLayer::new();
    Comparison {
        title: "refused over HTTP".to_owned(),
        settings: "answered with a status and a problem by the error boundary".to_owned(),
        outcome: Outcome::Refusal,
        bare: of(BARE, inner),
        rows: vec![
            of("rate limit", boundary.layer(limit.clone().http_layer().layer(inner))),
            of("load shed", boundary.layer(shed.http_layer().layer(inner))),
            of("inbound stack, rate limit", inbound::stack(limit, inner)),
        ],
        on_two_threads: false,
    }
}

fn policies(inner: Inner) -> Vec<Row> {
    let pass_on = |failed: Failed| ready(failed.pass_on());
    vec![
        row("timeout", &layers::timeout().http_layer(), inner),
        row("retry", &layers::retry().http_layer(), inner),
        row("breaker", &layers::breaker().http_layer(), inner),
        row("keyed breaker", &layers::keyed_breaker().http_layer(key), inner),
        row("bulkhead", &layers::bulkhead().http_layer(), inner),
        row("keyed bulkhead", &layers::keyed_bulkhead().http_layer(key), inner),
        row(
            "partitioned bulkhead",
            &layers::partitioned().http_layer(partition),
            inner,
        ),
        row("rate limit", &layers::rate_limit().http_layer(), inner),
        row("keyed rate limit", &layers::keyed_rate_limit().http_layer(key), inner),
        row("adaptive limit", &layers::adaptive().http_layer(), inner),
        row("load shed", &layers::load_shed().http_layer(), inner),
        row("hedge", &layers::hedge().http_layer(), inner),
        row("fallback", &layers::fallback().http_layer(pass_on), inner),
        row("chaos, told to do nothing", &layers::chaos().http_layer(), inner),
    ]
}

/// There is one key, as nothing in these requests tells them apart.
fn key(_: &Request<Body>) -> u64 {
    0
}

fn partition(request: &Request<Body>) -> &'static str {
    if request.method().is_safe() { "reads" } else { "writes" }
}

fn layers_of_http(inner: Inner) -> Vec<Row> {
    let shutdown = Shutdown::builder().build().expect(BUILT);
    vec![
        row("context", &ContextLayer::default(), inner),
        row("health", &HealthLayer::new(Health::new()), inner),
        row("criticality", &CriticalityLayer::default(), inner),
        row("observation", &ObserveLayer::new(Untold::sink()), inner),
        row("error boundary", &ErrorBoundaryLayer::new(), inner),
        row("shutdown", &ShutdownLayer::new(&shutdown), inner),
        row("body limit", &BodyLimitLayer::new("inbound", 1 << 20), inner),
        outbound(inner),
    ]
}

fn outbound(inner: Inner) -> Row {
    let mut app = App::builder("orders");
    let guarded = app.dependency("payments").layer().http();
    app.build().expect(BUILT);
    row("outbound stack", &guarded, inner)
}

/// Makes the row of a layer over a service.
fn row<L, B>(what: &'static str, layer: &L, inner: Inner) -> Row
where
    L: Layer<Inner, Service: Service<Request<Body>, Response = http::Response<B>> + Clone + Send + 'static>,
{
    of(what, layer.layer(inner)).of_layer(layer)
}

/// Makes a row of a service that is sent requests of the simplest kind.
pub(super) fn of<S, B>(what: &'static str, service: S) -> Row
where
    S: Service<Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
{
    Row::http_service(OURS, what, service, |_| Request::new(Body::default()))
}
