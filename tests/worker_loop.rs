//! A worker's loop: bounded, in time, and nothing is lost in silence.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use seaworthy::context::{Context, RequestId};
use seaworthy::health::Health;
use seaworthy::inventory::Describe;
use seaworthy::review::Kind;
use seaworthy::shutdown::{Cause, Shutdown};
use seaworthy::testing::text;
use seaworthy::worker::{
    ChannelSource, DeadLetter, DeadLetters, Delivery, GivenBack, Job, Permanent, Source, Stored, TrySendError, Worker,
    WorkerBuilder, channel,
};
use seaworthy::{App, BoxError};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, advance, sleep};

/// Keeps letters in memory, or refuses them.
#[derive(Clone, Default)]
struct Letters {
    stored: Arc<Mutex<Vec<DeadLetter>>>,
    refusals: Arc<AtomicU32>,
}

impl Letters {
    fn all(&self) -> Vec<DeadLetter> {
        self.stored.lock().unwrap().clone()
    }
}

impl DeadLetters for Letters {
    fn store(&self, letter: DeadLetter) -> Stored<'_> {
        Box::pin(async {
            if self.refusals.load(Ordering::SeqCst) > 0 {
                self.refusals.fetch_sub(1, Ordering::SeqCst);
                return Err("no room".into());
            }
            self.stored.lock().unwrap().push(letter);
            Ok(())
        })
    }

    fn count(&self) -> Option<u64> {
        Some(self.all().len() as u64)
    }
}

fn shutdown() -> Shutdown {
    Shutdown::builder().build().unwrap()
}

fn worker(letters: &Letters) -> WorkerBuilder {
    Worker::builder("invoices").dead_letters(letters.clone())
}

