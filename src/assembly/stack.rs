//! The way of a request through an [`App`].

use tower::ServiceBuilder;

use super::app::App;
use crate::web::{
    BodyLimitLayer, CriticalityLayer, ErrorBoundaryLayer, HealthLayer, HttpService, ObserveLayer, QuotasLayer,
    RequestIdLayer, ShutdownLayer,
};

/// Puts the inbound stack round a service, outermost layer first.
pub(super) fn inbound(app: &App, service: impl HttpService) -> impl HttpService {
    ServiceBuilder::new()
        // Outside of all that answers, so that every response carries the id.
        .layer(RequestIdLayer::default().trust_callers(app.settings.trust_request_id))
        // Before any limit: answered even when everything behind is saturated.
        .layer(HealthLayer::new(app.health.clone()).status_only())
        // Above all that has labels or limits: it finds the endpoint's.
        .layer(app.endpoints.clone())
        // Inside of the endpoints, outside of all that asks how much a request matters.
        .layer(CriticalityLayer::default().trust_callers(app.settings.trust_criticality))
        // Outside of the boundary: sees the final status of refusals, panics and cancellations.
        .layer(ObserveLayer::new(app.telemetry.request_sink()))
        // Outside of all that refuses or fails; nothing above it can fail.
        .layer(ErrorBoundaryLayer::new())
        // Inside of the boundary, outside of all that waits: counts what is in flight to the end of its body.
        .layer(ShutdownLayer::new(&app.shutdown))
        // Everything below waits under it, or under the caller's own if that is shorter.
        .layer(app.inbound.http_layer().callers_deadline(true))
        // Before all that is shared: what one client is refused costs the others nothing.
        .layer(QuotasLayer)
        // Next to the service: what is refused above is never read.
        .layer(BodyLimitLayer::new("inbound", app.settings.body_limit))
        .service(service)
}
