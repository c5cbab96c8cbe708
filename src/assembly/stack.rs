//! The way of a request through an [`App`].

use http::Request;
use tower::ServiceBuilder;

use super::app::App;
use super::inbound::{CRITICAL, NON_CRITICAL, STREAMS};
use crate::base::criticality::Criticality;
use crate::web::{
    BodyLimitLayer, CriticalityLayer, ErrorBoundaryLayer, HealthLayer, HttpService, ObserveLayer, QuotasLayer,
    RequestLimits, ShutdownLayer,
};

/// Puts the inbound stack round a service, outermost layer first.
pub(super) fn inbound(app: &App, service: impl HttpService) -> impl HttpService {
    ServiceBuilder::new()
        // Outside of all that answers, so that every response carries the id.
        .layer(app.settings.context)
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
        .layer(app.inbound.deadline.http_layer().callers_deadline(true))
        // Before all that is shared: what one client is refused costs the others nothing, and sheds nobody else.
        .layer(QuotasLayer)
        // Outside of the limit whose pressure it looks at: what matters least is refused before there is no place.
        .layer(app.inbound.shed.http_layer())
        // Outside of the bulkheads: it measures all that a call waits for; what they refuse says nothing to it.
        .layer(app.inbound.adaptive.http_layer())
        // Inside of all that refuses: takes a place only for what is about to be served.
        .layer(app.inbound.bulkhead.http_layer(partition))
        // Next to the service: what is refused above is never read.
        .layer(BodyLimitLayer::new("inbound", app.settings.body_limit))
        .service(service)
}

/// Returns whose places a request takes.
fn partition<B>(request: &Request<B>) -> &'static str {
    let extensions = request.extensions();
    if extensions.get().is_some_and(|limits: &RequestLimits| limits.stream) {
        return STREAMS;
    }
    let class: Criticality = extensions.get().copied().unwrap_or_default();
    if class >= Criticality::Critical {
        CRITICAL
    } else {
        NON_CRITICAL
    }
}
