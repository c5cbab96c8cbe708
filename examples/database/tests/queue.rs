//! The queue hands each job to one worker at a time, and loses none.

mod support;

use std::collections::BTreeSet;
use std::future::{pending, ready};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::tokio_postgres::{Client, Config};
use example_database::dead_letters::{DeadLetterTable, Seen};
use example_database::queue::{InvoiceJob, Queue};
use futures_util::future::{FutureExt, join_all};
use seaworthy::context::RequestId;
use seaworthy::shutdown::{Cause, Shutdown};
use seaworthy::worker::{DeadLetters, GivenBack, Source, Worker};
use seaworthy::{App, Guard};
use support::{PATIENCE, connect, connections, eventually, migrated, number, until};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

const FREE: &str = "select count(*) from jobs where leased_until <= now()";
const HANDED_OUT: &str = "select count(*) from jobs where leased_until > now()";
const JOBS: &str = "select count(*) from jobs";

/// For leases that do not end while a test runs.
const HOUR: Duration = Duration::from_secs(3600);

fn guard() -> Guard {
    App::builder("test").dependency("queue").guard()
}

fn queue(database: &Config, lease: Duration) -> Queue {
    Queue::new(connections(database), guard(), lease)
}

/// A shutdown that drains as soon as it is asked to.
fn shutdown() -> Shutdown {
    let shutdown = Shutdown::builder().hold(Duration::ZERO).build().unwrap();
    let drive = shutdown.clone();
    tokio::spawn(async move { drive.drive(&Handle::current()).await });
    shutdown
}