async fn jobs(numbers: impl IntoIterator<Item = u64>) -> ChannelSource<u64> {
    let (jobs, source) = channel(100);
    for number in numbers {
        jobs.send(number).await.unwrap();
    }
    source
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_tried_again_and_then_kept_with_its_reason_and_its_request() {
    let letters = Letters::default();
    let worker = worker(&letters).build().unwrap();
    let (jobs, source) = channel(10);
    let id: RequestId = "order-7".parse().unwrap();
    let send = async move { jobs.send(7).await.unwrap() };
    Context::current().request_id(id.clone()).scope(send).await;

    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let handler = move |_| {
        sees.lock().unwrap().push(RequestId::current());
        async { Err::<(), _>("payments said no") }
    };
    worker.run(source, &shutdown().draining(), None, handler).await;

    assert_eq!(*seen.lock().unwrap(), vec![Some(id); 3]);
    let all = letters.all();
    let DeadLetter {
        worker: by,
        reason,
        attempts,
        request_id,
        payload,
        ..
    } = &all[0];
    assert_eq!(
        (by.as_str(), reason.as_str(), *attempts),
        ("invoices", "payments said no", 3)
    );
    assert_eq!((request_id.as_deref(), payload.as_str()), (Some("order-7"), "7"));
    let now = worker.snapshot();
    assert_eq!(
        (now.dead, now.done, now.lost, now.given_back, now.in_flight),
        (1, 0, 0, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_its_own_job_and_no_other() {
    let letters = Letters::default();
    let worker = worker(&letters).concurrent(1).build().unwrap();
    let handler = async |number: Arc<u64>| {
        assert_ne!(*number, 1, "as it must");
        Ok::<_, BoxError>(())
    };
    let handler = move |number| handler(number);
    worker
        .run(jobs(0..3).await, &shutdown().draining(), None, handler)
        .await;
    assert_eq!(letters.all()[0].reason, "its handler panicked");
    assert_eq!(worker.snapshot().done, 2);
}

#[tokio::test(start_paused = true)]
async fn no_more_jobs_are_under_way_than_there_are_places() {
    let worker = Worker::builder("invoices").concurrent(3).build().unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counts, sees) = (Arc::clone(&now), Arc::clone(&most));
    let handler = move |_| {
        let (now, most) = (Arc::clone(&counts), Arc::clone(&sees));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(10)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, BoxError>(())
        }
    };
    let start = Instant::now();
    worker
        .run(jobs(0..30).await, &shutdown().draining(), None, handler)
        .await;
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(start.elapsed(), Duration::from_millis(100));
    assert_eq!(worker.snapshot().done, 30);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_hangs_ends_at_its_deadline() {
    let letters = Letters::default();
    let worker = worker(&letters).deadline(Duration::from_secs(2)).build().unwrap();
    let start = Instant::now();
    let handler = |_| std::future::pending::<Result<(), BoxError>>();
    worker.run(jobs([1]).await, &shutdown().draining(), None, handler).await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(letters.all()[0].attempts, 1);
}

/// An error with another one behind it.
#[derive(Debug)]
struct Failed(Permanent);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not sent: {}", self.0)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn what_would_come_again_is_not_tried_again() {
    let letters = Letters::default();
    let worker = worker(&letters).build().unwrap();
    let handler = |_| async {
        // However deep it is.
        Err::<(), _>(Failed(Permanent::new("there is no such customer")))
    };
    worker.run(jobs([1]).await, &shutdown().draining(), None, handler).await;
    let letter = &letters.all()[0];
    assert_eq!(
        (letter.attempts, letter.reason.as_str()),
        (1, "not sent: there is no such customer")
    );
}

/// Counts how its jobs are settled.
struct Counted<S> {
    inner: S,
    done: Arc<AtomicU32>,
    given_back: Arc<AtomicU32>,
}

impl<S: Source> Source for Counted<S> {
    type Job = S::Job;
    type Receipt = S::Receipt;

    async fn next(&self) -> Result<Option<Delivery<Self>>, BoxError> {
        let next = self.inner.next().await?;
        Ok(next.map(Delivery::hand_on))
    }

    async fn done(&self, receipt: S::Receipt) -> Result<(), BoxError> {
        self.done.fetch_add(1, Ordering::SeqCst);
        self.inner.done(receipt).await
    }

    async fn give_back(&self, receipt: S::Receipt, given_back: GivenBack) -> Result<(), BoxError> {
        self.given_back.fetch_add(1, Ordering::SeqCst);
        self.inner.give_back(receipt, given_back).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_fetches_nothing_more_finishes_what_it_can_and_gives_the_rest_back() {
    let worker = Worker::builder("invoices")
        .concurrent(2)
        .drain(Duration::from_secs(5))
        .build()
        .unwrap();
    let shutdown = Shutdown::builder()
        .hold(Duration::ZERO)
        .drain(Duration::from_secs(20))
        .build()
        .unwrap();
    let counted = Counted {
        inner: jobs([1, 100, 3]).await,
        done: Arc::default(),
        given_back: Arc::default(),
    };
    let (done, given_back) = (Arc::clone(&counted.done), Arc::clone(&counted.given_back));
    let begun = Arc::new(Notify::new());
    let tells = Arc::clone(&begun);
    let handler = move |seconds: Arc<u64>| {
        tells.notify_one();
        async move {
            sleep(Duration::from_secs(*seconds)).await;
            Ok::<_, BoxError>(())
        }
    };
    let runs = worker.clone();
    let draining = shutdown.draining();
    let run = shutdown
        .tracker()
        .spawn(async move { runs.run(counted, &draining, None, handler).await });
    begun.notified().await;
    shutdown.begin(Cause::Terminate);
    let drained = shutdown.drive(&Handle::current()).await;
    assert!(drained.is_whole(), "{drained:?}");
    assert!(run.await.unwrap().is_some(), "it ended by itself, before it was cut");
    assert_eq!((done.load(Ordering::SeqCst), given_back.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(worker.snapshot().given_back, 1);
    assert_eq!(drained.took, Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn what_a_drain_leaves_in_a_channel_becomes_dead_letters_and_what_comes_later_is_refused() {
    let letters = Letters::default();
    let worker = worker(&letters).concurrent(1).drain(Duration::ZERO).build().unwrap();
    let (jobs, source) = channel(10);
    for number in 0..3 {
        jobs.send(number).await.unwrap();
    }
    let shutdown = shutdown();
    let begun = Arc::new(Notify::new());
    let tells = Arc::clone(&begun);
    let handler = move |_| {
        tells.notify_one();
        std::future::pending::<Result<(), BoxError>>()
    };
    let (runs, draining) = (worker.clone(), shutdown.draining());
    let run = shutdown
        .tracker()
        .spawn(async move { runs.run(source, &draining, None, handler).await });
    begun.notified().await;
    shutdown.begin(Cause::Interrupt);
    assert!(shutdown.drive(&Handle::current()).await.is_whole());
    assert!(run.await.unwrap().is_some());

    let all = letters.all();
    let said = all
        .iter()
        .map(|letter| (&*letter.payload, letter.attempts, &*letter.reason));
    let before_begun = "the process ended before it was begun";
    let before_done = "the process ended before it was done";
    assert_eq!(
        said.collect::<Vec<_>>(),
        [("1", 0, before_begun), ("2", 0, before_begun), ("0", 1, before_done)]
    );
    assert!(matches!(jobs.try_send(9), Err(TrySendError::Closed(9))));
    assert_eq!(jobs.send(9).await.unwrap_err().job, 9);
    let now = worker.snapshot();
    assert_eq!((now.dead, now.lost, now.in_flight), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_drain_leaves_and_nothing_keeps_is_counted_as_lost() {
    let letters = Letters::default();
    letters.refusals.store(1, Ordering::SeqCst);
    let worker = worker(&letters).build().unwrap();
    let (jobs, source) = channel(10);
    for number in 0..3 {
        jobs.send(number).await.unwrap();
    }
    let shutdown = shutdown();
    shutdown.begin(Cause::Interrupt);
    shutdown.drive(&Handle::current()).await;
    worker
        .run(source, &shutdown.draining(), None, |_| async { Ok::<_, BoxError>(()) })
        .await;
    let now = worker.snapshot();
    assert_eq!((now.lost, now.dead, now.done), (1, 2, 0), "one refusal loses no other");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_with_its_worker_is_counted_as_lost() {
    let worker = Worker::builder("invoices").build().unwrap();
    let begun = Arc::new(Notify::new());
    let tells = Arc::clone(&begun);
    let handler = move |_| {
        tells.notify_one();
        std::future::pending::<Result<(), BoxError>>()
    };
    let (runs, source) = (worker.clone(), jobs([1]).await);
    let run = tokio::spawn(async move { runs.run(source, &shutdown().draining(), None, handler).await });
    begun.notified().await;
    run.abort();
    let _ = run.await;
    tokio::task::yield_now().await;
    let now = worker.snapshot();
    assert_eq!((now.lost, now.in_flight), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_cannot_be_kept_loses_no_job_though_all_senders_are_gone() {
    let letters = Letters::default();
    letters.refusals.store(2, Ordering::SeqCst);
    let worker = worker(&letters).retry(|retry| retry.attempts(1)).build().unwrap();
    let start = Instant::now();
    let fails = |_| async { Err::<(), _>("no") };
    worker.run(jobs([7]).await, &shutdown().draining(), None, fails).await;
    let now = worker.snapshot();
    assert_eq!((now.given_back, now.dead, now.lost), (2, 1, 0));
    assert_eq!(letters.all().len(), 1);
    assert!(
        start.elapsed() >= Duration::from_secs(2),
        "a store that refuses is not asked at once"
    );
}

/// A job of which nobody can say what it is.
struct Unspeakable;

impl Job for Unspeakable {
    fn payload(&self) -> String {
        panic!("as it must")
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_settled_is_counted_as_lost_and_ends_nothing_else() {
    let worker = worker(&Letters::default()).retry(|retry| retry.attempts(1));
    let worker = worker.build().unwrap();
    let (jobs, source) = channel(10);
    for _ in 0..3 {
        jobs.send(Unspeakable).await.unwrap();
    }
    drop(jobs);
    let asked = AtomicU32::new(0);
    let handler = move |_| {
        let is_second = asked.fetch_add(1, Ordering::SeqCst) == 1;
        async move { if is_second { Ok(()) } else { Err("no") } }
    };
    worker.run(source, &shutdown().draining(), None, handler).await;
    let now = worker.snapshot();
    assert_eq!((now.lost, now.done, now.in_flight), (2, 1, 0));
}

/// A channel that is somewhere else: each time it is seen first whether it can be reached.
struct Behind<F>(ChannelSource<u64>, F);

impl<F, Fut> Source for Behind<F>
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send,
{
    type Job = u64;
    type Receipt = <ChannelSource<u64> as Source>::Receipt;

    async fn next(&self) -> Result<Option<Delivery<Self>>, BoxError> {
        if !(self.1)().await {
            return Err("the queue is away".into());
        }
        let next = self.0.next().await?;
        Ok(next.map(Delivery::hand_on))
    }

    async fn done(&self, receipt: Self::Receipt) -> Result<(), BoxError> {
        self.0.done(receipt).await
    }

    async fn give_back(&self, receipt: Self::Receipt, given_back: GivenBack) -> Result<(), BoxError> {
        self.0.give_back(receipt, given_back).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_may_take_its_time() {
    let health = Health::new();
    let heartbeat = health.watchdog().register("worker", Duration::from_secs(3)).unwrap();
    let worker = Worker::builder("invoices").build().unwrap();
    let start = Instant::now();
    let runs = worker.clone();
    let source = Behind(jobs([1, 2]).await, || async {
        sleep(Duration::from_secs(10)).await;
        true
    });
    let run = tokio::spawn(async move {
        let handler = |_| async { Ok::<_, BoxError>(()) };
        runs.run(source, &shutdown().draining(), Some(heartbeat), handler).await;
    });
    while !run.is_finished() && start.elapsed() < Duration::from_secs(60) {
        assert!(health.report().is_live(), "after {:?}", start.elapsed());
        sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(worker.snapshot().done, 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_later_attempt_tells_how_many_there_were() {
    let letters = Letters::default();
    let worker = worker(&letters).build().unwrap();
    let asked = AtomicU32::new(0);
    let handler = move |_| {
        let is_second = asked.fetch_add(1, Ordering::SeqCst) == 1;
        async move {
            assert!(!is_second, "as it must");
            Err::<(), _>("no")
        }
    };
    worker.run(jobs([1]).await, &shutdown().draining(), None, handler).await;
    assert_eq!(letters.all()[0].attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn a_reason_that_says_too_much_is_cut() {
    let letters = Letters::default();
    let worker = worker(&letters).build().unwrap();
    let handler = |_| async { Err::<(), _>("é".repeat(100_000)) };
    worker.run(jobs([1]).await, &shutdown().draining(), None, handler).await;
    assert_eq!(letters.all()[0].reason.chars().count(), 1_001);
}

#[tokio::test]
async fn a_worker_that_outlasts_the_drain_is_found() {
    let findings = |drain| {
        let worker = Worker::builder("invoices")
            .drain(Duration::from_secs(drain))
            .build()
            .unwrap();
        let (_, source) = channel::<u64>(1);
        let app = App::builder("orders").worker(worker, source, |_| async { Ok::<_, BoxError>(()) });
        let app = app.build().unwrap();
        app.findings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(findings(10), [""; 0]);
    let found = findings(11);
    assert!(found[0].starts_with("worker invoices: it may need 21s"), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn the_loop_beats_while_there_is_nothing_to_do_and_no_longer() {
    let health = Health::new();
    let heartbeat = health.watchdog().register("worker", Duration::from_secs(3)).unwrap();
    let worker = Worker::builder("invoices").build().unwrap();
    let (jobs, source) = channel::<u64>(1);
    let shutdown = shutdown();
    let draining = shutdown.draining();
    let run = tokio::spawn(async move {
        let handler = |_| async { Ok::<_, BoxError>(()) };
        worker.run(source, &draining, Some(heartbeat), handler).await;
    });
    for _ in 0..20 {
        sleep(Duration::from_secs(1)).await;
        assert!(health.report().is_live());
    }
    run.abort();
    let _ = run.await;
    assert!(health.report().heartbeats.is_empty(), "it is gone with the loop");
    drop(jobs);
}

#[tokio::test(start_paused = true)]
async fn a_channel_has_room_for_so_many_and_those_under_way_count() {
    let (jobs, source) = channel(2);
    jobs.try_send(1).unwrap();
    jobs.try_send(2).unwrap();
    assert!(matches!(jobs.try_send(3), Err(TrySendError::Full(3))));
    let first = source.next().await.unwrap().unwrap();
    assert!(jobs.try_send(3).is_err(), "it is handed out, and not done");
    source.done(first.receipt).await.unwrap();
    jobs.try_send(3).unwrap();

    let second = source.next().await.unwrap().unwrap();
    source
        .give_back(second.receipt, GivenBack::new(3, "it failed"))
        .await
        .unwrap();
    let third = source.next().await.unwrap().unwrap();
    let again = source.next().await.unwrap().unwrap();
    assert_eq!((*third.job, third.attempts), (3, 0), "what failed keeps nobody waiting");
    assert_eq!((*again.job, again.attempts), (2, 3));

    let waits = tokio::spawn({
        let jobs = jobs.clone();
        async move { jobs.send(4).await }
    });
    advance(Duration::from_secs(1)).await;
    assert!(!waits.is_finished(), "two are still there");
    drop(source);
    assert_eq!(waits.await.unwrap().unwrap_err().job, 4);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_asked_again_after_a_second() {
    let worker = Worker::builder("invoices").build().unwrap();
    let asked = AtomicU32::new(0);
    let source = Behind(jobs([1]).await, move || {
        let is_there = asked.fetch_add(1, Ordering::SeqCst) >= 2;
        async move { is_there }
    });
    let start = Instant::now();
    worker
        .run(source, &shutdown().draining(), None, |_| async {
            Ok::<_, BoxError>(())
        })
        .await;
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    assert_eq!(worker.snapshot().done, 1);
    let entry = worker.describe();
    assert!(entry.counters.contains(&("source_errors", 2)), "{entry:?}");
}

#[tokio::test(start_paused = true)]
async fn an_app_wires_its_workers_watches_them_and_shows_their_dead_letters() {
    let letters = Letters::default();
    let (jobs, source) = channel::<u64>(10);
    let worker = worker(&letters).build().unwrap();
    let app = App::builder("orders").worker(worker, source, |_| async { Err::<(), _>("no") });
    let app = app.build().unwrap();
    assert_eq!(app.review().item("dead-letters").unwrap().kind, Kind::Proven);
    let client = app.test_client(axum::Router::new());
    jobs.send(7).await.unwrap();
    client.advance(Duration::from_secs(30)).await;

    assert_eq!(letters.all().len(), 1);
    let inventory = text(client.admin_get("/inventory").await).await.unwrap();
    assert!(
        inventory.contains(r#""kind":"worker""#) && inventory.contains("worker-invoices"),
        "{inventory}"
    );
    let metrics = text(client.admin_get("/metrics").await).await.unwrap();
    assert!(
        metrics.contains(r#"seaworthy_dead_letters{kind="worker",name="invoices"} 1"#),
        "{metrics}"
    );
    let health = text(client.admin_get("/healthz").await).await.unwrap();
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["status"], "warn");
    assert_eq!(
        health["checks"]["dead-letters-invoices:responseTime"][0]["status"],
        "warn"
    );
}

/// Keeps letters where nobody can count them.
struct Uncounted;

impl DeadLetters for Uncounted {
    fn store(&self, _: DeadLetter) -> Stored<'_> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn dead_letters_that_nobody_can_count_are_not_said_to_be_none() {
    let worker = Worker::builder("invoices").dead_letters(Uncounted).build().unwrap();
    let (_, source) = channel::<u64>(1);
    let app = App::builder("orders").worker(worker, source, |_| async { Ok::<_, BoxError>(()) });
    let app = app.build().unwrap();
    assert_eq!(app.review().item("dead-letters").unwrap().kind, Kind::Proven);
    let client = app.test_client(axum::Router::new());
    client.advance(Duration::from_secs(30)).await;
    for path in ["/healthz", "/metrics"] {
        let said = text(client.admin_get(path).await).await.unwrap();
        assert!(
            !said.contains("dead-letters-") && !said.contains("dead_letters{"),
            "{said}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_begins_when_the_startup_tasks_are_done_and_is_alive_until_then() {
    let worker = Worker::builder("invoices").build().unwrap();
    let (jobs, source) = channel::<u64>(10);
    jobs.send(7).await.unwrap();
    let app = App::builder("orders").worker(worker.clone(), source, |_| async { Ok::<_, BoxError>(()) });
    let app = app.startup_task("migrate", async {
        sleep(Duration::from_secs(60)).await;
        Ok::<_, BoxError>(())
    });
    let client = app.build().unwrap().test_client(axum::Router::new());
    for _ in 0..59 {
        client.advance(Duration::from_secs(1)).await;
        assert_eq!(worker.snapshot().done, 0);
        assert_eq!(client.admin_get("/livez").await.status(), 200);
    }
    client.advance(Duration::from_secs(2)).await;
    assert_eq!(worker.snapshot().done, 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_comes_before_the_startup_is_done_begins_no_job() {
    let letters = Letters::default();
    let worker = worker(&letters).build().unwrap();
    let (jobs, source) = channel::<u64>(10);
    jobs.send(7).await.unwrap();
    let app = App::builder("orders").worker(worker.clone(), source, |_| async { Ok::<_, BoxError>(()) });
    let app = app.startup_task("migrate", std::future::pending::<Result<(), BoxError>>());
    let app = app.build().unwrap();
    let shutdown = app.shutdown().clone();
    let client = app.test_client(axum::Router::new());
    client.advance(Duration::from_secs(1)).await;
    shutdown.begin(Cause::Terminate);
    let drained = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { shutdown.drive(&Handle::current()).await }
    });
    drained.await.unwrap();
    assert_eq!((worker.snapshot().done, worker.snapshot().dead), (0, 1));
    assert_eq!(letters.all()[0].reason, "the process ended before it was begun");
}

#[tokio::test]
async fn a_worker_without_dead_letters_is_in_the_way_whatever_is_attested() {
    let worker = Worker::builder("invoices").build().unwrap();
    let (_, source) = channel::<u64>(1);
    let app = App::builder("orders").worker(worker, source, |_| async { Ok::<_, BoxError>(()) });
    let review = app.build().unwrap().review();
    let item = review.item("dead-letters").unwrap();
    assert_eq!(item.kind, Kind::Missing);
    assert_eq!(item.evidence[0].found, "what it gives up on is lost");
}

#[test]
fn every_wrong_setting_is_named() {
    let worker = Worker::builder("invoices")
        .concurrent(0)
        .deadline(Duration::ZERO)
        .retry(|retry| retry.attempts(0));
    let wrong = worker.build().unwrap_err().to_string();
    for key in [
        "worker.invoices.concurrent",
        "worker.invoices.deadline",
        "retry.invoices.attempts",
    ] {
        assert!(wrong.contains(key), "{key} is not in {wrong}");
    }
}
