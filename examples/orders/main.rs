//! A complete small service: takes orders, and lets `payments` agree to each.
//!
//! ```sh
//! cargo run --example orders --features full
//! ```
//!
//! Nothing needs to be set up: `payments` is started beside it on a free port, and used unless
//! `SEAWORTHY_DEPENDENCIES__PAYMENTS__URL` names another. The first lines of the log say where everything is.

mod api;
mod app;
mod drills;
mod payments;

use std::process::ExitCode;

use seaworthy::{Bound, BoxError};

use api::Api;
use payments::{Payments, upstream};

fn main() -> ExitCode {
    seaworthy::run(async {
        let (app, payments) = app::declare(upstream::start().await?, app::placing());
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
        ("ask whether it is go or no-go", format!("curl http://{admin}/review")),
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
