//! Orders in PostgreSQL, and an invoice for each that is written off the request path.
//!
//! ```sh
//! ci/postgres cargo run --package example-database
//! ```
//!
//! `ci/postgres` starts a throw-away cluster; with one of your own, set `DATABASE_URL` and leave it out.
//!
//! ```sh
//! curl -i http://127.0.0.1:8080/orders --json '{"item":"anchor","quantity":2}'
//! curl http://127.0.0.1:8080/orders/1
//! curl 'http://127.0.0.1:9090/readyz?verbose'
//! ```
//!
//! What to take from it, file by file:
//!
//! - `connections.rs`: a pool that is waited for so long and no longer, and queries that end on the server when nobody waits
//!   for them any more;
//! - `app.rs`: the guard round the pool, whose places fit it, and a check that has a connection left;
//! - `orders.rs`: a read that is tried again, and a write that is not, with its job in the same transaction;
//! - `migrations.rs`: migrations as a startup task, once however many replicas start, each with its way back;
//! - `queue.rs` and `dead_letters.rs`: tables that a worker takes its jobs from, and gives up on them into.

use std::process::ExitCode;

use example_database::{app, connections};
use seaworthy::BoxError;

fn main() -> ExitCode {
    seaworthy::run(async {
        let database = connections::database_url()?;
        let (app, api) = app::declare(&database)?;
        Ok::<_, BoxError>(app.build()?.serve(api.router()).await?)
    })
}
