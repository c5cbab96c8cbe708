//! The retry through its tower shell and `call_idempotent`, on tokio's paused time.

mod policy_harness;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy_harness::{Inner, Made, Rig};
use seaworthy::attempt::Attempt;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::budget::Budget;
use seaworthy::deadline::Deadline;
use seaworthy::events::{Change, Event};
use seaworthy::inventory::Describe;
use seaworthy::outcome::{ErrorIsFailure, Outcome};
use seaworthy::random::Random;
use seaworthy::replay::{Cloned, Idempotent};
use seaworthy::retry::{Appraisal, Backoff, ByOutcome, Jitter, Retry, RetryBuilder, RetryService};
use seaworthy::timeout::Timeout;
use seaworthy::{BoxError, Guarded, Reason, Refusal};
use tokio::time::{Instant, advance, sleep};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

/// A request that may be repeated, which is told apart by its number.
#[derive(Clone, Debug, PartialEq)]
struct Read(u32);

impl Idempotent for Read {}

/// Three attempts, 100 ms and 200 ms apart.
fn builder() -> RetryBuilder {
    let backoff = Backoff::linear(100 * MS).jitter(Jitter::None);
    Retry::builder("payments").backoff(backoff)
}

fn retry() -> Retry {
    builder().build().unwrap()
}

fn counter(retry: &Retry, name: &str) -> u64 {
    let entry = retry.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

/// What has been made of the retry, without what is zero.
fn counters(retry: &Retry) -> Vec<(&'static str, u64)> {
    let mut counters = retry.describe().counters;
    counters.retain(|(_, count)| *count > 0);
    counters
}

fn down() -> io::Error {
    io::Error::other("down")
}

/// Fails so many times and then succeeds, and notes when it was called as which attempt.
#[derive(Clone, Default)]
struct Flaky {
    failures: u32,
    calls: Arc<Mutex<Vec<(Duration, u32)>>>,
    start: Option<Instant>,
}

impl Flaky {
    fn new(failures: u32) -> Self {
        Self {
            failures,
            calls: Arc::default(),
            start: Some(Instant::now()),
        }
    }

    async fn answer(self) -> Result<&'static str, io::Error> {
        let (at, number) = (self.start.unwrap().elapsed(), Attempt::current().number());
        tokio::task::yield_now().await;
        assert_eq!(Attempt::current().number(), number, "the attempt changes while it runs");
        let mut calls = self.calls.lock().unwrap();
        calls.push((at, number));
        if calls.len() > self.failures as usize {
            Ok("answer")
        } else {
            Err(down())
        }
    }

    fn calls(&self) -> Vec<(u64, u32)> {
        let calls = self.calls.lock().unwrap();
        calls
            .iter()
            .map(|(at, number)| (at.as_millis() as u64, *number))
            .collect()
    }
}

impl Service<Read> for Flaky {
    type Response = &'static str;
    type Error = io::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<&'static str, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Read) -> Self::Future {
        Box::pin(self.clone().answer())
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_tried_again_after_the_backoff() {
    let (retry, inner) = (retry(), Flaky::new(2));
    let answer = retry.layer().layer(inner.clone()).oneshot(Read(1)).await.unwrap();
    assert_eq!(answer, "answer");
    assert_eq!(inner.calls(), [(0, 1), (100, 2), (300, 3)]);
    assert_eq!(counters(&retry), [("calls", 1), ("retried", 2)]);
    assert_eq!(Attempt::current(), Attempt::FIRST, "what is outside is no attempt");
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_returned_as_it_is() {
    let (retry, inner) = (retry(), Flaky::new(3));
    let error = retry.layer().layer(inner.clone()).oneshot(Read(1)).await.unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().to_string(), "down");
    assert_eq!(inner.calls().len(), 3);
    assert_eq!(counters(&retry), [("calls", 1), ("retried", 2), ("exhausted", 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_operation_of_ones_own_is_tried_again() {
    let (retry, inner) = (retry(), Flaky::new(1));
    let answer = retry.call_idempotent(|| inner.clone().answer()).await;
    assert_eq!(answer.unwrap(), "answer");
    assert_eq!(inner.calls(), [(0, 1), (100, 2)]);
    let failed = retry.call_idempotent(async || Err::<(), _>(down())).await;
    assert!(matches!(failed, Err(Guarded::Inner(_))));
}

#[tokio::test(start_paused = true)]
async fn a_retry_inside_a_retry_counts_its_own_attempts() {
    let (outer, inner) = (retry(), builder().attempts(1).build().unwrap());
    let seen = RefCell::new(Vec::new());
    let ended = outer
        .call_idempotent(|| async {
            let mut now = vec![Attempt::current().number()];
            let one = inner.call_idempotent(|| ready(Ok::<_, io::Error>(Attempt::current().number())));
            now.push(one.await.unwrap());
            now.push(Attempt::current().number());
            seen.borrow_mut().push(now);
            Err::<(), _>(down())
        })
        .await;
    ended.unwrap_err();
    assert_eq!(*seen.borrow(), [[1, 1, 1], [2, 1, 2], [3, 1, 3]]);
}

/// Panics if it is called without having been ready, as tower's own limits do.
#[derive(Debug)]
struct Strict {
    is_ready: bool,
    calls: Arc<AtomicU32>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            is_ready: false,
            calls: self.calls.clone(),
        }
    }
}

impl Service<Read> for Strict {
    type Response = ();
    type Error = io::Error;
    type Future = std::future::Ready<Result<(), io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Read) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Err(down()))
    }
}

