//! The inbound stack, as an `App` puts it round a service, of the layers that everybody can put there.

use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::bulkhead::Bulkhead;
use seaworthy::health::Health;
use seaworthy::load_shed::LoadShed;
use seaworthy::rate_limit::RateLimit;
use seaworthy::shutdown::Shutdown;
use seaworthy::web::{
    BodyLimitLayer, ContextLayer, CriticalityLayer, ErrorBoundaryLayer, HealthLayer, HttpService, ObserveLayer,
    ShutdownLayer,
};
use tower::ServiceBuilder;

use super::ours::Untold;
use super::{BARE, BUILT, http, layers};
use seaworthy_harness::comparison::Comparison;
use seaworthy_harness::inner::Inner;

pub(super) fn over(inner: Inner) -> Comparison {
    Comparison {
        title: format!("inbound, {inner}"),
        settings:
            "wired by hand in the order of an `App`, without its table of endpoints; what is observed is thrown away"
                .to_owned(),
        outcome: inner.outcome(),
        bare: http::of(BARE, inner),
        rows: vec![
            http::of("five of its layers", five(inner)),
            http::of("inbound stack", stack(layers::rate_limit(), inner)),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

fn five(inner: Inner) -> impl HttpService {
    ServiceBuilder::new()
        .layer(ErrorBoundaryLayer::new())
        .layer(layers::timeout().http_layer())
        .layer(layers::rate_limit().http_layer())
        .layer(layers::load_shed().http_layer())
        .layer(layers::bulkhead().http_layer())
        .service(inner)
}

pub(super) fn stack(limit: RateLimit, inner: Inner) -> impl HttpService {
    let adaptive: AdaptiveLimit = layers::adaptive();
    let shed = LoadShed::builder("inbound").signal("adaptive_limit", adaptive.clone());
    let bulkhead = Bulkhead::builder("inbound").build().expect(BUILT);
    let shutdown = Shutdown::builder().build().expect(BUILT);
    ServiceBuilder::new()
        .layer(ContextLayer::default())
        .layer(HealthLayer::new(Health::new()).status_only())
        .layer(CriticalityLayer::default())
        .layer(ObserveLayer::new(Untold::sink()))
        .layer(ErrorBoundaryLayer::new())
        .layer(ShutdownLayer::new(&shutdown))
        .layer(layers::timeout().http_layer().callers_deadline(true))
        .layer(limit.http_layer())
        .layer(shed.build().expect(BUILT).http_layer())
        .layer(adaptive.http_layer())
        .layer(bulkhead.http_layer())
        .layer(BodyLimitLayer::new("inbound", 1 << 20))
        .service(inner)
}
