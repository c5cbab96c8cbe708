//! The rate limit through its tower shell, `call` and `check`, on tokio's paused time.

mod policy_harness;

use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use policy_harness::{Inner, Made, Rig, interrupt};
use proptest::prelude::*;
use seaworthy::clock::{Clock, ManualClock};
use seaworthy::deadline::Deadline;
use seaworthy::events::{Change, Event};
use seaworthy::inventory::Describe;
use seaworthy::rate_limit::{Adaptive, PerService, Quota, RateLimit, RateLimitBuilder, RateLimitService};
use seaworthy::timeout::Timeout;
use seaworthy::{BoxError, Guarded, Reason, Refusal};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn limit(quota: Quota) -> RateLimitBuilder {
    RateLimit::builder("orders").quota(quota)
}

/// A limit whose time stands still.
fn still(quota: Quota) -> (RateLimit, ManualClock) {
    let clock = ManualClock::default();
    let limit = limit(quota).clock(Clock::from(clock.clone())).build().unwrap();
    (limit, clock)
}

fn counter(item: &impl Describe, name: &str) -> u64 {
    let entry = item.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn refusal(error: &BoxError) -> &Refusal {
    Refusal::find(error.as_ref()).unwrap()
}

#[test]
fn what_is_left_is_shared_by_clones_layers_tasks_and_threads() {
    let (limit, _clock) = still(Quota::per_second(1).burst(10_000));
    let admitted = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (limit, admitted) = (limit.clone(), &admitted);
            scope.spawn(move || {
                let layer = limit.layer();
                let mut service = layer.layer(service_fn(|()| ready(Ok::<_, Infallible>(()))));
                for _ in 0..2000 {
                    let passed = match thread % 3 {
                        0 => limit.check(1).is_ok(),
                        1 => poll_once(pin!(service.call(()))).map(|ended| ended.is_ok()) == Poll::Ready(true),
                        _ => {
                            let call = pin!(limit.call(|| ready(Ok::<_, Infallible>(()))));
                            poll_once(call) == Poll::Ready(Ok(()))
                        }
                    };
                    admitted.fetch_add(passed.into(), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(admitted.into_inner(), 10_000);
    assert_eq!(counter(&limit, "admitted"), 10_000);
    assert_eq!(counter(&limit, "refused"), 6000);
}

#[test]
fn ten_a_second_means_that_and_the_wait_it_names_is_enough() {
    let (limit, clock) = still(Quota::per_second(10).burst(1));
    let mut admitted = 0;
    for _ in 0..600_000 {
        clock.advance(Duration::from_millis(1));
        admitted += u32::from(limit.check(1).is_ok());
    }
    assert!((6000..=6001).contains(&admitted), "{admitted} in ten minutes");
    let limited = loop {
        if let Err(limited) = limit.check(1) {
            break limited;
        }
    };
    let wait = limited.retry_after().unwrap();
    clock.advance(wait - Duration::from_nanos(1));
    limit.check(1).unwrap_err();
    clock.advance(Duration::from_nanos(1));
    limit.check(1).unwrap();
}

#[test]
fn a_refusal_spends_nothing_and_does_not_touch_what_is_inside() {
    let (limit, _clock) = still(Quota::per_second(1).burst(3));
    let mut service = limit
        .layer()
        .weight(|weight: &u32| *weight)
        .layer(service_fn(|weight: u32| {
            assert!(weight < 3, "called though it was refused");
            ready(Ok::<_, Infallible>(()))
        }));
    let mut call = |weight| {
        let called = poll_once(pin!(service.call(weight)));
        match called {
            Poll::Ready(ended) => ended,
            Poll::Pending => panic!("it waits"),
        }
    };
    call(2).unwrap();
    let error = call(3).unwrap_err();
    assert_eq!(refusal(&error).retry_after(), Some(SECOND * 2));
    assert_eq!(
        refusal(&error).reason(),
        Reason::RateLimited {
            quota: 3,
            per: SECOND * 3
        }
    );
    call(1).unwrap();
    let error = call(4).unwrap_err();
    assert_eq!(refusal(&error).retry_after(), None, "four never go at once");
    call(0).unwrap();
    assert_eq!(limit.snapshot().remaining, 0);
}

#[test]
fn a_call_that_is_refused_is_not_begun() {
    let (limit, _clock) = still(Quota::per_second(1));
    limit.check(1).unwrap();
    let refused = poll_once(pin!(limit.call(|| {
        panic!("begun");
        #[expect(unreachable_code, reason = "the type of what is never begun")]
        ready(Ok::<(), Infallible>(()))
    })));
    assert!(matches!(refused, Poll::Ready(Err(Guarded::Refused(_)))));
}

struct Round(RateLimit);

impl Rig for Round {
    type Service = RateLimitService<Inner, PerService>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.0.layer().layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        assert_eq!(self.0.snapshot().waiting, 0, "{what}");
        // Readiness takes nothing, a call takes one.
        assert_eq!(counter(&self.0, "admitted"), made.called, "{what}");
        assert_eq!(u64::from(self.0.snapshot().remaining), 100 - made.called, "{what}");
    }
}

#[test]
fn whatever_interrupts_a_call_nothing_is_held_and_a_readied_clone_takes_nothing() {
    interrupt(|| Round(still(Quota::per_hour(100)).0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_leaves_the_line_at_every_poll() {
    for polls in 0..3 {
        let limit = limit(Quota::per_second(1)).wait(SECOND * 60).build().unwrap();
        limit.check(1).unwrap();
        let mut service = limit.layer().layer(service_fn(|()| ready(Ok::<_, Infallible>(()))));
        let mut call = Box::pin(service.call(()));
        assert_eq!(limit.snapshot().waiting, 1);
        for _ in 0..polls {
            assert!(poll_once(call.as_mut()).is_pending());
        }
        drop(call);
        assert_eq!(limit.snapshot().waiting, 0);
        assert_eq!(counter(&limit, "cancelled"), 1);
        sleep(SECOND).await;
        limit.check(1).unwrap();
    }
}

/// Calls so many at once, in order, and notes when each is let through, in milliseconds.
async fn times(limit: &RateLimit, calls: usize) -> Vec<(usize, u128)> {
    let (start, passed) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let mut tasks = Vec::new();
    for number in 0..calls {
        let (limit, noted) = (limit.clone(), passed.clone());
        let call = limit.call(move || {
            noted.lock().unwrap().push((number, start.elapsed().as_millis()));
            ready(Ok::<_, Infallible>(()))
        });
        tasks.push(tokio::spawn(call));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    Arc::into_inner(passed).unwrap().into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_in_the_order_in_which_they_came_each_at_its_time() {
    let limit = limit(Quota::per_second(10).burst(2)).wait(SECOND).build().unwrap();
    let expected: Vec<_> = (0..10_usize)
        .map(|number| (number, 100 * number.saturating_sub(1) as u128))
        .collect();
    assert_eq!(times(&limit, 10).await, expected);
    assert_eq!(counter(&limit, "waited"), 8);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_although_timers_are_coarse() {
    // A timer counts in whole milliseconds, and each turn here is a third of one.
    let limit = limit(Quota::per_second(3000).burst(1)).wait(SECOND).build().unwrap();
    let start = Instant::now();
    times(&limit, 3000).await;
    let took = start.elapsed();
    assert!(
        (Duration::from_millis(999)..=Duration::from_millis(1001)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn on_the_real_clock_too_a_turn_is_waited_for() {
    let limit = limit(Quota::per_second(50).burst(1)).wait(SECOND * 10).build().unwrap();
    let start = Instant::now();
    times(&limit, 6).await;
    let took = start.elapsed();
    assert!((Duration::from_millis(99)..SECOND * 5).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_does_not_overtake_who_waits() {
    let limit = limit(Quota::per_second(10).burst(5)).wait(SECOND).build().unwrap();
    limit.check(4).unwrap();
    let mut big = Box::pin(
        limit
            .layer()
            .weight(|_: &()| 3)
            .layer(service_fn(|()| ready(Ok::<_, Infallible>(()))))
            .oneshot(()),
    );
    assert!(poll_once(big.as_mut()).is_pending());
    assert_eq!(limit.snapshot().remaining, 1);
    limit.check(1).unwrap_err();
    let mut small = Box::pin(limit.call(|| ready(Ok::<_, Infallible>(()))));
    assert!(poll_once(small.as_mut()).is_pending());
    sleep(Duration::from_millis(199)).await;
    assert!(poll_once(small.as_mut()).is_pending());
    small.await.unwrap();
    assert!(poll_once(big.as_mut()).is_ready(), "the first is not behind the second");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_gives_its_turn_to_those_behind() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 60).build().unwrap();
    limit.check(1).unwrap();
    let start = Instant::now();
    let mut first = Box::pin(limit.call(|| ready(Ok::<_, Infallible>(()))));
    assert!(poll_once(first.as_mut()).is_pending());
    let second = tokio::spawn(limit.call(|| ready(Ok::<_, Infallible>(()))));
    let third = tokio::spawn(limit.call(|| ready(Ok::<_, Infallible>(()))));
    sleep(Duration::from_millis(500)).await;
    drop(first);
    second.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), SECOND);
    third.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), SECOND * 2);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_from_between_moves_those_behind_up() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 60).build().unwrap();
    limit.check(1).unwrap();
    let start = Instant::now();
    let spawn = || tokio::spawn(limit.call(|| ready(Ok::<_, Infallible>(()))));
    let (first, between) = (spawn(), [(); 10].map(|()| spawn()));
    tokio::task::yield_now().await;
    let last = spawn();
    tokio::task::yield_now().await;
    between.iter().for_each(|task| task.abort());
    first.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), SECOND * 2);
}

#[expect(clippy::disallowed_methods, reason = "this is about the time that it takes")]
#[tokio::test(start_paused = true)]
async fn to_wait_in_a_long_line_costs_no_more_than_in_a_short_one() {
    let limit = limit(Quota::per_second(10_000).burst(1))
        .wait(SECOND * 10)
        .build()
        .unwrap();
    limit.check(1).unwrap();
    let start = std::time::Instant::now();
    let calls = (0..30_000).map(|_| {
        let mut call = Box::pin(limit.call(|| ready(Ok::<_, Infallible>(()))));
        assert!(poll_once(call.as_mut()).is_pending());
        call
    });
    let calls: Vec<_> = calls.collect();
    drop(calls);
    // If each walked the line, this would take a minute.
    assert!(start.elapsed() < SECOND * 5, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_not_polled_does_not_hold_up_those_behind() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 60).build().unwrap();
    limit.check(1).unwrap();
    let start = Instant::now();
    let stuck = limit.call(|| ready(Ok::<_, Infallible>(())));
    limit.call(|| ready(Ok::<_, Infallible>(()))).await.unwrap();
    assert_eq!(start.elapsed(), SECOND * 2);
    let mut stuck = pin!(stuck);
    assert!(poll_once(stuck.as_mut()).is_ready(), "its turn was its own");
}

#[tokio::test(start_paused = true)]
async fn whose_turn_cannot_come_in_time_is_refused_at_once() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 3).build().unwrap();
    limit.check(1).unwrap();
    let start = Instant::now();
    let waiting: Vec<_> = (0..3)
        .map(|_| tokio::spawn(limit.call(|| ready(Ok::<_, Infallible>(())))))
        .collect();
    let Err(Guarded::Refused(refusal)) = limit.call(|| ready(Ok::<_, Infallible>(()))).await else {
        panic!("not refused");
    };
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(refusal.retry_after(), Some(SECOND * 4), "behind all who wait");
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!(start.elapsed(), SECOND * 3);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_before_the_callers_deadline_or_does_not_begin() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 60).build().unwrap();
    limit.check(1).unwrap();
    let start = Instant::now();
    let timeout = Timeout::builder("caller")
        .limit(Duration::from_millis(900))
        .build()
        .unwrap();
    let service = timeout
        .layer()
        .layer(limit.layer().layer(service_fn(|()| ready(Ok::<_, Infallible>(())))));
    let error = service.clone().oneshot(()).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO, "there is no use in waiting");
    assert_eq!(refusal(&error).policy(), "rate_limit");
    assert_eq!(limit.snapshot().waiting, 0);

    sleep(Duration::from_millis(500)).await;
    service.oneshot(()).await.unwrap();
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_nobody_else_keeps_ends_a_wait_that_has_become_longer() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 60).build().unwrap();
    limit.check(1).unwrap();
    let start = Instant::now();
    let call = Deadline::after(SECOND * 2).scope(async { limit.call(|| ready(Ok::<_, Infallible>(()))).await });
    let mut call = pin!(call);
    assert!(poll_once(call.as_mut()).is_pending());
    limit.reconfigure(|config| config.quota = Quota::per_hour(1)).unwrap();
    let Err(Guarded::Refused(refusal)) = call.await else {
        panic!("not refused");
    };
    assert_eq!(
        (start.elapsed(), refusal.reason()),
        (SECOND * 2, Reason::DeadlinePassed)
    );
    assert_eq!(limit.snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_after_a_deadline_that_nobody_else_keeps() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 60).build().unwrap();
    let call = || {
        limit.call(|| {
            panic!("begun");
            #[expect(unreachable_code, reason = "the type of what is never begun")]
            ready(Ok::<(), Infallible>(()))
        })
    };
    limit.check(1).unwrap();
    let waiting = Deadline::after(SECOND * 2).scope(async { call().await });
    let mut waiting = pin!(waiting);
    assert!(poll_once(waiting.as_mut()).is_pending());
    sleep(SECOND * 3).await;
    let comes_late = Deadline::after(Duration::ZERO).scope(async { call().await });
    for ended in [waiting.await, comes_late.await] {
        let Err(Guarded::Refused(refusal)) = ended else {
            panic!("not refused");
        };
        assert_eq!(refusal.reason(), Reason::DeadlinePassed);
    }
    // What had its turn has spent it; what came too late has not.
    assert_eq!(limit.snapshot().remaining, 1);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_has_become_too_long_ends_with_its_bound() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 3).build().unwrap();
    limit.check(1).unwrap();
    let start = Instant::now();
    let mut call = pin!(limit.call(|| ready(Ok::<_, Infallible>(()))));
    assert!(poll_once(call.as_mut()).is_pending());
    limit.reconfigure(|config| config.quota = Quota::per_hour(1)).unwrap();
    let Err(Guarded::Refused(refusal)) = call.await else {
        panic!("not refused");
    };
    assert_eq!(
        (start.elapsed(), refusal.reason().label()),
        (SECOND * 3, "rate_limited")
    );
    assert_eq!(refusal.retry_after(), Some(SECOND * 3597));
}

#[tokio::test(start_paused = true)]
async fn what_the_old_quota_has_given_is_charged_to_the_new_one() {
    let limit = limit(Quota::per_second(10).burst(200)).build().unwrap();
    limit.check(150).unwrap();
    limit
        .reconfigure(|config| config.quota = Quota::per_second(1).burst(300))
        .unwrap();
    assert_eq!(limit.snapshot().remaining, 150);
    limit
        .reconfigure(|config| config.quota = Quota::per_second(100).burst(100))
        .unwrap();
    assert_eq!(
        limit.snapshot().remaining,
        0,
        "more has been given than there ever is now"
    );
    assert_eq!(
        limit.check(1).unwrap_err().retry_after(),
        Some(Duration::from_millis(510))
    );
    let error = limit
        .reconfigure(|config| config.quota = Quota::per_second(0))
        .unwrap_err();
    assert!(error.to_string().contains("rate_limit.orders.quota"), "{error}");
    assert_eq!(limit.config().quota, Quota::per_second(100).burst(100));
}

#[tokio::test(start_paused = true)]
async fn whose_turn_came_before_the_quota_changed_has_had_it() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 5).build().unwrap();
    limit.check(1).unwrap();
    let mut calls = [(); 2].map(|()| Box::pin(limit.call(|| ready(Ok::<_, Infallible>(())))));
    sleep(SECOND * 3).await;
    limit.reconfigure(|config| config.quota = Quota::per_hour(1)).unwrap();
    for call in &mut calls {
        assert_eq!(poll_once(call.as_mut()), Poll::Ready(Ok(())));
    }
}

