//! One limit for each of many keys.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use seaworthy::clock::{Clock, ManualClock};
use seaworthy::deadline::Deadline;
use seaworthy::inventory::Describe;
use seaworthy::rate_limit::{
    Adaptive, AtCapacity, KeyedRateLimit, Quota, RateLimit, RateLimitBuilder, RateLimitConfig,
};
use seaworthy::{Guarded, Reason, Refusal};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn clients(quota: Quota) -> RateLimitBuilder {
    RateLimit::builder("clients").quota(quota)
}

/// Limits whose time stands still.
fn still(quota: Quota, capacity: usize, at_capacity: AtCapacity) -> (KeyedRateLimit<u64>, ManualClock) {
    let clock = ManualClock::default();
    let limits = clients(quota).clock(Clock::from(clock.clone()));
    (limits.build_keyed(capacity, at_capacity).unwrap(), clock)
}

/// Spends all that a key has, and returns how much that was.
fn exhaust(limits: &KeyedRateLimit<u64>, key: u64) -> u32 {
    (0..10_000).take_while(|_| limits.check(key, 1).is_ok()).count() as u32
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn each_key_has_its_own_allowance_whoever_asks() {
    let (limits, clock) = still(Quota::per_second(10).burst(1000), 100, AtCapacity::Forget);
    let admitted: [AtomicU32; 3] = Default::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (limits, admitted) = (limits.clone(), &admitted);
            scope.spawn(move || {
                let mut service = limits
                    .layer(|key: &u64| *key)
                    .layer(service_fn(|_: u64| ready(Ok::<_, Infallible>(()))));
                for n in 0..1500 {
                    let key = n % 3;
                    let passed = match n % 2 {
                        0 => limits.check(key, 1).is_ok(),
                        _ => matches!(poll_once(pin!(service.call(key))), Poll::Ready(Ok(()))),
                    };
                    admitted[key as usize].fetch_add(passed.into(), Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(admitted.map(AtomicU32::into_inner), [1000; 3]);
    clock.advance(SECOND);
    assert_eq!(exhaust(&limits, 1), 10);
    assert_eq!(limits.snapshot(&2).unwrap().remaining, 10);
    assert_eq!(limits.snapshot(&3), None);
}

#[test]
fn weights_count_and_a_weight_of_nothing_makes_no_account() {
    let (limits, _clock) = still(Quota::per_second(1).burst(5), 100, AtCapacity::Forget);
    limits.check(1, 0).unwrap();
    assert_eq!(limits.keys(), 0);
    limits.check(1, 3).unwrap();
    assert_eq!(limits.check(1, 3).unwrap_err().retry_after(), Some(SECOND));
    assert_eq!(limits.check(1, 6).unwrap_err().retry_after(), None);
    limits.check(1, 0).unwrap();
    limits.check(1, 2).unwrap();
}

#[test]
fn a_flood_of_keys_neither_locks_a_known_client_out_nor_gives_it_more() {
    for at_capacity in [AtCapacity::Forget, AtCapacity::Share, AtCapacity::Refuse] {
        let (limits, clock) = still(Quota::per_second(10).burst(20), 1000, at_capacity);
        let mut known = exhaust(&limits, u64::MAX);
        for key in 0..200_000 {
            let _ = limits.check(key, 1);
            clock.advance(Duration::from_micros(100));
            if key % 100 == 0 {
                known += u32::from(limits.check(u64::MAX, 1).is_ok());
            }
        }
        assert!((219..=220).contains(&known), "{at_capacity:?}: {known} in 20 seconds");
        assert!(limits.keys() <= 1000, "{at_capacity:?}: {} keys", limits.keys());
    }
}

#[test]
fn who_has_spent_the_most_is_forgotten_last() {
    let (limits, _clock) = still(Quota::per_second(10).burst(20), 1000, AtCapacity::Forget);
    for spender in 0..100 {
        exhaust(&limits, 1_000_000 + spender);
    }
    // Nothing comes back meanwhile, so each of these is worth keeping, too.
    (0..100_000).for_each(|key| limits.check(key, 1).unwrap());
    let kept = (0..100)
        .filter(|spender| exhaust(&limits, 1_000_000 + spender) == 0)
        .count();
    assert_eq!(kept, 100);
}

#[test]
fn those_without_room_share_one_allowance_if_they_are_told_to() {
    let (limits, clock) = still(Quota::per_second(1).burst(5), 10, AtCapacity::Share);
    (0..10).for_each(|key| limits.check(key, 5).unwrap());
    let others: u32 = (100..200).map(|key| exhaust(&limits, key)).sum();
    assert_eq!(others, 5);
    assert_eq!(exhaust(&limits, 3), 0);
    clock.advance(SECOND * 5);
    assert_eq!(exhaust(&limits, 300), 5, "there is room again");
}

#[test]
fn those_without_room_are_refused_if_they_are_told_to() {
    let (limits, clock) = still(Quota::per_second(1).burst(5), 10, AtCapacity::Refuse);
    (0..10).for_each(|key| limits.check(key, 5).unwrap());
    let limited = limits.check(100, 1).unwrap_err();
    assert_eq!(
        (Reason::from(limited), limited.retry_after()),
        (Reason::TooManyKeys, None)
    );
    let mut service = limits
        .layer(|key: &u64| *key)
        .layer(service_fn(|_: u64| ready(Ok::<_, Infallible>(()))));
    let Poll::Ready(Err(error)) = poll_once(pin!(service.call(100))) else {
        panic!("not refused");
    };
    assert_eq!(Refusal::find(error.as_ref()).unwrap().reason(), Reason::TooManyKeys);
    clock.advance(SECOND * 5);
    limits.check(100, 1).unwrap();
}

#[test]
fn whoever_is_idle_is_forgotten_without_a_flood() {
    let (limits, clock) = still(Quota::per_second(1).burst(5), 100_000, AtCapacity::Forget);
    (0..5000).for_each(|key| limits.check(key, 1).unwrap());
    assert_eq!(limits.keys(), 5000);
    for _ in 0..200 {
        clock.advance(SECOND / 10);
        let _ = limits.check(1_000_000, 1);
    }
    assert_eq!(limits.keys(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_one_key_go_in_order_and_others_do_not_wait_for_them() {
    let limits = clients(Quota::per_second(10).burst(1)).wait(SECOND);
    let limits: KeyedRateLimit<&str> = limits.build_keyed(100, AtCapacity::Forget).unwrap();
    let start = Instant::now();
    let spawn = |key| tokio::spawn(limits.call(key, move || ready(Ok::<_, Infallible>(start.elapsed().as_millis()))));
    let calls: Vec<_> = ["a", "b", "a", "a", "b", "a"].map(spawn).into();
    let mut ended = Vec::new();
    for call in calls {
        ended.push(call.await.unwrap().unwrap());
    }
    assert_eq!(ended, [0, 0, 100, 200, 100, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_key_with_somebody_who_waits_survives_a_flood() {
    for at_capacity in [AtCapacity::Forget, AtCapacity::Share, AtCapacity::Refuse] {
        let limits = clients(Quota::per_second(1)).wait(SECOND * 5);
        let limits: KeyedRateLimit<u64> = limits.build_keyed(10, at_capacity).unwrap();
        limits.check(u64::MAX, 1).unwrap();
        let start = Instant::now();
        let mut call = pin!(limits.call(u64::MAX, || ready(Ok::<_, Infallible>(()))));
        assert!(poll_once(call.as_mut()).is_pending());
        // All others have more to lose.
        sleep(SECOND / 2).await;
        (0..1000).for_each(|key| _ = limits.check(key, 1));
        assert_eq!(limits.snapshot(&u64::MAX).unwrap().waiting, 1, "{at_capacity:?}");
        call.await.unwrap();
        assert_eq!(start.elapsed(), SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_share_an_allowance_wait_in_one_line() {
    let limits = clients(Quota::per_second(1)).wait(SECOND * 5);
    let limits: KeyedRateLimit<u64> = limits.build_keyed(1, AtCapacity::Share).unwrap();
    limits.check(0, 1).unwrap();
    // So that this key stays.
    let stays = tokio::spawn(limits.call(0, || ready(Ok::<_, Infallible>(()))));
    tokio::task::yield_now().await;
    let start = Instant::now();
    let calls: Vec<_> = (1..4)
        .map(|key| tokio::spawn(limits.call(key, move || ready(Ok::<_, Infallible>(start.elapsed().as_secs())))))
        .collect();
    let mut ended = Vec::new();
    for call in calls {
        ended.push(call.await.unwrap().unwrap());
    }
    assert_eq!(ended, [0, 1, 2]);
    stays.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_was_given_is_not_lost_with_its_line() {
    let limits = clients(Quota::per_second(1)).wait(SECOND * 60);
    let limits: KeyedRateLimit<u64> = limits.build_keyed(10, AtCapacity::Forget).unwrap();
    let call = || limits.call(1, || ready(Ok::<_, Infallible>(())));
    limits.check(1, 1).unwrap();
    let mut first = pin!(call());
    assert!(poll_once(first.as_mut()).is_pending());
    sleep(SECOND).await;
    // Lets the first go, which does not know yet, and begins another line.
    let mut second = pin!(call());
    assert!(poll_once(second.as_mut()).is_pending());
    assert!(poll_once(first.as_mut()).is_ready());
    let start = Instant::now();
    second.await.unwrap();
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn what_keys_have_spent_stays_spent_when_the_quota_changes_and_those_who_wait_go_by_it() {
    let limits = clients(Quota::per_second(1).burst(10)).wait(SECOND * 60);
    let limits: KeyedRateLimit<u64> = limits.build_keyed(100, AtCapacity::Forget).unwrap();
    limits.check(1, 8).unwrap();
    limits.check(2, 10).unwrap();
    let start = Instant::now();
    let waiting = tokio::spawn(limits.call(2, || ready(Ok::<_, Infallible>(()))));
    tokio::task::yield_now().await;
    limits
        .reconfigure(|config| config.quota = Quota::per_second(10).burst(20))
        .unwrap();
    assert_eq!(limits.snapshot(&1).unwrap().remaining, 12);
    limits.check(1, 12).unwrap();
    limits.check(1, 1).unwrap_err();
    waiting.await.unwrap().unwrap();
    assert!(start.elapsed() <= Duration::from_millis(1), "{:?}", start.elapsed());
}

#[test]
fn a_change_that_is_made_while_another_is_made_is_not_lost() {
    let (limits, _clock) = still(Quota::per_second(1), 100, AtCapacity::Forget);
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let first = |config: &mut RateLimitConfig| {
            let other = limits.clone();
            scope.spawn(move || {
                other.reconfigure(|config| config.wait = SECOND).unwrap();
                let _ = ended.send(());
            });
            // The other waits for this one. Were it not to, it would end now.
            let _ = end.recv_timeout(SECOND / 10);
            config.quota = Quota::per_second(2);
        };
        limits.reconfigure(first).unwrap();
    });
    assert_eq!(
        (limits.config().quota, limits.config().wait),
        (Quota::per_second(2), SECOND)
    );
}

#[test]
fn what_keys_have_spent_comes_back_at_the_new_rate_from_the_change_on() {
    let (slow, fast) = (Quota::per_hour(1).burst(10), Quota::per_second(1).burst(10));
    for (old, new, remaining) in [(slow, fast, 10), (fast, slow, 0)] {
        let (limits, clock) = still(old, 100, AtCapacity::Forget);
        limits.check(1, 10).unwrap();
        limits.reconfigure(|config| config.quota = new).unwrap();
        clock.advance(SECOND * 10);
        let left = limits.snapshot(&1).unwrap().remaining;
        assert_eq!(
            (left, exhaust(&limits, 1)),
            (remaining, remaining),
            "from {old} to {new}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_shared_allowance_go_by_a_new_quota_at_once() {
    let limits = clients(Quota::per_hour(1)).wait(SECOND * 7200);
    let limits: KeyedRateLimit<u64> = limits.build_keyed(1, AtCapacity::Share).unwrap();
    limits.check(0, 1).unwrap();
    limits.check(1, 1).unwrap();
    let start = Instant::now();
    let waiting = tokio::spawn(limits.call(1, || ready(Ok::<_, Infallible>(()))));
    tokio::task::yield_now().await;
    limits
        .reconfigure(|config| config.quota = Quota::per_second(1))
        .unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn whose_turn_for_a_key_came_before_the_quota_changed_has_had_it() {
    let limits = clients(Quota::per_second(1)).wait(SECOND * 5);
    let limits: KeyedRateLimit<u64> = limits.build_keyed(10, AtCapacity::Forget).unwrap();
    limits.check(1, 1).unwrap();
    let mut calls = [(); 2].map(|()| Box::pin(limits.call(1, || ready(Ok::<_, Infallible>(())))));
    sleep(SECOND * 3).await;
    limits.reconfigure(|config| config.quota = Quota::per_hour(1)).unwrap();
    for call in &mut calls {
        assert_eq!(poll_once(call.as_mut()), Poll::Ready(Ok(())));
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_callers_deadline_spends_nothing() {
    for (shadow, remaining) in [(false, 5), (true, 4)] {
        let limits = clients(Quota::per_hour(5)).shadow(shadow);
        let limits: KeyedRateLimit<u64> = limits.build_keyed(10, AtCapacity::Forget).unwrap();
        let call =
            Deadline::after(Duration::ZERO).scope(async { limits.call(1, || ready(Ok::<_, Infallible>(()))).await });
        assert_eq!(call.await.is_ok(), shadow);
        assert_eq!(limits.snapshot(&1).map_or(5, |snapshot| snapshot.remaining), remaining);
    }
}

/// Asks what waits for a key when it is dropped.
struct AsksInTheEnd(KeyedRateLimit<u64>);

impl Wake for AsksInTheEnd {
    fn wake(self: Arc<Self>) {}
}

impl Drop for AsksInTheEnd {
    fn drop(&mut self) {
        self.0.snapshot(&1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_asks_about_its_key_when_it_is_dropped_finds_no_lock_held() {
    let limits = clients(Quota::per_hour(1)).wait(SECOND * 3600);
    let limits = limits.clock(Clock::from(ManualClock::default()));
    let limits: KeyedRateLimit<u64> = limits.build_keyed(10, AtCapacity::Forget).unwrap();
    limits.check(1, 1).unwrap();
    let mut call = Box::pin(limits.call(1, || ready(Ok::<_, Infallible>(()))));
    for _ in 0..2 {
        let waker = Waker::from(Arc::new(AsksInTheEnd(limits.clone())));
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // The timer has its waker, too, until it ends.
        sleep(SECOND * 7200).await;
    }
    drop(call);
    assert_eq!(limits.snapshot(&1).unwrap().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn shadow_mode_lets_all_keys_through_those_without_room_too() {
    let limits = clients(Quota::per_hour(1)).shadow(true);
    let limits: KeyedRateLimit<u64> = limits.build_keyed(2, AtCapacity::Refuse).unwrap();
    for key in 0..10 {
        limits.check(key, 1).unwrap();
        let called = limits.call(key, || ready(Ok::<_, Infallible>(()))).await;
        assert!(!matches!(called, Err(Guarded::Refused(_))));
    }
    let entry = limits.describe();
    let counted = |name: &str| entry.counters.iter().find(|(key, _)| *key == name).unwrap().1;
    assert_eq!((counted("admitted"), counted("would_refuse")), (2, 18));
}

#[test]
fn wrong_settings_are_refused_and_it_tells_what_it_is() {
    let build = |builder: RateLimitBuilder, capacity| builder.build_keyed::<u64>(capacity, AtCapacity::Forget);
    let error = build(clients(Quota::per_second(1)), 0).unwrap_err().to_string();
    assert!(error.contains("rate_limit.clients.capacity"), "{error}");
    let adaptive = clients(Quota::per_second(1)).adaptive(Adaptive::default());
    let error = build(adaptive, 1).unwrap_err().to_string();
    assert!(error.contains("rate_limit.clients.adaptive"), "{error}");
    let limits = build(clients(Quota::per_second(1)), 5).unwrap();
    let adaptive = limits.reconfigure(|config| config.adaptive = Some(Adaptive::default()));
    assert!(adaptive.is_err());
    let shown = format!("{:?}", limits.describe());
    for expected in ["keyed", "capacity", "at_capacity", "forget", "1 in 1s, 1 at once"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}
