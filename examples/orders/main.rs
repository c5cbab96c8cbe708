//! A complete small service: takes orders, and lets `payments` agree to each.
//!
//! ```sh
//! cargo run --example orders --features full
//! ```
//!
//! Nothing needs to be set up: `payments` is started beside it on a free port, and used unless
//! `SEAWORTHY_DEPENDENCIES__PAYMENTS__URL` names another. The first lines of the log say where everything is.

mod api;
mod drills;
mod payments;

use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use seaworthy::rate_limit::Quota;
use seaworthy::{App, Bound, BoxError, Endpoint};

use api::Api;
use payments::{Payments, upstream};

fn main() -> ExitCode {
    seaworthy::run(async {
        let mut app = App::builder("orders")
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
                    .deadline(Duration::from_secs(20))
                    .body_limit(1 << 40),
            )
            .endpoint(Method::GET, "/drills/websocket", Endpoint::default().stream())
            .startup_task("warm-up", warm_up());
        // Without payments no order is taken, but those that were can still be read: so the service stays ready.
        let payments = app
            .dependency("payments")
            .runbook(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/examples/orders/runbooks/payments.md"
            ))
            .health_path("/ping")
            // Three attempts of this fit into the two seconds that an order has.
            .deadline(Duration::from_secs(2))
            .attempt_timeout(Duration::from_millis(500))
            // A shop of this size does not make 20 calls in 30 s; and it sells again soon after payments is back.
            .breaker(|breaker| {
                let five = Duration::from_secs(5);
                breaker.minimum_calls(10).open(five, five)
            })
            .http(upstream::start().await?);
        let app = app.build()?;
        app.shutdown().on_shutdown("goodbye", || async {
            tracing::info!("all orders are in");
            Ok(())
        });

        let bound = app.bind()?;
        say_what_to_try(&bound);
        Ok::<_, BoxError>(bound.serve(Api::new(Payments::new(payments)).router()).await?)
    })
}

/// Stands for what must be done before the first request, such as a migration.
async fn warm_up() -> Result<(), BoxError> {
    Ok(())
}

fn say_what_to_try(bound: &Bound) {
    let (orders, admin) = (bound.local_addr(), bound.admin_addr());
    let Some(payments) = bound.app().dependency_url("payments") else {
        return;
    };
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