/// Asks what is left when it is dropped.
struct AsksInTheEnd(RateLimit);

impl Wake for AsksInTheEnd {
    fn wake(self: Arc<Self>) {}
}

impl Drop for AsksInTheEnd {
    fn drop(&mut self) {
        self.0.snapshot();
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_asks_what_is_left_when_it_is_dropped_finds_no_lock_held() {
    let clock = Clock::from(ManualClock::default());
    let limit = limit(Quota::per_hour(1))
        .wait(SECOND * 3600)
        .clock(clock)
        .build()
        .unwrap();
    limit.check(1).unwrap();
    let mut call = Box::pin(limit.call(|| ready(Ok::<_, Infallible>(()))));
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(AsksInTheEnd(limit.clone())));
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // The timer has its waker, too, until it ends.
        sleep(SECOND * 7200).await;
    }
    drop(call);
    assert_eq!(limit.snapshot().waiting, 0);
}

#[test]
fn a_rate_that_has_come_back_is_told_though_nobody_has_asked_for_anything() {
    let clock = ManualClock::default();
    let falls = Arc::new(AtomicU32::new(0));
    let told = falls.clone();
    let limit = limit(Quota::per_second(10)).adaptive(Adaptive::default());
    let limit = limit.events(move |event: &Event<'_>| {
        let is_fall = matches!(event.change, Change::State { to: "lowered", .. });
        told.fetch_add(is_fall.into(), Ordering::Relaxed);
    });
    let limit = limit.clock(Clock::from(clock.clone())).build().unwrap();
    for _ in 0..3 {
        limit.throttled();
        clock.advance(SECOND * 2);
    }
    // Whole again by now, so the next is a fall, though not to less than the last.
    clock.advance(SECOND * 20);
    limit.throttled();
    assert_eq!(falls.load(Ordering::Relaxed), 4);
    assert_eq!(limit.describe().state, "lowered");
    clock.advance(SECOND * 60);
    assert_eq!(limit.describe().state, "full");
    limit.throttled();
    limit.check(1).unwrap();
    clock.advance(SECOND * 60);
    assert_eq!(limit.snapshot().remaining, 10);
    assert_eq!(limit.describe().state, "full");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_go_by_a_new_quota_at_once() {
    let limit = limit(Quota::per_hour(1)).wait(SECOND * 7200).build().unwrap();
    limit.check(1).unwrap();
    let start = Instant::now();
    let first = tokio::spawn(limit.call(|| ready(Ok::<_, Infallible>(()))));
    let second = tokio::spawn(limit.call(|| ready(Ok::<_, Infallible>(()))));
    sleep(SECOND).await;
    limit.reconfigure(|config| config.quota = Quota::per_second(1)).unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert!(
        (SECOND * 2..SECOND * 4).contains(&start.elapsed()),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_quota_that_changes_all_the_time_gives_no_more_than_its_largest() {
    let (limit, _clock) = still(Quota::per_second(1).burst(10_000));
    let admitted = AtomicU64::new(0);
    let stop = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    (0..20_000).for_each(|_| _ = admitted.fetch_add(limit.check(1).is_ok().into(), Ordering::Relaxed))
                })
            })
            .collect();
        scope.spawn(|| {
            while stop.load(Ordering::Relaxed) == 0 {
                for rate in [7, 1, 3] {
                    limit
                        .reconfigure(|config| config.quota = Quota::per_second(rate).burst(10_000))
                        .unwrap();
                }
            }
        });
        for thread in threads {
            thread.join().unwrap();
        }
        stop.store(1, Ordering::Relaxed);
    });
    // Each change may lose less than a request to rounding, and never gives one.
    let admitted = admitted.into_inner();
    assert!(admitted <= 10_000, "{admitted}");
}

