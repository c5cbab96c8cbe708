//! What the service is made of: its methods as endpoints, what it calls, and what it serves.

use std::time::Duration;

use http::Method;
use seaworthy::criticality::Criticality;
use seaworthy::rate_limit::Quota;
use seaworthy::{App, AppBuilder, Control, Endpoint, Guard};
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;

use crate::health::LiveHealth;
use crate::ledger::Ledger;
use crate::orders::Orders;
use crate::proto::orders_server::{OrdersServer, SERVICE_NAME};

/// Declares the service, and returns the guard of what it calls.
pub fn declare() -> (AppBuilder, Guard) {
    let mut app = App::builder("orders-grpc")
        .owner("team-orders")
        // Every gRPC call is a POST to `/package.Service/Method`.
        .endpoint(
            Method::POST,
            "/orders.v1.Orders/Place",
            Endpoint::default()
                .deadline(Duration::from_secs(2))
                .body_limit(4096)
                .rate_limit(Quota::per_second(2000))
                .per_client(Quota::per_second(20).burst(40)),
        )
        .endpoint(Method::POST, "/orders.v1.Orders/Watch", Endpoint::default().stream())
        .endpoint(Method::POST, "/grpc.health.v1.Health/Check", probe())
        .endpoint(Method::POST, "/grpc.health.v1.Health/Watch", probe().stream());
    let ledger = app
        .dependency("ledger")
        .deadline(Duration::from_secs(2))
        .attempt_timeout(Duration::from_secs(1))
        .guard();
    (app, ledger)
}

/// Whoever asks whether the service works is not told that it has asked too often, and is the last to be refused.
fn probe() -> Endpoint {
    let reason = "a probe that is refused takes a service out of traffic that works";
    Endpoint::default()
        .criticality(Criticality::CriticalPlus)
        .without(Control::RateLimit, reason)
        .without(Control::ClientRateLimit, reason)
}

/// Puts together what is served: a tonic server's services, without its transport.
pub fn routes(app: &App, ledger: Ledger, guard: Guard) -> Routes {
    let orders = Orders::new(ledger, guard, app.shutdown().draining());
    let health = LiveHealth::new(app, [SERVICE_NAME]);
    Routes::new(OrdersServer::new(orders)).add_service(HealthServer::new(health))
}
