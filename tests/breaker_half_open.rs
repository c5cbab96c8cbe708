//! How an open circuit closes again: open time, probes, generations.

mod breaker_support;
mod policy_harness;

use std::future::{Future, ready};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use breaker_support::*;
use policy_harness::{Inner, Made, Rig};
use seaworthy::Guarded;
use seaworthy::breaker::{CircuitBreaker, CircuitBreakerService, State, Window};
use seaworthy::clock::ManualClock;
use seaworthy::outcome::{ErrorIsFailure, Outcome};
use seaworthy::random::Random;
use tokio::sync::oneshot;
use tower::Layer;

type Ended = Result<(), Guarded<io::Error>>;

/// A call that ends when the test says so; `Err` is its own end.
fn held(breaker: &CircuitBreaker) -> (oneshot::Sender<bool>, impl Future<Output = Ended>) {
    let (sender, receiver) = oneshot::channel();
    let call = breaker.call(|| async {
        match receiver.await {
            Ok(true) => Ok(()),
            _ => Err(io::Error::other("down")),
        }
    });
    (sender, call)
}

/// As [`held`], and polled once.
fn under_way(breaker: &CircuitBreaker) -> (oneshot::Sender<bool>, Pin<Box<impl Future<Output = Ended>>>) {
    let (sender, call) = held(breaker);
    let mut call = Box::pin(call);
    assert!(poll_once(call.as_mut()).is_pending());
    (sender, call)
}

/// Opens a circuit for the first time, and lets its open time pass.
fn trip_and_wait(breaker: &CircuitBreaker, clock: &ManualClock) {
    trip(breaker);
    clock.advance(SECOND * 5);
}

#[test]
fn a_circuit_closes_when_enough_probes_succeed_and_opens_again_when_they_cannot() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(5, 60).build().unwrap();
    trip_and_wait(&breaker, &clock);
    succeed(&breaker);
    fail(&breaker);
    succeed(&breaker);
    assert_eq!(state(&breaker), State::HalfOpen);
    succeed(&breaker);
    assert_eq!(state(&breaker), State::Closed, "three of five");
    trip(&breaker);
    clock.advance(SECOND * 10);
    succeed(&breaker);
    fail(&breaker);
    fail(&breaker);
    assert_eq!(state(&breaker), State::HalfOpen);
    fail(&breaker);
    assert_eq!(state(&breaker), State::Open, "three of five can succeed no more");
}

#[test]
fn a_call_of_an_earlier_generation_changes_nothing() {
    for late_success in [true, false] {
        let clock = ManualClock::default();
        let breaker = brittle(&clock).build().unwrap();
        let (end_late, mut late) = under_way(&breaker);
        trip_and_wait(&breaker, &clock);
        succeed(&breaker);
        let before = breaker.snapshot();
        assert_eq!(before.state, State::HalfOpen);
        end_late.send(late_success).unwrap();
        assert!(poll_once(late.as_mut()).is_ready());
        assert_eq!(breaker.snapshot(), before, "a call that began when it was closed");
        succeed(&breaker);
        assert_eq!(state(&breaker), State::Closed, "the second of two probes");
    }
}

#[test]
fn a_late_failure_does_not_count_in_the_window_after_the_next() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let (end_late, mut late) = under_way(&breaker);
    trip_and_wait(&breaker, &clock);
    succeed(&breaker);
    succeed(&breaker);
    fail(&breaker);
    end_late.send(false).unwrap();
    assert!(poll_once(late.as_mut()).is_ready());
    assert_eq!((state(&breaker), breaker.snapshot().failed), (State::Closed, 1));
}

#[test]
fn a_probe_of_one_cycle_never_affects_a_later_one() {
    for late_success in [true, false] {
        let clock = ManualClock::default();
        let breaker = brittle(&clock).build().unwrap();
        trip_and_wait(&breaker, &clock);
        let (end_late, mut late) = under_way(&breaker);
        fail(&breaker);
        assert_eq!(state(&breaker), State::Open);
        clock.advance(SECOND * 10);
        let (end_probe, mut probe) = under_way(&breaker);
        end_late.send(late_success).unwrap();
        assert!(poll_once(late.as_mut()).is_ready());
        assert_eq!(state(&breaker), State::HalfOpen);
        succeed(&breaker);
        assert_eq!(state(&breaker), State::HalfOpen, "the first probe is still under way");
        end_probe.send(true).unwrap();
        assert!(poll_once(probe.as_mut()).is_ready());
        assert_eq!(state(&breaker), State::Closed);
    }
}

#[test]
fn a_late_probe_does_not_close_the_circuit() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(1, 100).build().unwrap();
    trip_and_wait(&breaker, &clock);
    let (end_late, mut late) = under_way(&breaker);
    clock.advance(SECOND * 10);
    end_late.send(true).unwrap();
    assert!(poll_once(late.as_mut()).is_ready());
    assert_eq!(state(&breaker), State::HalfOpen, "it was over its deadline");
    assert_eq!(counter(&breaker, "expired_probes"), 1);
}

