//! What the service is made of: its endpoints, what it calls, and what is said of it that no code can prove.

use std::time::Duration;

use http::Method;
use seaworthy::rate_limit::Quota;
use seaworthy::{App, AppBuilder, BoxError, Endpoint, HttpClient};

/// Where the manifest and the runbooks are. A service that is shipped alone has them beside it instead.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/orders");

/// Says what placing an order may take, and how many of them everybody may place.
pub fn placing() -> Endpoint {
    Endpoint::default()
        .deadline(Duration::from_secs(2))
        .body_limit(4096)
        .rate_limit(Quota::per_second(2000))
        .per_client(Quota::per_second(20).burst(40))
}

/// Declares the service, with `payments` at an address unless the settings name another.
pub fn declare(payments: String, placing: Endpoint) -> (AppBuilder, HttpClient) {
    let mut app = App::builder("orders")
        .owner("team-orders")
        .manifest_file(format!("{FOLDER}/readiness.toml"))
        .endpoint(Method::POST, "/orders", placing)
        .endpoint(
            Method::GET,
            "/orders/{id}",
            Endpoint::default()
                .deadline(Duration::from_secs(1))
                .rate_limit(Quota::per_second(20_000))
                .per_client(Quota::per_second(2000).burst(4000)),
        )
        .endpoint(Method::GET, "/slow", Endpoint::default())
        .endpoint(Method::GET, "/events", Endpoint::default().stream())
        .endpoint(Method::GET, "/drills/endless", Endpoint::default().stream())
        .endpoint(
            Method::POST,
            "/drills/swallow",
            Endpoint::default()
                .deadline(Duration::from_secs(20))
                .body_limit(1 << 40),
        )
        .endpoint(Method::GET, "/drills/websocket", Endpoint::default().stream())
        .startup_task("warm-up", warm_up());
    // Without payments no order is taken, but those that were can still be read: so the service stays ready.
    let payments = app
        .dependency("payments")
        .runbook(format!("{FOLDER}/runbooks/payments.md"))
        .health_path("/ping")
        // Three attempts of this fit into the two seconds that an order has.
        .deadline(Duration::from_secs(2))
        .attempt_timeout(Duration::from_millis(500))
        // A shop of this size does not make 20 calls in 30 s; and it sells again soon after payments is back.
        .breaker(|breaker| {
            let five = Duration::from_secs(5);
            breaker.minimum_calls(10).open(five, five)
        })
        .http(payments);
    (app, payments)
}

/// Stands for what must be done before the first request, such as a migration.
async fn warm_up() -> Result<(), BoxError> {
    Ok(())
}
