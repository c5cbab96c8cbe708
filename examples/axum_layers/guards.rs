//! The layers round the routes, and how they answer.

use std::time::Duration;

use axum::Router;
use seaworthy::InvalidSettings;
use seaworthy::bulkhead::Bulkhead;
use seaworthy::health::Health;
use seaworthy::rate_limit::{AtCapacity, Quota, RateLimit};
use seaworthy::shutdown::Shutdown;
use seaworthy::timeout::Timeout;
use seaworthy::web::{BodyLimitLayer, ClientIp, ContextLayer, ErrorBoundaryLayer, HealthLayer, ShutdownLayer};
use tower::ServiceBuilder;

/// The most clients that are told apart; a flood of new ones makes those forgotten that have spent the least.
const CLIENTS: usize = 100_000;

/// Puts all layers round a router, in the order in which a request meets them.
pub fn guarded(router: Router, health: &Health, shutdown: &Shutdown) -> Result<Router, InvalidSettings> {
    let inbound = Timeout::builder("inbound").limit(Duration::from_secs(10)).build()?;
    let clients = RateLimit::builder("clients").quota(Quota::per_second(100).burst(200));
    let clients = clients.build_keyed(CLIENTS, AtCapacity::Forget)?;
    let places = Bulkhead::builder("places").concurrent(256).build()?;

    Ok(router.layer(
        ServiceBuilder::new()
            // Every response names its request, refusals and probes too.
            .layer(ContextLayer::default())
            // The probes are answered when all that follows is full.
            .layer(HealthLayer::new(health.clone()).status_only())
            // Refusals, errors and panics become responses.
            .layer(ErrorBoundaryLayer::new())
            // Counts what a shutdown has to wait for.
            .layer(ShutdownLayer::new(shutdown))
            // Whatever waits further in waits under it; a caller may ask for less.
            .layer(inbound.http_layer().callers_deadline(true))
            // Before the places, so that one client does not take all of them. Behind a proxy of yours:
            // `ClientIp::x_forwarded_for(1)`.
            .layer(clients.http_layer(ClientIp::peer()))
            .layer(places.http_layer())
            .layer(BodyLimitLayer::new("bodies", 1 << 20)),
    ))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, StatusCode};
    use seaworthy::shutdown::Cause;
    use tokio::runtime::Handle;
    use tower::ServiceExt;

    use super::*;
    use crate::routes;

    struct Service {
        app: Router,
        health: Health,
        shutdown: Shutdown,
    }

    impl Service {
        fn new() -> Self {
            let health = Health::new();
            let shutdown = Shutdown::builder().build().unwrap();
            let app = guarded(routes(), &health, &shutdown).unwrap();
            Self { app, health, shutdown }
        }

        async fn status(&self, path: &str) -> StatusCode {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = self.app.clone().oneshot(request).await.unwrap();
            assert!(response.headers().contains_key("x-request-id"), "{path}");
            response.status()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_and_who_asks_too_often_is_refused() {
        let service = Service::new();
        assert_eq!(service.status("/slow/60000").await, StatusCode::GATEWAY_TIMEOUT);
        for _ in 0..200 {
            assert_eq!(service.status("/").await, StatusCode::OK);
        }
        assert_eq!(service.status("/").await, StatusCode::TOO_MANY_REQUESTS);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_places_for_256_requests_and_64_that_wait() {
        let service = Service::new();
        let mut busy = Vec::new();
        for client in 0..320u16 {
            let mut request = Request::get("/slow/5000").body(Body::empty()).unwrap();
            let peer = std::net::SocketAddr::from(([10, 0, (client >> 8) as u8, client as u8], 1));
            request.extensions_mut().insert(seaworthy::web::PeerAddr(peer));
            busy.push(tokio::spawn(service.app.clone().oneshot(request)));
        }
        while service.shutdown.in_flight() < 320 {
            tokio::task::yield_now().await;
        }
        assert_eq!(service.status("/").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(service.status("/livez").await, StatusCode::OK, "probes need no place");
        let mut answered = 0;
        for request in busy {
            answered += u32::from(request.await.unwrap().unwrap().status().is_success());
        }
        assert_eq!(answered, 256);
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_turns_readiness_and_waits_for_what_is_in_flight() {
        let service = Service::new();
        let draining = service.health.clone();
        service.shutdown.on_begin(move || draining.drain());
        assert_eq!(service.status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        service.health.start(&Handle::current());
        assert_eq!(service.status("/readyz").await, StatusCode::OK);

        let request = Request::get("/slow/8000").body(Body::empty()).unwrap();
        let slow = tokio::spawn(service.app.clone().oneshot(request));
        tokio::task::yield_now().await;
        let shutdown = service.shutdown.clone();
        shutdown.begin(Cause::Requested);
        let driven = tokio::spawn(async move { shutdown.drive(&Handle::current()).await });
        tokio::task::yield_now().await;
        assert_eq!(service.status("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(slow.await.unwrap().unwrap().status(), StatusCode::OK);
        let drained = driven.await.unwrap();
        assert!(drained.is_whole() && drained.took >= Duration::from_secs(8));
    }
}