#[test]
fn probes_wider_apart_than_the_window_still_close_the_circuit() {
    let clock = ManualClock::default();
    let breaker = builder(&clock)
        .window(Window::Time(SECOND))
        .minimum_calls(2)
        .probes(3, 100)
        .build()
        .unwrap();
    trip(&breaker);
    for _ in 0..3 {
        assert_ne!(state(&breaker), State::Closed);
        clock.advance(SECOND * 60);
        assert!(succeed(&breaker));
    }
    assert_eq!(state(&breaker), State::Closed);
}

#[test]
fn a_probe_that_never_ends_gives_its_slot_back_at_its_deadline() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(1, 100).build().unwrap();
    trip_and_wait(&breaker, &clock);
    let (_never_sent, hung) = held(&breaker);
    let mut hung = pin!(hung);
    assert!(poll_once(hung.as_mut()).is_pending());
    assert!(!succeed(&breaker), "the one slot is taken");
    assert_eq!(breaker.snapshot().next_attempt, Some(SECOND * 10));
    clock.advance(SECOND * 10 - Duration::from_nanos(1));
    assert!(!succeed(&breaker));
    clock.advance(Duration::from_nanos(1));
    assert!(succeed(&breaker));
    assert_eq!(
        (state(&breaker), counter(&breaker, "expired_probes")),
        (State::Closed, 1)
    );
}

#[test]
fn a_dependency_that_swallows_every_probe_is_left_alone_again() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    trip_and_wait(&breaker, &clock);
    let mut hung = Vec::new();
    for _ in 0..2 {
        assert_eq!(
            state(&breaker),
            if hung.is_empty() { State::Open } else { State::HalfOpen }
        );
        hung.extend([under_way(&breaker), under_way(&breaker)]);
        clock.advance(SECOND * 10);
    }
    assert!(!succeed(&breaker), "four have expired, and there are two slots");
    assert_eq!(
        (state(&breaker), breaker.snapshot().next_attempt),
        (State::Open, Some(SECOND * 10))
    );
}

#[test]
fn a_probe_that_says_nothing_gives_its_slot_back() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(1, 100).build().unwrap();
    trip_and_wait(&breaker, &clock);
    let nothing = |_: Result<&(), &io::Error>| Outcome::Ignored;
    for _ in 0..5 {
        now(breaker.call_classified(|| ready(Ok(())), nothing)).unwrap();
    }
    assert_eq!((state(&breaker), counter(&breaker, "ignored")), (State::HalfOpen, 5));
    assert!(succeed(&breaker));
}

#[test]
fn each_probe_has_its_own_deadline() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let expired = || counter(&breaker, "expired_probes");
    trip_and_wait(&breaker, &clock);
    let _first = under_way(&breaker);
    clock.advance(SECOND * 5);
    let _second = under_way(&breaker);
    assert_eq!(expired(), 0);
    clock.advance(SECOND * 5);
    assert!(succeed(&breaker), "the first one's slot is free");
    assert_eq!(expired(), 1);
    assert!(!succeed(&breaker), "the second one's is not");
    assert_eq!(breaker.snapshot().next_attempt, Some(SECOND * 5));
    clock.advance(SECOND * 5);
    assert!(succeed(&breaker));
    assert_eq!((state(&breaker), expired()), (State::Closed, 2));
}

#[test]
fn a_probe_that_is_dropped_gives_its_slot_back() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(1, 100).build().unwrap();
    trip_and_wait(&breaker, &clock);
    drop(held(&breaker).1);
    {
        let (_sender, call) = held(&breaker);
        assert!(poll_once(pin!(call)).is_pending());
    }
    async fn panics() -> Result<(), io::Error> {
        panic!("inside");
    }
    let panicking = breaker.call(panics);
    catch_unwind(AssertUnwindSafe(|| now(panicking))).unwrap_err();
    assert_eq!((state(&breaker), counter(&breaker, "cancelled")), (State::HalfOpen, 3));
    assert!(succeed(&breaker));
    assert_eq!(state(&breaker), State::Closed);
}

#[test]
fn a_thousand_calls_at_once_in_half_open_admit_exactly_the_probes() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(7, 100).build().unwrap();
    trip_and_wait(&breaker, &clock);
    let (admitted, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (start, entered) = (Barrier::new(8), Barrier::new(8));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                let mut calls: Vec<_> = (0..125).map(|_| Box::pin(held(&breaker).1)).collect();
                for call in &mut calls {
                    match poll_once(call.as_mut()) {
                        Poll::Ready(Err(Guarded::Refused(_))) => refused.fetch_add(1, Ordering::SeqCst),
                        _ => admitted.fetch_add(1, Ordering::SeqCst),
                    };
                }
                // Nobody gives a slot back before everybody has asked for one.
                entered.wait();
            });
        }
    });
    assert_eq!((admitted.into_inner(), refused.into_inner()), (7, 993));
}

