//! One deadline for everything that waits, on tokio's paused time.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use seaworthy::attempt::Attempt;
use seaworthy::breaker::{CircuitBreaker, State, Window};
use seaworthy::deadline::Deadline;
use seaworthy::hedge::Hedge;
use seaworthy::replay::Idempotent;
use seaworthy::retry::{Backoff, Jitter, Retry};
use seaworthy::timeout::Timeout;
use seaworthy::{Guarded, Part, Reason, Refusal};
use tokio::time::{Instant, advance, sleep};
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};

const MS: Duration = Duration::from_millis(1);

fn timeout(name: &str, limit: Duration) -> Timeout {
    Timeout::builder(name).limit(limit).build().unwrap()
}

async fn left() -> Option<Duration> {
    Deadline::current().map(Deadline::remaining)
}

fn reason<T: std::fmt::Debug>(ended: Result<T, Guarded<Infallible>>) -> Reason {
    match ended {
        Err(Guarded::Refused(refusal)) => refusal.reason(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_of_ones_own_and_the_callers_counts() {
    assert_eq!(left().await, None);
    let (soon, late) = (Deadline::after(100 * MS), Deadline::after(300 * MS));
    assert_eq!(soon.min(late), soon);
    let inside = soon.scope(async {
        sleep(40 * MS).await;
        (
            left().await,
            late.scope(left()).await,
            Deadline::after(20 * MS).scope(left()).await,
            left().await,
        )
    });
    let ms = |ms| Some(Duration::from_millis(ms));
    assert_eq!(inside.await, (ms(60), ms(60), ms(20), ms(60)));
    assert_eq!(left().await, None, "what is outside has none");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_gives_what_is_left_to_what_is_inside() {
    let (outer, inner) = (timeout("outer", 1000 * MS), timeout("inner", 300 * MS));
    let seen = outer.call(|| async {
        let first = left().await;
        sleep(100 * MS).await;
        let within = inner
            .call(|| async { Ok::<_, Infallible>(left().await) })
            .await
            .unwrap();
        sleep(850 * MS).await;
        let late = inner
            .call(|| async { Ok::<_, Infallible>(left().await) })
            .await
            .unwrap();
        Ok::<_, Infallible>([first, within, late])
    });
    assert_eq!(
        seen.await.unwrap(),
        [1000, 300, 50].map(|ms| Some(Duration::from_millis(ms)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_inside_ends_with_the_callers_deadline() {
    let attempt = timeout("attempt", 1000 * MS);
    let start = Instant::now();
    let ended = Deadline::after(100 * MS)
        .scope(attempt.call(pending::<Result<(), Infallible>>))
        .await;
    assert_eq!((reason(ended), start.elapsed()), (Reason::DeadlinePassed, 100 * MS));

    let start = Instant::now();
    let ended = Deadline::after(5000 * MS)
        .scope(attempt.call(pending::<Result<(), Infallible>>))
        .await;
    let (limit, part) = (1000 * MS, Part::Response);
    assert_eq!(
        (reason(ended), start.elapsed()),
        (Reason::Elapsed { limit, part }, limit)
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_readiness_waits_no_longer_than_the_deadline() {
    let attempt = timeout("attempt", 1000 * MS);
    let hung = service_fn(|(): ()| pending::<Result<(), Infallible>>());
    let limited = attempt.layer().layer(ConcurrencyLimit::new(hung, 1));
    let _holds_the_permit = tokio::spawn(limited.clone().oneshot(()));
    tokio::task::yield_now().await;
    let start = Instant::now();
    let error = Deadline::after(100 * MS).scope(limited.oneshot(())).await.unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::DeadlinePassed);
    assert_eq!(start.elapsed(), 100 * MS);
}

#[tokio::test(start_paused = true)]
async fn work_whose_deadline_has_passed_is_refused_before_it_starts() {
    let attempt = timeout("attempt", 1000 * MS);
    let has_started = Arc::new(AtomicBool::new(false));
    let started = has_started.clone();
    let service = attempt.layer().layer(service_fn(move |(): ()| {
        started.store(true, Ordering::SeqCst);
        ready(Ok::<_, Infallible>(()))
    }));
    let deadline = Deadline::after(100 * MS);
    advance(99 * MS).await;
    deadline.scope(service.clone().oneshot(())).await.unwrap();
    assert!(has_started.swap(false, Ordering::SeqCst));
    advance(MS).await;
    let error = deadline.scope(service.oneshot(())).await.unwrap_err();
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::DeadlinePassed);
    assert!(!has_started.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn whoever_set_the_limit_says_that_it_has_passed() {
    let outer = timeout("outer", 50 * MS);
    let (limit, part) = (50 * MS, Part::Response);
    let hung = || service_fn(|_: Read| pending::<Result<(), Infallible>>());
    let inner = timeout("inner", 1000 * MS);
    let retry = Retry::builder("retry").build().unwrap();
    let hedge = Hedge::builder("hedge").after(10 * MS).build().unwrap();
    let ended = [
        outer.layer().layer(inner.layer().layer(hung())).oneshot(Read).await,
        outer.layer().layer(retry.layer().layer(hung())).oneshot(Read).await,
        outer.layer().layer(hedge.layer().layer(hung())).oneshot(Read).await,
        outer
            .layer()
            .layer(retry.layer().layer(hedge.layer().layer(inner.layer().layer(hung()))))
            .oneshot(Read)
            .await,
    ];
    for ended in ended {
        let error = ended.unwrap_err();
        let refusal = Refusal::find(error.as_ref()).unwrap();
        assert_eq!(
            (refusal.name(), refusal.reason()),
            ("outer", Reason::Elapsed { limit, part })
        );
    }
    // So a dependency that hangs opens the circuit outside, whatever waits within the limit.
    let breaker = CircuitBreaker::builder("breaker")
        .window(Window::Consecutive(2))
        .build()
        .unwrap();
    let guarded = breaker.layer().layer(outer.layer().layer(retry.layer().layer(hung())));
    for _ in 0..2 {
        guarded.clone().oneshot(Read).await.unwrap_err();
    }
    assert_eq!(breaker.snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_within_a_limit_that_nobody_else_keeps_is_kept() {
    let (outer, inner) = (timeout("outer", 1000 * MS), timeout("inner", 2000 * MS));
    let start = Instant::now();
    let ended = outer.call(|| Deadline::after(100 * MS).scope(inner.call(pending::<Result<(), Infallible>>)));
    let Err(Guarded::Inner(ended)) = ended.await else {
        panic!("the outer limit has passed");
    };
    assert_eq!(
        (reason(Err::<(), _>(ended)), start.elapsed()),
        (Reason::DeadlinePassed, 100 * MS)
    );
}

#[tokio::test(start_paused = true)]
async fn what_leaves_the_limit_that_it_began_under_has_its_own() {
    let (outer, inner) = (timeout("outer", 100 * MS), timeout("inner", 2000 * MS));
    let mut begun = Box::pin(inner.call(pending::<Result<(), Infallible>>));
    let polled = outer.call(|| {
        std::future::poll_fn(|cx| std::task::Poll::Ready(Ok::<_, Infallible>(begun.as_mut().poll(cx).is_pending())))
    });
    assert!(polled.await.unwrap());
    let start = Instant::now();
    let (limit, part) = (2000 * MS, Part::Response);
    assert_eq!(
        (reason(begun.await), start.elapsed()),
        (Reason::Elapsed { limit, part }, limit)
    );
}

#[derive(Clone)]
struct Read;

impl Idempotent for Read {}

#[tokio::test(start_paused = true)]
async fn a_limit_that_nobody_asks_for_begins_with_the_first_wait() {
    let attempt = timeout("attempt", 100 * MS);
    let call = attempt.call(pending::<Result<(), Infallible>>);
    advance(50 * MS).await;
    let start = Instant::now();
    call.await.unwrap_err();
    assert_eq!(start.elapsed(), 100 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_spawned_has_only_what_it_is_given() {
    let found = Deadline::after(100 * MS).scope(async {
        let alone = tokio::spawn(left()).await.unwrap();
        let given = tokio::spawn(Deadline::current().unwrap().scope(left())).await.unwrap();
        (alone, given)
    });
    assert_eq!(found.await, (None, Some(100 * MS)));
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_no_deadline_behind() {
    let scoped = Deadline::after(100 * MS).scope(async { assert!(MS.is_zero(), "inside") });
    let caught = std::panic::AssertUnwindSafe(scoped).catch_unwind().await;
    caught.unwrap_err();
    assert_eq!(left().await, None);
}

#[tokio::test(start_paused = true)]
async fn deadlines_far_away_neither_overflow_nor_come_early() {
    let far = Deadline::after(Duration::MAX);
    assert!(far.remaining() > Duration::from_secs(20 * 365 * 24 * 3600));
    assert!(!far.has_passed());
    let now = std::time::Instant::now();
    assert_eq!(Deadline::at(now).instant(), now);
    let attempt = timeout("attempt", 100 * MS);
    let ended = far.scope(attempt.call(pending::<Result<(), Infallible>>)).await;
    assert!(matches!(reason(ended), Reason::Elapsed { .. }));
}

/// On the real clock, where two looks at it differ: a paused one would hide who comes first.
#[tokio::test]
async fn whoever_set_the_limit_says_so_on_the_real_clock_too() {
    let outer = timeout("outer", 20 * MS);
    let inner = timeout("inner", 1000 * MS);
    let hung = || service_fn(|_: Read| pending::<Result<(), Infallible>>());
    let asks = || {
        service_fn(|_: Read| async {
            assert!(Deadline::current().is_some());
            pending::<Result<(), Infallible>>().await
        })
    };
    let failing_once = || {
        service_fn(|_: Read| async {
            if Attempt::current() == Attempt::FIRST {
                return Err(std::io::Error::other("down"));
            }
            pending().await
        })
    };
    let retry = Retry::builder("retry")
        .backoff(Backoff::constant(Duration::ZERO))
        .build()
        .unwrap();
    let hedge = Hedge::builder("hedge").after(MS).build().unwrap();
    let breaker = CircuitBreaker::builder("breaker")
        .window(Window::Consecutive(2))
        .build()
        .unwrap();
    for _ in 0..5 {
        let ended = [
            outer.layer().layer(inner.layer().layer(asks())).oneshot(Read).await,
            outer.layer().layer(retry.layer().layer(asks())).oneshot(Read).await,
            outer.layer().layer(hedge.layer().layer(hung())).oneshot(Read).await,
            outer
                .layer()
                .layer(retry.layer().layer(inner.layer().layer(asks())))
                .oneshot(Read)
                .await,
            outer
                .layer()
                .layer(breaker.layer().layer(inner.layer().layer(asks())))
                .oneshot(Read)
                .await,
        ];
        let retried: Result<(), _> = outer
            .layer()
            .layer(retry.layer().layer(failing_once()))
            .oneshot(Read)
            .await;
        for ended in ended.into_iter().chain([retried]) {
            let error = ended.unwrap_err();
            assert_eq!(
                Refusal::find(error.as_ref()).unwrap().to_string(),
                "timeout `outer`: no response within 20ms"
            );
        }
    }
    assert_eq!(
        breaker.snapshot().state,
        State::Closed,
        "the limit is not the dependency's"
    );
    let guarded = breaker.layer().layer(outer.layer().layer(hedge.layer().layer(hung())));
    for _ in 0..2 {
        guarded.clone().oneshot(Read).await.unwrap_err();
    }
    assert_eq!(breaker.snapshot().state, State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_made_here_and_spawned_has_its_own_limit_alone() {
    let attempt = timeout("attempt", 1000 * MS);
    let start = Instant::now();
    let made = async { [attempt.call(pending::<Result<(), Infallible>>)] };
    let [call] = Deadline::after(50 * MS).scope(made).await;
    let ended = tokio::spawn(call).await.unwrap();
    assert!(matches!(reason(ended), Reason::Elapsed { .. }));
    assert_eq!(start.elapsed(), 1000 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_between_two_limits_changes_nothing_for_the_sooner_one() {
    let (outer, inner) = (timeout("outer", 50 * MS), timeout("inner", 1000 * MS));
    let late = Deadline::after(10_000 * MS);
    let ended = outer
        .call(|| late.scope(inner.call(pending::<Result<(), Infallible>>)))
        .await;
    let Err(Guarded::Refused(refusal)) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(refusal.to_string(), "timeout `outer`: no response within 50ms");
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_kept_by_a_timer_that_wakes_whoever_polls_it_elsewhere() {
    let (outer, inner) = (timeout("outer", 100 * MS), timeout("inner", 500 * MS));
    let mut calls = FuturesUnordered::from_iter([inner.call(pending::<Result<(), Infallible>>)]);
    // First polled within the outer limit, and then without it by somebody who polls only what has been woken.
    outer.call(|| calls.next().map(Ok::<_, Infallible>)).await.unwrap_err();
    let start = Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(60), calls.next())
        .await
        .expect("it never ends");
    assert!(matches!(reason(ended.unwrap()), Reason::Elapsed { .. }));
    assert_eq!(start.elapsed(), 400 * MS);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_by_whoever_is_polled_too_late() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let retry = Retry::builder("retry")
        .total(100 * MS)
        .backoff(Backoff::constant(50 * MS).jitter(Jitter::None));
    let failing = service_fn(move |_: Read| {
        counted.fetch_add(1, Ordering::SeqCst);
        ready(Err::<(), _>(std::io::Error::other("down")))
    });
    let retry = retry.build().unwrap();
    let mut call = Box::pin(retry.layer().layer(failing).oneshot(Read));
    assert!(futures_util::poll!(call.as_mut()).is_pending());
    advance(Duration::from_secs(10)).await;
    let error = call.await.unwrap_err();
    assert!(matches!(
        Refusal::find(error.as_ref()).unwrap().reason(),
        Reason::Elapsed { .. }
    ));
    assert_eq!(calls.load(Ordering::SeqCst), 1);

    let mut call = Box::pin(retry.call_idempotent(|| {
        calls.fetch_add(1, Ordering::SeqCst);
        ready(Err::<(), _>(std::io::Error::other("down")))
    }));
    assert!(futures_util::poll!(call.as_mut()).is_pending());
    advance(Duration::from_secs(10)).await;
    assert!(matches!(call.await, Err(Guarded::Refused(_))));
    assert_eq!(calls.swap(1, Ordering::SeqCst), 2);

    let attempt = timeout("attempt", 100 * MS);
    let counted = calls.clone();
    let limit = ConcurrencyLimit::new(
        service_fn(move |_: Read| {
            counted.fetch_add(1, Ordering::SeqCst);
            ready(Ok::<_, Infallible>(()))
        }),
        1,
    );
    let mut holder = limit.clone();
    std::future::poll_fn(|cx| Service::<Read>::poll_ready(&mut holder, cx))
        .await
        .unwrap();
    let mut waiting = Box::pin(attempt.layer().layer(limit).oneshot(Read));
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    drop(holder);
    advance(Duration::from_secs(10)).await;
    waiting.await.unwrap_err();
    assert_eq!(
        calls.load(Ordering::SeqCst),
        1,
        "the permit came when nobody waited any more"
    );
}