#[tokio::test(start_paused = true)]
async fn every_attempt_the_first_too_calls_a_service_that_was_ready() {
    let calls = Arc::new(AtomicU32::new(0));
    let strict = Strict {
        is_ready: false,
        calls: calls.clone(),
    };
    let limited = ConcurrencyLimit::new(strict, 1);
    let mut service = retry().layer().layer(limited);
    for _ in 0..3 {
        service.ready().await.unwrap().call(Read(1)).await.unwrap_err();
    }
    assert_eq!(calls.load(Ordering::SeqCst), 9);
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_wait_for_the_permit_that_it_holds_itself() {
    let inner = Flaky::new(2);
    let mut service = retry().layer().layer(ConcurrencyLimit::new(inner, 1));
    let first = service.ready().await.unwrap().call(Read(1));
    // Whoever asks whether it may make the next call must not take the place that the first one needs again.
    service.ready().await.unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(1), first).await;
    assert_eq!(answer.expect("deadlocked").unwrap(), "answer");
}

/// Holds something until it is dropped, and notes when that is.
#[derive(Debug)]
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_response_and_the_old_attempt_are_dropped_before_the_wait() {
    let (response, attempt) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (in_response, in_attempt) = (response.clone(), attempt.clone());
    let inner = service_fn(move |_: Read| {
        let (response, attempt) = (in_response.clone(), Held(in_attempt.clone()));
        std::future::poll_fn(move |_| {
            let _held_by_the_future = &attempt;
            Poll::Ready(Ok::<_, Infallible>(Held(response.clone())))
        })
    });
    let layer = retry().layer().appraise(|_: Result<&Held, &BoxError>| Appraisal::Again);
    let mut call = pin!(layer.layer(inner).oneshot(Read(1)));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(response.load(Ordering::SeqCst), "the response is held during the wait");
    assert!(attempt.load(Ordering::SeqCst), "the attempt is held during the wait");
}

#[tokio::test(start_paused = true)]
async fn two_requests_never_share_a_jitter_sequence() {
    let jittered = |random: Random| {
        let backoff = Backoff::constant(1000 * MS);
        let retry = Retry::builder("payments").attempts(4).total(None).random(random);
        retry.backoff(backoff).build().unwrap()
    };
    async fn waits(retry: &Retry) -> Vec<(u64, u32)> {
        let inner = Flaky::new(3);
        retry.layer().layer(inner.clone()).oneshot(Read(1)).await.unwrap();
        inner.calls()
    }
    let retry = jittered(Random::default());
    let mut seen = vec![];
    for _ in 0..8 {
        seen.push(waits(&retry).await);
        seen.push(waits(&jittered(Random::default())).await);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 16);
    let seeded = || jittered(Random::seeded(7));
    assert_eq!(waits(&seeded()).await, waits(&seeded()).await, "a seed repeats itself");
}