#[test]
fn a_slow_success_does_not_close_a_circuit_that_opened_for_slowness() {
    let clock = ManualClock::default();
    let breaker = builder(&clock)
        .window(Window::Count(2))
        .minimum_calls(2)
        .slow_calls(SECOND, 100)
        .probes(1, 100)
        .build()
        .unwrap();
    let slow = || {
        now(breaker.call(|| {
            clock.advance(SECOND);
            ready(Ok::<_, io::Error>(()))
        }))
    };
    slow().unwrap();
    slow().unwrap();
    assert_eq!(state(&breaker), State::Open);
    clock.advance(SECOND * 5);
    slow().unwrap();
    assert_eq!(state(&breaker), State::Open);
}

#[test]
fn the_open_time_doubles_up_to_the_longest_and_health_makes_it_forgotten() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).build().unwrap();
    let mut seen = Vec::new();
    trip(&breaker);
    for _ in 0..6 {
        let wait = breaker.snapshot().next_attempt.unwrap();
        seen.push(wait.as_secs());
        clock.advance(wait - Duration::from_nanos(1));
        assert!(!succeed(&breaker));
        clock.advance(Duration::from_nanos(1));
        assert!(fail(&breaker));
        assert_eq!(state(&breaker), State::Open);
    }
    assert_eq!(seen, [5, 10, 20, 40, 60, 60]);
    // Three openings of 60 s and the one of 40 s are forgotten after 220 s of health; 5, 10 and 20 s are not.
    clock.advance(SECOND * 60);
    succeed(&breaker);
    succeed(&breaker);
    assert_eq!(state(&breaker), State::Closed);
    clock.advance(SECOND * (60 * 3 + 40 + 20) - Duration::from_nanos(1));
    trip(&breaker);
    assert_eq!(breaker.snapshot().next_attempt, Some(SECOND * 40));
    clock.advance(SECOND * 40);
    succeed(&breaker);
    succeed(&breaker);
    clock.advance(SECOND * 3600);
    trip(&breaker);
    assert_eq!(
        breaker.snapshot().next_attempt,
        Some(SECOND * 5),
        "as if nothing had been"
    );
}

#[test]
fn chance_shortens_the_open_time_by_at_most_its_share_and_differs() {
    let clock = ManualClock::default();
    let waits: Vec<_> = (0..50)
        .map(|seed| {
            let breaker = brittle(&clock)
                .open_jitter(20)
                .random(Random::seeded(seed))
                .build()
                .unwrap();
            trip(&breaker);
            breaker.snapshot().next_attempt.unwrap()
        })
        .collect();
    assert!(
        waits.iter().all(|wait| (SECOND * 4..=SECOND * 5).contains(wait)),
        "{waits:?}"
    );
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*most - *least > SECOND / 2, "{waits:?}");
}

#[test]
fn fewer_probes_by_a_change_of_settings_do_not_wedge_a_half_open_circuit() {
    let clock = ManualClock::default();
    let breaker = brittle(&clock).probes(5, 100).build().unwrap();
    trip_and_wait(&breaker, &clock);
    succeed(&breaker);
    succeed(&breaker);
    breaker.reconfigure(|config| config.probes = 1).unwrap();
    (0..3).for_each(|_| assert!(succeed(&breaker)));
    assert_eq!(state(&breaker), State::Closed);
}

/// A circuit that is half-open, with one slot.
struct HalfOpen(CircuitBreaker);

impl Rig for HalfOpen {
    type Service = CircuitBreakerService<Inner, ErrorIsFailure>;

    fn service(&self, inner: Inner) -> Self::Service {
        self.0.layer().layer(inner)
    }

    fn holds_nothing(&self, made: Made, what: &str) {
        let [calls, cancelled] = ["calls", "cancelled"].map(|name| counter(&self.0, name));
        assert_eq!(calls - 2 + cancelled, made.asked, "{what}: {calls} and {cancelled}");
        if state(&self.0) != State::Open {
            assert!(succeed(&self.0), "{what}: the slot is held");
        }
    }
}

#[test]
fn whatever_interrupts_a_probe_its_slot_comes_free() {
    policy_harness::interrupt(|| {
        let clock = ManualClock::default();
        let breaker = brittle(&clock).probes(1, 100).build().unwrap();
        trip_and_wait(&breaker, &clock);
        HalfOpen(breaker)
    });
}

#[test]
fn whatever_interrupts_a_call_of_a_closed_circuit_it_is_counted_once() {
    struct Closed(CircuitBreaker);

    impl Rig for Closed {
        type Service = CircuitBreakerService<Inner, ErrorIsFailure>;

        fn service(&self, inner: Inner) -> Self::Service {
            self.0.layer().layer(inner)
        }

        fn holds_nothing(&self, made: Made, what: &str) {
            let [calls, cancelled] = ["calls", "cancelled"].map(|name| counter(&self.0, name));
            assert_eq!(calls + cancelled, made.asked, "{what}: {calls} and {cancelled}");
            assert_eq!(state(&self.0), State::Closed, "{what}");
        }
    }

    policy_harness::interrupt(|| Closed(builder(&ManualClock::default()).build().unwrap()));
}