async fn add(client: &Client, jobs: i64) {
    let add = "
        with placed as (
            insert into orders (item, quantity) select 'anchor', 1 from generate_series(1, $1::bigint) returning id
        )
        insert into jobs (order_id, request_id) select id, 'request-' || id from placed";
    client.execute(add, &[&jobs]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_job_is_with_two_workers_at_once() {
    let database = migrated().await;
    let client = connect(&database).await;
    add(&client, 80).await;
    let workers = (0..8).map(|_| async {
        let queue = queue(&database, HOUR);
        let mut orders = Vec::new();
        for _ in 0..10 {
            orders.push(queue.next().await.unwrap().unwrap().job.order);
        }
        orders
    });
    let orders: Vec<i64> = timeout(PATIENCE, join_all(workers)).await.unwrap().concat();
    assert_eq!(orders.iter().collect::<BTreeSet<_>>().len(), 80, "{orders:?}");
}

#[tokio::test]
async fn what_a_dead_worker_had_is_handed_out_again_when_its_lease_is_over() {
    let database = migrated().await;
    let client = connect(&database).await;
    add(&client, 1).await;
    let dead = queue(&database, Duration::from_millis(100));
    let first = dead.next().await.unwrap().unwrap();

    let alive = queue(&database, HOUR);
    let second = timeout(PATIENCE, alive.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(second.job.order, first.job.order);

    // It was not dead, only slow: what it says of a job that is no longer its own does not count.
    let late = dead.done(first.receipt).await.unwrap_err().to_string();
    assert!(late.ends_with("was over: somebody else has it"), "{late}");
    dead.give_back(first.receipt, GivenBack::new(1, "late"))
        .await
        .unwrap_err();
    assert_eq!(number(&client, HANDED_OUT).await, 1);
    alive.done(second.receipt).await.unwrap();
    assert_eq!(number(&client, JOBS).await, 0);
}

#[tokio::test]
async fn a_job_is_not_handed_out_again_before_its_lease_is_over() {
    let database = migrated().await;
    add(&connect(&database).await, 1).await;
    let queue = queue(&database, HOUR);
    let taken = queue.next().await.unwrap().unwrap();
    // The queue is asked a few times meanwhile.
    assert!(timeout(Duration::from_millis(500), queue.next()).await.is_err());
    queue.give_back(taken.receipt, GivenBack::new(1, "cut")).await.unwrap();
    timeout(PATIENCE, queue.next()).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_goes_back() {
    let database = migrated().await;
    let client = connect(&database).await;
    add(&client, 1).await;
    let queue = queue(&database, HOUR);
    // Begun, and dropped.
    assert!(queue.next().now_or_never().is_none());
    until(&client, "select max(handed_out)::bigint from jobs", 1).await;
    until(&client, FREE, 1).await;
}

#[tokio::test]
async fn a_drain_gives_back_what_is_not_finished() {
    let database = migrated().await;
    let client = connect(&database).await;
    add(&client, 3).await;
    let worker = Worker::builder("invoices")
        .concurrent(2)
        .drain(Duration::ZERO)
        .build()
        .unwrap();
    let shutdown = shutdown();
    let (queue, draining, busy) = (queue(&database, HOUR), shutdown.draining(), worker.clone());
    let working = tokio::spawn(async move {
        let never = |_: Arc<InvoiceJob>| pending::<Result<(), String>>();
        busy.run(queue, &draining, None, never).await;
    });
    until(&client, HANDED_OUT, 2).await;
    shutdown.begin(Cause::Terminate);
    timeout(PATIENCE, working).await.unwrap().unwrap();
    assert_eq!(number(&client, FREE).await, 3);
    assert_eq!(worker.snapshot().given_back, 2);
}

#[tokio::test]
async fn a_job_that_fails_becomes_a_dead_letter_and_can_be_put_back() {
    let database = migrated().await;
    let client = connect(&database).await;
    add(&client, 1).await;
    let seen = Seen::default();
    let letters = DeadLetterTable::new(connections(&database), guard(), seen.clone());
    let worker = Worker::builder("invoices")
        .dead_letters(letters.clone())
        .build()
        .unwrap();
    let shutdown = shutdown();
    let (queue, draining) = (queue(&database, HOUR), shutdown.draining());
    let working = tokio::spawn(async move {
        let fail = |_: Arc<InvoiceJob>| ready(Err::<(), _>("no paper"));
        worker.run(queue, &draining, None, fail).await;
    });
    until(&client, JOBS, 0).await;
    let row = client
        .query_one(
            "select worker, reason, attempts, request_id, payload from dead_letters",
            &[],
        )
        .await
        .unwrap();
    let (worker, reason, attempts, id, payload) = (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
    assert_eq!(
        (worker, reason, attempts, id, payload),
        ("invoices", "no paper", 3_i64, "request-1", "1")
    );
    assert_eq!(letters.count(), Some(1));
    shutdown.begin(Cause::Terminate);
    timeout(PATIENCE, working).await.unwrap().unwrap();

    client.batch_execute(include_str!("../replay.sql")).await.unwrap();
    assert_eq!(number(&client, FREE).await, 1);
    seen.look(&connections(&database)).await.unwrap();
    assert_eq!(letters.count(), Some(0));
}

#[tokio::test]
async fn a_job_is_done_in_the_name_of_the_request_that_asked_for_it() {
    let database = migrated().await;
    let client = connect(&database).await;
    add(&client, 1).await;
    let worker = Worker::builder("invoices").build().unwrap();
    let shutdown = shutdown();
    let (queue, draining) = (queue(&database, HOUR), shutdown.draining());
    let (asked, is_asked) = (Arc::new(Notify::new()), Arc::new(std::sync::Mutex::new(None)));
    let (tell, id) = (Arc::clone(&asked), Arc::clone(&is_asked));
    tokio::spawn(async move {
        let work = move |_: Arc<InvoiceJob>| {
            *id.lock().unwrap() = RequestId::current();
            tell.notify_one();
            ready(Ok::<_, String>(()))
        };
        worker.run(queue, &draining, None, work).await;
    });
    timeout(PATIENCE, asked.notified()).await.unwrap();
    assert_eq!(is_asked.lock().unwrap().as_ref().unwrap().as_str(), "request-1");
    eventually("the job is settled", async || number(&client, JOBS).await == 0).await;
}