#[tokio::test(start_paused = true)]
async fn in_shadow_mode_all_go_through_and_those_that_would_not_are_counted() {
    let limit = limit(Quota::per_second(1)).shadow(true).wait(SECOND).build().unwrap();
    for _ in 0..5 {
        limit.call(|| ready(Ok::<_, Infallible>(()))).await.unwrap();
        limit.check(1).unwrap();
    }
    assert_eq!(
        ["would_refuse", "refused", "waited"].map(|name| counter(&limit, name)),
        [9, 0, 0]
    );
    limit.reconfigure(|config| config.shadow = false).unwrap();
    limit.check(1).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_supplier_that_throttles_lowers_the_rate_and_it_comes_back() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    let limit = limit(Quota::per_second(100).burst(1))
        .wait(SECOND * 60)
        .adaptive(Adaptive::default())
        .events(move |event: &Event<'_>| {
            if let Change::State { from, to, detail } = event.change {
                sink.lock().unwrap().push(format!("{from} to {to}: {detail}"));
            }
        })
        .build()
        .unwrap();
    let a_second = async |limit: &RateLimit| {
        let end = Instant::now() + SECOND;
        let mut passed = 0;
        while Instant::now() < end {
            limit.call(|| ready(Ok::<_, Infallible>(()))).await.unwrap();
            passed += 1;
        }
        passed
    };
    assert!((99..=101).contains(&a_second(&limit).await));
    limit.throttled();
    limit.throttled();
    assert_eq!(counter(&limit, "throttled"), 2);
    let lowered = a_second(&limit).await;
    assert!(
        (50..=54).contains(&lowered),
        "{lowered}: half of it, and what comes back"
    );
    for _ in 0..10 {
        a_second(&limit).await;
    }
    assert!((99..=101).contains(&a_second(&limit).await));
    assert_eq!(
        *told.lock().unwrap(),
        [
            "full to lowered: 50% of the quota",
            "lowered to full: 100% of the quota"
        ]
    );
    assert_eq!(limit.describe().state, "full");
}

