//! What the service is made of: its endpoints, the database with its guards, and the worker beside the requests.

use std::time::Duration;

use deadpool_postgres::tokio_postgres::config::Config;
use http::Method;
use seaworthy::worker::Worker;
use seaworthy::{App, AppBuilder, BoxError, Control, Endpoint};

use crate::api::Api;
use crate::connections::Connections;
use crate::dead_letters::{DeadLetterTable, Seen};
use crate::invoices::Invoices;
use crate::migrations;
use crate::orders::Orders;
use crate::queue::Queue;

/// How many queries of requests are under way at once, and how many of the worker.
const QUERIES: u32 = 8;
const JOB_QUERIES: u32 = 6;

/// The connections that no query gets: a check asks the database also when all places are taken.
const FOR_CHECKS: u32 = 1;

/// How long the worker may take for a job; storing a dead letter and settling may take 5 s each on top.
const JOB: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(20);

/// Declares the service.
pub fn declare(database: &Config) -> Result<(AppBuilder, Api), BoxError> {
    let endpoint = || Endpoint::default().deadline(Duration::from_secs(2)).body_limit(4096);
    let app = App::builder("database")
        .owner("team-orders")
        .endpoint(Method::POST, "/orders", endpoint())
        .endpoint(Method::GET, "/orders/{id}", endpoint());
    let (app, orders) = requests(app, database)?;
    Ok((worker(app, database)?, Api::new(orders)))
}

/// What requests ask of the database.
fn requests(mut app: AppBuilder, database: &Config) -> Result<(AppBuilder, Orders), BoxError> {
    let connections = Connections::new(database, QUERIES + FOR_CHECKS)?;
    let pool = connections.clone();
    // Not needed for readiness, though nothing works without it: all replicas would leave the traffic at once, and callers
    // would get no answer at all instead of one that says when to come back.
    let guard = app
        .dependency("database")
        .check(move || {
            let pool = pool.clone();
            async move { pool.ping().await }
        })
        // Three attempts and the waits between them fit into the deadline, and that into a request's.
        .deadline(Duration::from_millis(1500))
        .attempt_timeout(Duration::from_millis(400))
        .breaker(|breaker| {
            let five = Duration::from_secs(5);
            breaker.minimum_calls(10).open(five, five)
        })
        .bulkhead(|bulkhead| bulkhead.concurrent(QUERIES))
        .guard();
    let app = app
        .startup_task("migrations", migrations::migrate(connections.clone()))
        .schema(migrations::gate(connections.clone()));
    Ok((app, Orders::new(connections, guard)))
}

/// The worker, with connections, places and a circuit of its own: jobs that pile up take nothing from requests.
fn worker(mut app: AppBuilder, database: &Config) -> Result<AppBuilder, BoxError> {
    let connections = Connections::new(database, JOB_QUERIES + FOR_CHECKS)?;
    let seen = Seen::default();
    let (pool, look) = (connections.clone(), seen.clone());
    let guard = app
        .dependency("queue")
        .check(move || {
            let (pool, look) = (pool.clone(), look.clone());
            async move { look.look(&pool).await }
        })
        .deadline(Duration::from_secs(2))
        .attempt_timeout(Duration::from_secs(1))
        .without(
            Control::Retry,
            "the worker tries jobs again, and what is not settled comes again",
        )
        .bulkhead(|bulkhead| bulkhead.concurrent(JOB_QUERIES))
        .guard();
    let queue = Queue::new(connections.clone(), guard.clone(), LEASE);
    let letters = DeadLetterTable::new(connections.clone(), guard.clone(), seen);
    let invoices = Invoices::new(connections, guard);
    let worker = Worker::builder("invoices")
        .concurrent(4)
        .deadline(JOB)
        .drain(JOB)
        .dead_letters(letters)
        .build()?;
    Ok(app.worker(worker, queue, move |job| {
        let invoices = invoices.clone();
        async move { invoices.write(&job).await }
    }))
}
