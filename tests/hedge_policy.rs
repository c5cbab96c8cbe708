//! The hedge through its tower shell and `call_idempotent`, on tokio's paused time.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Future, Ready, pending, poll_fn, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use policy_harness::{Inner, Made, Rig};
use seaworthy::attempt::Attempt;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::budget::Budget;
use seaworthy::deadline::Deadline;
use seaworthy::events::{Change, Event};
use seaworthy::hedge::{Hedge, HedgeService, Percentile};
use seaworthy::inventory::Describe;
use seaworthy::outcome::{ErrorIsFailure, Outcome};
use seaworthy::replay::{Idempotent, Replay};
use seaworthy::retry::{Backoff, Retry};
use seaworthy::{BoxError, Guarded, Reason, Refusal};
use tokio::sync::Semaphore;
use tokio::time::{Instant, advance, sleep};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};

const DELAY: Duration = Duration::from_millis(20);

/// A request that may be sent twice.
#[derive(Clone, Debug, PartialEq)]
struct Read;

impl Idempotent for Read {}

fn hedge() -> Hedge {
    Hedge::builder("payments").after(DELAY).build().unwrap()
}

fn counter(item: &impl Describe, name: &str) -> u64 {
    let entry = item.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

/// Returns what the hedge has counted as hedged, won and lost.
fn hedged_won_lost(hedge: &Hedge) -> [u64; 3] {
    ["hedged", "won", "lost"].map(|name| counter(hedge, name))
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn error(text: &'static str) -> io::Error {
    io::Error::other(text)
}

type Answer = Result<&'static str, io::Error>;

/// Answers the first attempt and the second one each as it is told.
macro_rules! attempts {
    ($first:expr, $second:expr) => {
        service_fn(|_: Read| async {
            match Attempt::current().number() {
                1 => {
                    let answer: Answer = $first.await;
                    answer
                }
                2 => $second.await,
                n => panic!("attempt {n}"),
            }
        })
    };
}

async fn after(wait: Duration, answer: Answer) -> Answer {
    sleep(wait).await;
    answer
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_asked_for_again_after_the_delay_and_the_first_success_wins() {
    let hedge = hedge();
    let service = attempts!(pending(), after(DELAY / 4, Ok("second")));
    let start = Instant::now();
    let answer = hedge.layer().layer(service).oneshot(Read).await.unwrap();
    assert_eq!((answer, start.elapsed()), ("second", DELAY + DELAY / 4));
    assert_eq!(hedged_won_lost(&hedge), [1, 1, 0]);

    let service = attempts!(after(DELAY + DELAY / 4, Ok("first")), after(DELAY, Ok("second")));
    let start = Instant::now();
    let answer = hedge.layer().layer(service).oneshot(Read).await.unwrap();
    assert_eq!((answer, start.elapsed()), ("first", DELAY + DELAY / 4));
    assert_eq!(hedged_won_lost(&hedge), [2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_fast_answer_is_never_hedged() {
    let hedge = hedge();
    for wait in [Duration::ZERO, DELAY - Duration::from_millis(1)] {
        let calls = AtomicU32::new(0);
        let service = service_fn(|_: Read| async {
            calls.fetch_add(1, Ordering::SeqCst);
            if !wait.is_zero() {
                sleep(wait).await;
            }
            Ok::<_, Infallible>(())
        });
        hedge.layer().layer(service).oneshot(Read).await.unwrap();
        sleep(DELAY * 2).await;
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
    assert_eq!(hedged_won_lost(&hedge), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_there_when_the_delay_has_passed_is_not_hedged() {
    let hedge = hedge();
    let service = attempts!(after(DELAY, Ok("first")), ready(Ok("second")));
    let mut call = pin!(hedge.layer().layer(service).oneshot(Read));
    assert!(poll_once(call.as_mut()).is_pending());
    advance(DELAY * 2).await;
    assert_eq!(call.await.unwrap(), "first");
    assert_eq!(hedged_won_lost(&hedge), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_than_two_attempts() {
    let hedge = hedge();
    let calls = Arc::new(AtomicU32::new(0));
    let service = service_fn(|_: Read| {
        calls.fetch_add(1, Ordering::SeqCst);
        after(DELAY * 10, Ok("late"))
    });
    hedge.layer().layer(service).oneshot(Read).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

/// A service with so many places, and what says how many of them are free.
fn places<S>(inner: S, places: usize) -> (tower::limit::ConcurrencyLimit<S>, Arc<Semaphore>) {
    let semaphore = Arc::new(Semaphore::new(places));
    let limited = GlobalConcurrencyLimitLayer::with_semaphore(semaphore.clone()).layer(inner);
    (limited, semaphore)
}

#[tokio::test(start_paused = true)]
async fn the_loser_is_cancelled_and_its_permit_is_back_with_the_answer() {
    for first_wins in [false, true] {
        let (first, second) = if first_wins { (3, 9) } else { (9, 1) };
        let service = attempts!(
            after(DELAY / 2 * first, Ok("first")),
            after(DELAY / 2 * second, Ok("second"))
        );
        let (service, free) = places(service, 2);
        let mut call = Box::pin(hedge().layer().layer(service).call(Read));
        assert!(poll_once(call.as_mut()).is_pending());
        advance(DELAY).await;
        assert!(poll_once(call.as_mut()).is_pending());
        assert_eq!(free.available_permits(), 0, "both are under way");
        let answer = call.as_mut().await.unwrap();
        assert_eq!(answer, if first_wins { "first" } else { "second" });
        // The future is still there: nothing waits for whoever drops it.
        assert_eq!(free.available_permits(), 2);
        drop(call);
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_sees_its_number_on_every_poll() {
    let seen = Mutex::new(Vec::new());
    let service = service_fn(|_: Read| {
        let called = Attempt::current().number();
        let seen = &seen;
        async move {
            for _ in 0..3 {
                seen.lock().unwrap().push((called, Attempt::current().number()));
                sleep(DELAY).await;
            }
            Ok::<_, Infallible>(())
        }
    });
    hedge().layer().layer(service).oneshot(Read).await.unwrap();
    let mut seen = seen.into_inner().unwrap();
    seen.sort_unstable();
    assert_eq!(seen, [(1, 1), (1, 1), (1, 1), (2, 2), (2, 2)]);
    assert_eq!(Attempt::current(), Attempt::FIRST);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_attempt_of_a_retry_goes_on_counting() {
    let seen = Mutex::new(Vec::new());
    let service = service_fn(|_: Read| async {
        seen.lock().unwrap().push(Attempt::current().number());
        after(DELAY * 2, Err(error("down"))).await
    });
    let backoff = Backoff::constant(DELAY);
    let retry = Retry::builder("payments").attempts(2).backoff(backoff).build().unwrap();
    let service = retry.layer().layer(hedge().layer().layer(service));
    service.oneshot(Read).await.unwrap_err();
    assert_eq!(seen.into_inner().unwrap(), [1, 2, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_the_delay_is_returned_as_it_is() {
    let hedge = hedge();
    let service = attempts!(after(DELAY / 2, Err(error("first"))), ready(Ok("second")));
    let start = Instant::now();
    let failed = hedge.layer().layer(service).oneshot(Read).await.unwrap_err();
    assert_eq!((failed.to_string().as_str(), start.elapsed()), ("first", DELAY / 2));
    assert_eq!(hedged_won_lost(&hedge), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_waits_for_the_other_attempt_and_the_last_end_is_returned() {
    let wins = [
        (
            after(DELAY * 2, Err(error("first"))),
            after(DELAY * 2, Ok("second")),
            "second",
        ),
        (
            after(DELAY * 3, Ok("first")),
            after(DELAY, Err(error("second"))),
            "first",
        ),
        (
            after(DELAY * 2, Err(error("first"))),
            after(DELAY * 2, Err(error("second"))),
            "second",
        ),
        (
            after(DELAY * 3, Err(error("first"))),
            after(DELAY, Err(error("second"))),
            "first",
        ),
    ];
    let hedge = hedge();
    for (first, second, expected) in wins {
        let (first, second) = (Mutex::new(Some(first)), Mutex::new(Some(second)));
        let take = |attempt: &Mutex<Option<_>>| attempt.lock().unwrap().take().unwrap();
        let service = attempts!(take(&first), take(&second));
        let start = Instant::now();
        let end = hedge.layer().layer(service).oneshot(Read).await;
        assert_eq!(end.unwrap_or_else(|error| error.to_string().leak()), expected);
        assert_eq!(start.elapsed(), DELAY * 3);
    }
    assert_eq!(hedged_won_lost(&hedge), [4, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn what_a_response_is_worth_the_classification_says() {
    let service = attempts!(after(DELAY * 3, Ok("first")), ready(Ok("unavailable")));
    let classify = |end: Result<&&str, &BoxError>| match end {
        Ok(&"unavailable") | Err(_) => Outcome::Failure,
        Ok(_) => Outcome::Success,
    };
    let layer = hedge().layer().classify(classify);
    assert_eq!(layer.layer(service).oneshot(Read).await.unwrap(), "first");
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_that_an_open_circuit_refuses_does_not_beat_the_first() {
    let (hedge, breaker) = (hedge(), CircuitBreaker::builder("payments").build().unwrap());
    let guarded = breaker
        .layer()
        .layer(attempts!(after(DELAY * 2, Ok("first")), pending()));
    let mut call = pin!(hedge.layer().layer(guarded).oneshot(Read));
    assert!(poll_once(call.as_mut()).is_pending());
    breaker.force_open();
    assert_eq!(call.await.unwrap(), "first");
    assert_eq!(hedged_won_lost(&hedge), [1, 0, 1]);
    assert_eq!(counter(&breaker, "refused"), 1);

    breaker.force_closed();
    let operation = || {
        breaker.call(|| async {
            breaker.force_open();
            after(DELAY * 2, Ok("first")).await
        })
    };
    assert_eq!(hedge.call_idempotent(operation).await.unwrap(), "first");
    assert_eq!(hedged_won_lost(&hedge), [2, 0, 2]);
}

/// Keeps what it is told to, and says how it can be sent again.
#[derive(Clone, Copy)]
enum Sending {
    Once,
    OneAfterAnother,
    Twice,
}

impl<Req: Clone> Replay<Req> for Sending {
    type Sent = Req;
    type Kept = Req;

    fn begin(&self, request: Req) -> (Req, Option<Req>) {
        let kept = (!matches!(self, Self::Once)).then(|| request.clone());
        (request, kept)
    }

    fn again(&self, kept: &mut Req, _: Attempt) -> Option<Req> {
        Some(kept.clone())
    }

    fn concurrent(&self, kept: &mut Req, attempt: Attempt) -> Option<Req> {
        assert_eq!(attempt.number(), 2);
        matches!(self, Self::Twice).then(|| kept.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_under_way_twice_is_sent_once_and_pays_nothing() {
    for (sending, hedged) in [(Sending::Once, 0), (Sending::OneAfterAnother, 0), (Sending::Twice, 1)] {
        let hedge = hedge();
        let calls = AtomicU32::new(0);
        let service = service_fn(|_: u8| {
            calls.fetch_add(1, Ordering::SeqCst);
            after(DELAY * 3, Ok("late"))
        });
        let layer = hedge.layer().replay(sending);
        assert_eq!(layer.layer(service).oneshot(1).await.unwrap(), "late");
        assert_eq!(calls.load(Ordering::SeqCst), 1 + hedged);
        assert_eq!(counter(&hedge, "unrepeatable"), 1 - u64::from(hedged));
        assert_eq!(counter(hedge.budget().unwrap(), "granted"), u64::from(hedged));
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_does_not_say_so_never_sends_two_at_once() {
    #[derive(Clone)]
    struct Shares;
    impl Replay<Read> for Shares {
        type Sent = Read;
        type Kept = ();
        fn begin(&self, request: Read) -> (Read, Option<()>) {
            (request, Some(()))
        }
        fn again(&self, (): &mut (), _: Attempt) -> Option<Read> {
            Some(Read)
        }
    }
    let hedge = hedge();
    let service = attempts!(after(DELAY * 3, Ok("first")), ready(Ok("second")));
    let answer = hedge.layer().replay(Shares).layer(service).oneshot(Read).await;
    assert_eq!(answer.unwrap(), "first");
    assert_eq!(counter(&hedge, "unrepeatable"), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_hedged_that_the_deadline_would_end_first() {
    let hedge = hedge();
    for (limit, hedged) in [(DELAY, 0), (DELAY + Duration::from_millis(1), 1)] {
        let service = attempts!(pending(), pending());
        let start = Instant::now();
        let call = hedge.layer().layer(service).oneshot(Read);
        let late = Deadline::after(limit).scope(call).await.unwrap_err();
        let refusal = Refusal::find(late.as_ref()).unwrap();
        assert_eq!((refusal.policy(), refusal.reason()), ("hedge", Reason::DeadlinePassed));
        assert_eq!(start.elapsed(), limit);
        assert_eq!(counter(&hedge, "hedged"), hedged);
    }
    assert_eq!(
        [
            counter(&hedge, "out_of_time"),
            counter(&hedge, "elapsed"),
            counter(&hedge, "cancelled")
        ],
        [1, 2, 0]
    );
}

#[tokio::test(start_paused = true)]
async fn whoever_is_polled_after_the_deadline_sends_and_pays_nothing_more() {
    let hedge = hedge();
    let service = attempts!(pending(), pending());
    let call = hedge.layer().layer(service).oneshot(Read);
    let mut call = pin!(Deadline::after(DELAY * 2).scope(call));
    assert!(poll_once(call.as_mut()).is_pending());
    advance(DELAY * 3).await;
    call.await.unwrap_err();
    assert_eq!([counter(&hedge, "hedged"), counter(&hedge, "out_of_time")], [0, 1]);
    assert_eq!(counter(hedge.budget().unwrap(), "granted"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_comes_with_the_request_counts() {
    #[derive(Clone)]
    struct Hurried;
    impl Replay<Read> for Hurried {
        type Sent = Read;
        type Kept = Read;
        fn begin(&self, request: Read) -> (Read, Option<Read>) {
            (request.clone(), Some(request))
        }
        fn again(&self, _: &mut Read, _: Attempt) -> Option<Read> {
            None
        }
        fn deadline(&self, _: &Read) -> Option<Deadline> {
            Some(Deadline::after(DELAY / 2))
        }
    }
    let hedge = hedge();
    let service = hedge.layer().replay(Hurried).layer(attempts!(pending(), pending()));
    let start = Instant::now();
    service.oneshot(Read).await.unwrap_err();
    assert_eq!((start.elapsed(), counter(&hedge, "out_of_time")), (DELAY / 2, 1));
}

/// A budget of so many further attempts, and never more.
fn budget(attempts: u32) -> Budget {
    let builder = Budget::builder("shared").share(0).floor(0);
    builder.reserve(attempts).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_budget_left_the_first_attempt_is_waited_for_alone() {
    let hedge = Hedge::builder("payments")
        .after(DELAY)
        .budget(budget(1))
        .build()
        .unwrap();
    for expected in ["second", "first"] {
        let service = attempts!(after(DELAY * 5, Ok("first")), ready(Ok("second")));
        assert_eq!(hedge.layer().layer(service).oneshot(Read).await.unwrap(), expected);
    }
    assert_eq!([counter(&hedge, "hedged"), counter(&hedge, "out_of_budget")], [1, 1]);

    let unbounded = Hedge::builder("payments")
        .after(DELAY)
        .without_budget()
        .build()
        .unwrap();
    for _ in 0..50 {
        let service = attempts!(after(DELAY * 5, Ok("first")), ready(Ok("second")));
        assert_eq!(unbounded.layer().layer(service).oneshot(Read).await.unwrap(), "second");
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_shared_with_a_retry_bounds_both_together() {
    let budget = budget(2);
    let hedge = Hedge::builder("payments")
        .after(DELAY)
        .budget(budget.clone())
        .build()
        .unwrap();
    let backoff = Backoff::constant(DELAY);
    let retry = Retry::builder("payments").attempts(100).backoff(backoff);
    let retry = retry.budget(budget.clone()).build().unwrap();
    let calls = AtomicU32::new(0);
    let service = service_fn(|_: Read| {
        calls.fetch_add(1, Ordering::SeqCst);
        after(DELAY * 2, Err(error("down")))
    });
    let service = retry.layer().layer(hedge.layer().layer(service));
    service.oneshot(Read).await.unwrap_err();
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert_eq!([counter(&hedge, "hedged"), counter(&retry, "retried")], [1, 1]);
    assert_eq!(
        [counter(&hedge, "out_of_budget"), counter(&retry, "out_of_budget")],
        [1, 1]
    );
    assert_eq!([counter(&budget, "granted"), counter(&budget, "refused")], [2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_request_pays_once_into_a_budget_that_it_meets_twice() {
    let shared = budget(0);
    let hedge = Hedge::builder("payments")
        .after(DELAY)
        .budget(shared.clone())
        .build()
        .unwrap();
    let retry = Retry::builder("payments").budget(shared.clone()).build().unwrap();
    let service = retry.layer().layer(hedge.layer().layer(service_fn(|_: Read| async {
        tokio::task::yield_now().await;
        Ok::<_, io::Error>(())
    })));
    for _ in 0..10 {
        service.clone().oneshot(Read).await.unwrap();
    }
    let other = retry.call_idempotent(|| hedge.call_idempotent(|| ready(Ok::<_, io::Error>(()))));
    other.await.unwrap();
    assert_eq!([counter(&retry, "calls"), counter(&hedge, "calls")], [11, 11]);
    assert_eq!(counter(&shared, "requests"), 11);

    let (one, another) = (budget(0), budget(0));
    let hedge = Hedge::builder("payments")
        .after(DELAY)
        .budget(one.clone())
        .build()
        .unwrap();
    let retry = Retry::builder("payments").budget(another.clone()).build().unwrap();
    let called = retry.call_idempotent(|| hedge.call_idempotent(|| ready(Ok::<_, io::Error>(()))));
    called.await.unwrap();
    assert_eq!([counter(&one, "requests"), counter(&another, "requests")], [1, 1]);
}

#[tokio::test(start_paused = true)]
async fn requests_pay_for_second_attempts() {
    let budget = Budget::builder("shared").share(10).floor(0).reserve(1).build().unwrap();
    let hedge = Hedge::builder("payments").after(DELAY).budget(budget).build().unwrap();
    for _ in 0..40 {
        let service = attempts!(after(DELAY * 2, Ok("first")), ready(Ok("second")));
        hedge.layer().layer(service).oneshot(Read).await.unwrap();
    }
    assert_eq!([counter(&hedge, "calls"), counter(&hedge, "hedged")], [40, 5]);
}

/// Counts its clones, and is ready at once or at the second poll.
struct Counted {
    clones: Arc<AtomicUsize>,
    ready: bool,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self {
            clones: self.clones.clone(),
            ready: false,
        }
    }
}

impl Service<Read> for Counted {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if std::mem::replace(&mut self.ready, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Read) -> Self::Future {
        assert!(std::mem::replace(&mut self.ready, false), "called without being ready");
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_ready_is_not_cloned_and_one_that_is_not_is_waited_for() {
    for (ready, expected) in [(true, 0), (false, 1)] {
        let clones = Arc::new(AtomicUsize::new(0));
        let counted = Counted {
            clones: clones.clone(),
            ready,
        };
        let mut service = hedge().layer().layer(counted);
        let of_the_layer = clones.load(Ordering::SeqCst);
        service.ready().await.unwrap().call(Read).await.unwrap();
        assert_eq!(clones.load(Ordering::SeqCst) - of_the_layer, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_place_inside_is_not_fought_for() {
    let hedge = hedge();
    let (service, free) = places(attempts!(after(DELAY * 3, Ok("first")), pending()), 1);
    let mut service = hedge.layer().layer(service);
    let start = Instant::now();
    assert_eq!(service.call(Read).await.unwrap(), "first");
    assert_eq!((start.elapsed(), free.available_permits()), (DELAY * 3, 1));
    // And again: the one that waited in vain holds no place in the queue.
    assert_eq!(service.call(Read).await.unwrap(), "first");
    assert_eq!((hedged_won_lost(&hedge), free.available_permits()), ([2, 0, 2], 1));
}

#[tokio::test(start_paused = true)]
async fn the_place_of_an_attempt_that_has_failed_is_free_for_the_other() {
    let attempts = attempts!(after(DELAY * 2, Err(error("first"))), after(DELAY, Ok("second")));
    let (service, free) = places(attempts, 1);
    let mut service = hedge().layer().layer(service);
    let mut call = Box::pin(service.call(Read));
    let answer = tokio::time::timeout(DELAY * 10, call.as_mut()).await;
    assert_eq!(answer.expect("it waits for a place that it holds").unwrap(), "second");
    assert_eq!(free.available_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_gives_every_permit_back_at_every_poll() {
    for polls in 0..6 {
        let hedge = hedge();
        let steps = service_fn(|_: Read| async {
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            Ok::<_, Infallible>(())
        });
        let (service, free) = places(steps, 2);
        {
            let mut service = hedge.layer().layer(service);
            let mut call = pin!(service.ready().await.unwrap().call(Read));
            for poll in 0..polls.min(4) {
                assert!(poll_once(call.as_mut()).is_pending());
                if poll == 0 && polls > 4 {
                    advance(DELAY).await;
                }
            }
            let under_way = if polls > 4 { 2 } else { 1 };
            assert_eq!(free.available_permits(), 2 - under_way);
        }
        assert_eq!(free.available_permits(), 2, "after {polls} polls");
        assert_eq!([counter(&hedge, "calls"), counter(&hedge, "cancelled")], [1, 1]);
        assert_eq!(counter(&hedge, "hedged"), u64::from(polls > 4));
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_either_attempt_is_the_callers_and_drops_the_other() {
    for which in [1, 2] {
        let hedge = hedge();
        let (service, free) = places(
            service_fn(move |_: Read| async move {
                if Attempt::current().number() == which {
                    sleep(DELAY * 2).await;
                    panic!("inside");
                }
                pending::<Answer>().await
            }),
            2,
        );
        let call = tokio::spawn(hedge.layer().layer(service).oneshot(Read));
        assert!(call.await.unwrap_err().is_panic());
        assert_eq!(free.available_permits(), 2);
        assert_eq!((counter(&hedge, "cancelled"), hedged_won_lost(&hedge)), (1, [1, 0, 0]));
    }
}

#[tokio::test]
async fn a_first_attempt_that_uses_up_its_tasks_budget_is_still_hedged() {
    let hedge = Hedge::builder("greedy")
        .after(Duration::from_millis(5))
        .build()
        .unwrap();
    let operation = || {
        let is_first = Attempt::current() == Attempt::FIRST;
        let mut polls = 0u32;
        poll_fn(move |cx| {
            if !is_first {
                return Poll::Ready(Ok::<_, Infallible>("second"));
            }
            // Takes from the budget until there is none left, and asks to be polled again.
            while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
            cx.waker().wake_by_ref();
            polls += 1;
            if polls < 200_000 {
                Poll::Pending
            } else {
                Poll::Ready(Ok("never hedged"))
            }
        })
    };
    let answer = tokio::spawn(async move { hedge.call_idempotent(operation).await });
    assert_eq!(answer.await.unwrap(), Ok("second"));
}

#[tokio::test(start_paused = true)]
async fn clones_share_settings_and_counters_and_handles_share_nothing() {
    let (one, other) = (hedge(), hedge());
    let mut service = one.layer().layer(attempts!(pending(), ready(Ok("second"))));
    one.clone()
        .reconfigure(|config| config.after = (DELAY * 3).into())
        .unwrap();
    let start = Instant::now();
    service.ready().await.unwrap().call(Read).await.unwrap();
    assert_eq!(
        start.elapsed(),
        DELAY * 3,
        "a layer that was made before sees the change"
    );
    assert_eq!((counter(&one, "calls"), one.delay()), (1, DELAY * 3));
    assert_eq!((counter(&other, "calls"), other.delay()), (0, DELAY));
}

#[tokio::test]
async fn a_change_of_settings_is_reported_and_a_rejected_one_is_not() {
    let seen = Arc::new(AtomicUsize::new(0));
    let sink = {
        let seen = seen.clone();
        move |event: &Event<'_>| {
            assert_eq!((event.kind, event.name), ("hedge", "payments"));
            assert!(matches!(event.change, Change::Settings));
            seen.fetch_add(1, Ordering::SeqCst);
        }
    };
    let hedge = Hedge::builder("payments").events(sink).build().unwrap();
    hedge.reconfigure(|config| config.after = DELAY.into()).unwrap();
    hedge
        .reconfigure(|config| config.after = Duration::ZERO.into())
        .unwrap_err();
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_of_ones_own_keeps_its_error_and_is_refused_after_the_deadline() {
    let hedge = hedge();
    let failed = hedge.call_idempotent(|| async { Err::<(), _>(error("mine")) }).await;
    assert!(matches!(failed, Err(Guarded::Inner(error)) if error.to_string() == "mine"));
    let started = AtomicU32::new(0);
    let late = async {
        let operation = || async {
            started.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(())
        };
        hedge.call_idempotent(operation).await
    };
    let late = Deadline::after(Duration::ZERO).scope(late).await;
    assert!(matches!(late, Err(Guarded::Refused(refusal)) if refusal.policy() == "hedge"));
    assert_eq!(started.load(Ordering::SeqCst), 0);
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn follows(percent: u8) -> Hedge {
    let percentile = Percentile::of(percent).minimum_calls(20).fallback(millis(500));
    Hedge::builder("payments")
        .after(percentile)
        .without_budget()
        .build()
        .unwrap()
}

/// Waits until a percentile that has been looked for is looked for again, and returns the delay.
async fn delay(hedge: &Hedge) -> u128 {
    sleep(millis(200)).await;
    hedge.delay().as_millis()
}

#[tokio::test(start_paused = true)]
async fn the_delay_follows_what_recent_calls_took() {
    let hedge = follows(95);
    for (took, expected) in [(40, 40..=45), (80, 80..=90)] {
        for n in 0..100 {
            // Those that take long are few enough not to be seen.
            let took = if n % 25 == 0 { 400 } else { took };
            let service = attempts!(after(millis(took), Ok("first")), pending());
            hedge.layer().layer(service).oneshot(Read).await.unwrap();
        }
        let found = delay(&hedge).await;
        assert!(expected.contains(&found), "{found} ms");
        sleep(Duration::from_secs(30)).await;
        assert_eq!(delay(&hedge).await, 500, "too old");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_answered_at_once_counts() {
    let hedge = follows(90);
    let mut service = hedge.layer().layer(attempts!(ready(Ok("first")), pending()));
    for _ in 0..95 {
        service.ready().await.unwrap().call(Read).await.unwrap();
    }
    for _ in 0..5 {
        let service = attempts!(after(millis(80), Ok("first")), pending());
        hedge.layer().layer(service).oneshot(Read).await.unwrap();
    }
    assert_eq!(delay(&hedge).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_percentile_does_not_drift_because_slow_attempts_lose() {
    let hedge = follows(50);
    for n in 0..2_000 {
        // From 1 to 100 ms, evenly; the second attempt always takes one.
        let took = millis(n * 37 % 100 + 1);
        let service = attempts!(after(took, Ok("first")), after(millis(1), Ok("second")));
        hedge.layer().layer(service).oneshot(Read).await.unwrap();
    }
    let found = delay(&hedge).await;
    assert!((45..=60).contains(&found), "{found} ms");
}

#[tokio::test(start_paused = true)]
async fn failures_and_refusals_are_no_latencies() {
    let hedge = follows(50);
    for wait in [0, 1, 5].repeat(20) {
        let failing = || async move {
            if wait > 0 {
                sleep(millis(wait)).await;
            }
            Err::<(), _>(error("down"))
        };
        hedge.call_idempotent(failing).await.unwrap_err();
    }
    assert_eq!(delay(&hedge).await, 500);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_counts_if_it_was_overdue_and_not_before() {
    for (patience, expected) in [(499, 500..=500), (600, 600..=675)] {
        let hedge = follows(50);
        for _ in 0..20 {
            let call = hedge.call_idempotent(pending::<Result<(), Infallible>>);
            tokio::time::timeout(millis(patience), call).await.unwrap_err();
        }
        let found = delay(&hedge).await;
        assert!(expected.contains(&found), "given up after {patience} ms: {found} ms");
        assert_eq!(counter(&hedge, "cancelled"), 20);
    }
}

/// A hedge in front of a service whose requests are not marked.
struct HedgeRig(Hedge);

impl Rig for HedgeRig {
    type Service = HedgeService<Inner, Sending, ErrorIsFailure>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.0.layer().replay(Sending::Twice).layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        let [calls, hedged] = ["calls", "hedged"].map(|name| counter(&self.0, name));
        assert_eq!((calls, hedged), (made.called, 0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_interrupts_a_call_nothing_is_held() {
    policy_harness::interrupt(|| HedgeRig(hedge()));
}
