//! A complete small service: takes orders, and lets `payments` agree to each.
//!
//! ```sh
//! cargo run --example orders --features full
//! ```
//!
//! Nothing needs to be set up: `payments` is started beside it on a free port, unless
//! `SEAWORTHY_DEPENDENCIES__PAYMENTS__URL` names one. The first lines of the log say where everything is.

mod api;
mod drills;
mod payments;

use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use seaworthy::health::Check;
use seaworthy::rate_limit::Quota;
use seaworthy::{App, Bound, BoxError, Endpoint};

use api::Api;
use payments::{Payments, upstream};

fn main() -> ExitCode {
    seaworthy::run(async {
        let app = App::builder("orders")
            .owner("team-orders")
            .endpoint(
                Method::POST,
                "/orders",
                Endpoint::default()
                    .deadline(Duration::from_secs(2))
                    .body_limit(4096)
                    .rate_limit(Quota::per_second(2000))
                    .per_client(Quota::per_second(20).burst(40)),
            )
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
                    .deadline(Duration::from_secs(60))
                    .body_limit(1 << 40),
            )
            .endpoint(Method::GET, "/drills/websocket", Endpoint::default().stream())
            .startup_task("warm-up", warm_up())
            .build()?;

        let url = match app.dependency_url("payments") {
            Some(url) => url.clone(),
            None => upstream::start().await?,
        };
        let payments = Payments::new(&url, app.inventory(), app.events())?;
        // Optional: without payments no order is taken, but those that were can still be read.
        let check = payments.clone();
        app.health()
            .check(Check::new("payments", move || check.clone().ping()).optional())?;
        app.shutdown().on_shutdown("goodbye", || async {
            tracing::info!("all orders are in");
            Ok(())
        });

        let bound = app.bind()?;
        say_what_to_try(&bound, &url);
        Ok::<_, BoxError>(bound.serve(Api::new(payments).router()).await?)
    })
}

/// Stands for what must be done before the first request, such as a migration.
async fn warm_up() -> Result<(), BoxError> {
    Ok(())
}

fn say_what_to_try(bound: &Bound, payments: &http::Uri) {
    let (orders, admin) = (bound.local_addr(), bound.admin_addr());
    let tries = [
        (
            "place an order",
            format!(r#"curl -i http://{orders}/orders --json '{{"item":"anchor","quantity":2}}'"#),
        ),
        ("read it", format!("curl -i http://{orders}/orders/1")),
        ("wait for an answer", format!("curl -i 'http://{orders}/slow?ms=500'")),
        ("follow the events", format!("curl -N http://{orders}/events")),
        (
            "ask whether it is ready",
            format!("curl 'http://{admin}/readyz?verbose'"),
        ),
        ("see the dependencies", format!("curl http://{admin}/healthz")),
        ("see the golden signals", format!("curl http://{admin}/metrics")),
        (
            "let payments hang",
            format!(r#"curl -X PUT {payments}control --json '{{"mode":"hanging"}}'"#),
        ),
        (
            "let payments fail",
            format!(r#"curl -X PUT {payments}control --json '{{"mode":"failing"}}'"#),
        ),
        (
            "let payments recover",
            format!(r#"curl -X PUT {payments}control --json '{{"mode":"healthy"}}'"#),
        ),
    ];
    for (what, curl) in tries {
        tracing::info!("{what}: {curl}");
    }
}