#[tokio::test(start_paused = true)]
async fn the_total_bounds_attempts_backoff_and_readiness_together() {
    let total = 1000 * MS;
    let retry = builder().attempts(100).total(total).without_budget().build().unwrap();
    let busy = ConcurrencyLimit::new(
        service_fn(|_: Read| async {
            sleep(300 * MS).await;
            Err::<(), _>(down())
        }),
        1,
    );
    // Somebody else's calls keep it busy for 300 ms before each attempt.
    let mut other = busy.clone();
    let taken = tokio::spawn(async move {
        for _ in 0..10 {
            let call = other.ready().await.unwrap().call(Read(0));
            let _ = call.await;
        }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    let error = retry.layer().layer(busy).oneshot(Read(1)).await.unwrap_err();
    assert_eq!(start.elapsed(), total);
    let refusal = Refusal::find(error.as_ref()).unwrap();
    assert_eq!((refusal.policy(), refusal.name()), ("retry", "payments"));
    assert!(matches!(refusal.reason(), Reason::Elapsed { limit, .. } if limit == total));
    assert_eq!(counter(&retry, "elapsed"), 1);
    taken.abort();
}

#[tokio::test(start_paused = true)]
async fn it_never_sleeps_into_a_deadline_that_it_cannot_meet() {
    // After the second attempt at 100 ms the third would begin at 300 ms, which is the end.
    for total in [101, 250, 300] {
        let (retry, inner) = (builder().total(total * MS).build().unwrap(), Flaky::new(3));
        let start = Instant::now();
        let error = retry.layer().layer(inner.clone()).oneshot(Read(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "down", "the dependency's own error says more");
        assert_eq!(
            (start.elapsed(), inner.calls().len()),
            (100 * MS, 2),
            "total {total} ms"
        );
        assert_eq!(counter(&retry, "out_of_time"), 1);
    }
    let (retry, inner) = (builder().total(301 * MS).build().unwrap(), Flaky::new(2));
    retry.layer().layer(inner).oneshot(Read(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_bounds_it_too() {
    let (retry, inner) = (retry(), Flaky::new(3));
    let call = retry.layer().layer(inner.clone()).oneshot(Read(1));
    let error = Deadline::after(250 * MS).scope(call).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), inner.calls().len()), ("down", 2));

    let hung = service_fn(|_: Read| pending::<Result<(), Infallible>>());
    let start = Instant::now();
    let error = Deadline::after(250 * MS)
        .scope(retry.layer().layer(hung).oneshot(Read(1)))
        .await;
    let error = error.unwrap_err();
    assert_eq!(start.elapsed(), 250 * MS);
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::DeadlinePassed);
    let outer = Timeout::builder("outer").limit(150 * MS).build().unwrap();
    let inner = Flaky::new(3);
    let error = outer
        .layer()
        .layer(retry.layer().layer(inner.clone()))
        .oneshot(Read(1))
        .await;
    assert_eq!(
        (error.unwrap_err().to_string().as_str(), inner.calls().len()),
        ("down", 2)
    );
}

#[tokio::test(start_paused = true)]
async fn work_whose_deadline_has_passed_is_not_started() {
    let (retry, inner) = (retry(), Flaky::new(0));
    let deadline = Deadline::after(50 * MS);
    advance(50 * MS).await;
    let error = deadline
        .scope(retry.layer().layer(inner.clone()).oneshot(Read(1)))
        .await;
    let error = error.unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::DeadlinePassed);
    let called = deadline
        .scope(async { retry.call_idempotent(|| inner.clone().answer()).await })
        .await;
    assert!(matches!(called, Err(Guarded::Refused(refusal)) if refusal.reason() == Reason::DeadlinePassed));
    assert_eq!(inner.calls(), []);
    assert_eq!(counter(&retry, "elapsed"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_sent_pays_for_nothing() {
    let budget = Budget::builder("payments")
        .share(100)
        .floor(0)
        .reserve(0)
        .build()
        .unwrap();
    let retry = builder().budget(budget.clone()).build().unwrap();
    let deadline = Deadline::after(MS);
    advance(MS).await;
    for _ in 0..10 {
        let late = deadline.scope(async { retry.call_idempotent(|| ready(Ok::<_, io::Error>(()))).await });
        late.await.unwrap_err();
    }
    assert_eq!((counter(&retry, "calls"), budget.balance()), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_inside_sees_what_is_left_of_the_total() {
    let retry = builder().total(1000 * MS).build().unwrap();
    let seen = Mutex::new(Vec::new());
    let _ = retry
        .call_idempotent(|| async {
            sleep(10 * MS).await;
            seen.lock().unwrap().push(Deadline::current().unwrap().remaining());
            Err::<(), _>(down())
        })
        .await;
    assert_eq!(*seen.lock().unwrap(), [990 * MS, 880 * MS, 670 * MS]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_a_breaker_is_not_tried_again() {
    let breaker = CircuitBreaker::builder("payments").build().unwrap();
    breaker.force_open();
    let retry = retry();
    let inner = Flaky::new(0);
    let stack = retry.layer().layer(breaker.layer().layer(inner.clone()));
    let error = stack.oneshot(Read(1)).await.unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::CircuitOpen);
    let called = retry.call_idempotent(|| breaker.call(|| inner.clone().answer())).await;
    let Err(Guarded::Inner(Guarded::Refused(refusal))) = called else {
        panic!("{called:?}");
    };
    assert_eq!(refusal.reason(), Reason::CircuitOpen);
    assert_eq!(counters(&retry), [("calls", 2)]);
    assert_eq!(
        breaker
            .describe()
            .counters
            .iter()
            .find(|(key, _)| *key == "refused")
            .unwrap()
            .1,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_a_timeout_ends_is_tried_again() {
    let timeout = Timeout::builder("attempt").limit(50 * MS).build().unwrap();
    let calls = AtomicU32::new(0);
    let answer = retry()
        .call_idempotent(|| {
            timeout.call(|| async {
                match calls.fetch_add(1, Ordering::SeqCst) {
                    0 => pending().await,
                    _ => Ok::<_, io::Error>("answer"),
                }
            })
        })
        .await;
    assert_eq!(answer.unwrap(), "answer");
}

#[tokio::test(start_paused = true)]
async fn what_a_classifier_takes_for_a_failure_is_tried_again_and_nothing_else() {
    let retry = retry();
    let answers = [Ok(500), Ok(404)];
    let run = |outcome: fn(Result<&u16, &BoxError>) -> Outcome| {
        let next = Arc::new(AtomicU32::new(0));
        let calls = next.clone();
        let inner = service_fn(move |_: Read| {
            let n = next.fetch_add(1, Ordering::SeqCst) as usize;
            ready(answers[n.min(1)].map_err(|(): ()| down()))
        });
        let service = retry.layer().classify(outcome).layer(inner);
        async move { (service.oneshot(Read(1)).await.unwrap(), calls.load(Ordering::SeqCst)) }
    };
    let by_status = run(|end| match end {
        Ok(500..) => Outcome::Failure,
        _ => Outcome::Success,
    });
    assert_eq!(by_status.await, (404, 2));
    assert_eq!(run(|_| Outcome::Ignored).await, (500, 1));
    assert_eq!(run(|_| Outcome::Success).await, (500, 1));
}

#[tokio::test(start_paused = true)]
async fn who_is_told_when_to_come_back_comes_then_and_not_before() {
    let run = |appraisal: Appraisal| async move {
        let inner = Flaky::new(1);
        let layer = retry()
            .layer()
            .appraise(move |end: Result<&&str, &BoxError>| match end {
                Ok(_) => Appraisal::Final,
                Err(_) => appraisal,
            });
        layer.layer(inner.clone()).oneshot(Read(1)).await.unwrap();
        inner.calls()[1].0
    };
    assert_eq!(
        run(Appraisal::AgainAfter(1000 * MS)).await,
        1100,
        "the backoff on top of it"
    );
    assert_eq!(run(Appraisal::AgainIn(1000 * MS)).await, 1000, "exactly then");
    assert_eq!(run(Appraisal::AgainIn(Duration::ZERO)).await, 0);
}

#[tokio::test(start_paused = true)]
async fn without_budget_left_the_error_is_returned_at_once() {
    let budget = Budget::builder("payments")
        .share(0)
        .floor(0)
        .reserve(1)
        .build()
        .unwrap();
    let (one, other) = (
        builder().budget(budget.clone()).build().unwrap(),
        builder().budget(budget.clone()).build().unwrap(),
    );
    let inner = Flaky::new(1);
    one.layer().layer(inner).oneshot(Read(1)).await.unwrap();
    let inner = Flaky::new(1);
    other.layer().layer(inner.clone()).oneshot(Read(1)).await.unwrap_err();
    assert_eq!(inner.calls(), [(0, 1)]);
    assert_eq!(counter(&other, "out_of_budget"), 1);
    assert_eq!(budget.balance(), 0);
    let unbounded = builder().without_budget().build().unwrap();
    assert!(unbounded.budget().is_none());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_paid_for_an_attempt_that_does_not_take_place() {
    let budget = Budget::builder("payments")
        .share(0)
        .floor(0)
        .reserve(5)
        .build()
        .unwrap();
    let retry = builder().total(50 * MS).budget(budget.clone()).build().unwrap();
    retry.layer().layer(Flaky::new(1)).oneshot(Read(1)).await.unwrap_err();
    let retry = builder().attempts(1).budget(budget.clone()).build().unwrap();
    retry.layer().layer(Flaky::new(1)).oneshot(Read(1)).await.unwrap_err();
    let retry = builder().budget(budget.clone()).build().unwrap();
    retry
        .layer()
        .replay(Once)
        .layer(Flaky::new(1))
        .oneshot(Read(1))
        .await
        .unwrap_err();
    assert_eq!(counter(&retry, "unrepeatable"), 1);
    assert_eq!(budget.balance(), 5);
}

/// Sends everything once.
#[derive(Clone)]
struct Once;

impl seaworthy::replay::Replay<Read> for Once {
    type Sent = Read;
    type Kept = Infallible;

    fn begin(&self, request: Read) -> (Read, Option<Infallible>) {
        (request, None)
    }

    fn again(&self, kept: &mut Infallible, _: Attempt) -> Option<Read> {
        match *kept {}
    }
}

#[tokio::test(start_paused = true)]
async fn settings_change_under_way_for_all_clones() {
    let told = Arc::new(AtomicU32::new(0));
    let sink = told.clone();
    let retry = builder()
        .events(move |event: &Event<'_>| {
            assert!(matches!(event.change, Change::Settings));
            sink.fetch_add(1, Ordering::SeqCst);
        })
        .build()
        .unwrap();
    let service = retry.layer().layer(Flaky::new(1));
    retry.clone().reconfigure(|config| config.attempts = 1).unwrap();
    service.oneshot(Read(1)).await.unwrap_err();
    assert_eq!(told.load(Ordering::SeqCst), 1);
    retry.reconfigure(|config| config.total = Some(10 * MS)).unwrap();
    let hung = service_fn(|_: Read| pending::<Result<(), Infallible>>());
    let start = Instant::now();
    retry.layer().layer(hung).oneshot(Read(1)).await.unwrap_err();
    assert_eq!(start.elapsed(), 10 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_to_become_ready_is_tried_again() {
    #[derive(Clone)]
    struct Unready(Arc<AtomicU32>);
    impl Service<Read> for Unready {
        type Response = ();
        type Error = io::Error;
        type Future = std::future::Ready<Result<(), io::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
            Poll::Ready(match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Err(down()),
                _ => Ok(()),
            })
        }

        fn call(&mut self, _: Read) -> Self::Future {
            ready(Ok(()))
        }
    }
    let retry = retry();
    retry
        .layer()
        .layer(Unready(Arc::default()))
        .oneshot(Read(1))
        .await
        .unwrap();
    assert_eq!(counters(&retry), [("calls", 1), ("retried", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_is_a_panic_outside_and_counts_as_cancelled() {
    let retry = retry();
    let inner = service_fn(|_: Read| async {
        assert!(MS.is_zero(), "inside");
        Ok::<_, Infallible>(())
    });
    let joined = tokio::spawn(retry.layer().layer(inner).oneshot(Read(1))).await;
    assert!(joined.unwrap_err().is_panic());
    assert_eq!(counters(&retry), [("calls", 1), ("cancelled", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_during_the_wait_sends_nothing_more() {
    let (retry, inner) = (retry(), Flaky::new(1));
    let service = retry.layer().layer(inner.clone());
    let waited = tokio::time::timeout(50 * MS, service.oneshot(Read(1))).await;
    waited.unwrap_err();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(inner.calls(), [(0, 1)]);
    assert_eq!(counters(&retry), [("calls", 1), ("retried", 1), ("cancelled", 1)]);
}

/// The harness calls with `()`, and fails for good: attempts follow each other without a wait.
struct RetryRig(Retry);

#[derive(Clone)]
struct Unit;

impl seaworthy::replay::Replay<()> for Unit {
    type Sent = ();
    type Kept = ();

    fn begin(&self, (): ()) -> ((), Option<()>) {
        ((), Some(()))
    }

    fn again(&self, (): &mut (), _: Attempt) -> Option<()> {
        Some(())
    }
}

impl Rig for RetryRig {
    type Service = RetryService<Inner, Unit, ByOutcome<ErrorIsFailure>>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.0.layer().replay(Unit).layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        let [calls, retried, exhausted, cancelled] =
            ["calls", "retried", "exhausted", "cancelled"].map(|name| counter(&self.0, name));
        assert_eq!(calls, made.called, "{what}: calls");
        assert!(exhausted + cancelled <= calls, "{what}: a call has ended twice");
        assert!(retried <= 2 * calls, "{what}: more attempts than there may be");
    }
}

#[tokio::test(start_paused = true)]
async fn it_holds_nothing_wherever_a_call_is_interrupted() {
    policy_harness::interrupt(|| {
        let backoff = Backoff::constant(Duration::ZERO);
        RetryRig(Retry::builder("payments").backoff(backoff).build().unwrap())
    });
}

#[tokio::test]
async fn a_clone_of_the_service_shares_what_the_handle_has() {
    let retry = retry();
    let service = retry.layer().replay(Cloned).layer(Flaky::new(0));
    service.clone().oneshot(Read(1)).await.unwrap();
    service.oneshot(Read(2)).await.unwrap();
    assert_eq!(counter(&retry, "calls"), 2);
}