#[test]
fn it_tells_what_it_is_and_what_has_become_of_requests() {
    let (limit, _clock) = still(Quota::per_second(10).burst(20));
    limit.check(20).unwrap();
    limit.check(1).unwrap_err();
    let entry = limit.describe();
    let shown = format!("{entry:?}");
    assert_eq!(
        (entry.kind, entry.name.as_str(), entry.state),
        ("rate_limit", "orders", "full")
    );
    for expected in ["10 in 1s, 20 at once", "\"0ns\"", "none"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert_eq!(["admitted", "refused"].map(|name| counter(&limit, name)), [1, 1]);
}

#[test]
fn wrong_settings_are_named_all_at_once() {
    let mut adaptive = Adaptive::default();
    (adaptive.decrease, adaptive.floor, adaptive.pause) = (100, 0, Duration::ZERO);
    let error = limit(Quota::per_second(0))
        .wait(SECOND * 100_000)
        .adaptive(adaptive)
        .build()
        .unwrap_err();
    let error = error.to_string();
    for key in ["quota", "wait", "adaptive.decrease", "adaptive.floor", "adaptive.pause"] {
        assert!(error.contains(&format!("rate_limit.orders.{key}")), "{key}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// For minutes of virtual time, whoever asks, through whichever clone, with whatever weight and in whatever order.
    #[test]
    fn a_limit_admits_its_rate_and_one_burst_for_every_interleaving(
        rate in 1..100u32,
        burst in 4..50u32,
        tasks in prop::collection::vec((1..5u32, 1..400u64), 2..6),
        waits in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (admitted, minutes) = runtime.block_on(async {
            let wait = if waits { SECOND * 5 } else { Duration::ZERO };
            let limit = limit(Quota::per_second(rate).burst(burst)).wait(wait).build().unwrap();
            let admitted = Arc::new(AtomicU64::new(0));
            let end = Instant::now() + SECOND * 120;
            let ask = |weight: u32, pause: u64, greedy: bool| {
                let (limit, admitted) = (limit.clone(), admitted.clone());
                let mut service = limit.layer().weight(|weight: &u32| *weight).layer(service_fn(|_: u32| ready(Ok::<_, Infallible>(()))));
                tokio::spawn(async move {
                    while Instant::now() < end {
                        let answer = service.call(weight).await;
                        if Instant::now() >= end {
                            return;
                        }
                        match answer {
                            Ok(()) => _ = admitted.fetch_add(weight.into(), Ordering::Relaxed),
                            // Somebody always asks, so that nothing is left over.
                            Err(error) if greedy => sleep(refusal(&error).retry_after().unwrap()).await,
                            Err(_) => sleep(Duration::from_millis(pause)).await,
                        }
                    }
                })
            };
            let mut running = vec![ask(1, 1, true)];
            running.extend(tasks.iter().map(|(weight, pause)| ask(*weight, *pause, false)));
            for task in running {
                task.await.unwrap();
            }
            (admitted.load(Ordering::Relaxed), 2)
        });
        let of_rate = u64::from(rate) * 60 * minutes;
        prop_assert!(admitted <= of_rate + u64::from(burst), "{admitted} of {of_rate}");
        prop_assert!(admitted + u64::from(burst) + of_rate / 50 >= of_rate, "{admitted} of {of_rate}");
    }
}

/// Looks at the limit when it is woken.
struct Curious(RateLimit);

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        self.0.describe();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_woken_may_look_at_the_limit() {
    let limit = limit(Quota::per_hour(1)).wait(SECOND * 7200);
    let limit = limit.adaptive(Adaptive::default()).build().unwrap();
    limit.check(1).unwrap();
    let (done, ended) = std::sync::mpsc::channel();
    let mut call = Box::pin(limit.call(|| ready(Ok::<_, Infallible>(()))));
    let waker = Waker::from(Arc::new(Curious(limit.clone())));
    assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // On a thread of its own, which never ends if it waits for itself.
    std::thread::spawn(move || {
        limit.reconfigure(|config| config.quota = Quota::per_second(1)).unwrap();
        limit.throttled();
        done.send(()).unwrap();
    });
    ended.recv_timeout(SECOND * 10).unwrap();
}

/// Counts how often it is asked whether it is ready.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicU32>);

impl Service<()> for Asked {
    type Response = ();
    type Error = Infallible;
    type Future = std::future::Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_inside_is_asked_to_be_ready_before_a_requests_turn() {
    let limit = limit(Quota::per_second(1)).wait(SECOND * 5).build().unwrap();
    limit.check(1).unwrap();
    let asked = Asked::default();
    let mut service = limit.layer().layer(asked.clone());
    poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
    let mut call = pin!(service.call(()));
    sleep(Duration::from_millis(999)).await;
    assert!(poll_once(call.as_mut()).is_pending());
    assert_eq!(asked.0.load(Ordering::Relaxed), 0);
    call.await.unwrap();
    assert_eq!(asked.0.load(Ordering::Relaxed), 1);
}
