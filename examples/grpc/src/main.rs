//! The service. It listens on `127.0.0.1:8080` unless `SEAWORTHY_SERVER__LISTEN` says otherwise, and needs nothing else.
//!
//! ```sh
//! cargo run --package example-grpc
//! ```

use std::process::ExitCode;

use example_grpc::app;
use example_grpc::ledger::Ledger;
use seaworthy::{Bound, BoxError};

fn main() -> ExitCode {
    seaworthy::run(async {
        let (app, guard) = app::declare();
        let bound = app.build()?.bind()?;
        say_what_to_try(&bound);
        let routes = app::routes(bound.app(), Ledger::default(), guard);
        Ok::<_, BoxError>(bound.serve(routes).await?)
    })
}

fn say_what_to_try(bound: &Bound) {
    let (orders, admin) = (bound.local_addr(), bound.admin_addr());
    let client = "cargo run --package example-grpc --bin example-grpc-client --";
    tracing::info!("place an order, and follow those to come: {client} http://{orders}");
    tracing::info!("ask whether it is ready: curl 'http://{admin}/readyz?verbose'");
    tracing::info!("see the golden signals: curl http://{admin}/metrics");
}
