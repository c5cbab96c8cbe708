//! When a closed circuit opens: windows, rates and minimum, by the public API and a clock of the test's own.

mod breaker_support;

use std::time::{Duration, Instant};

use breaker_support::*;
use seaworthy::breaker::{State, Window};
use seaworthy::clock::ManualClock;

#[test]
fn a_window_of_calls_slides_and_opens_within_half_of_it_after_a_million_successes() {
    let clock = ManualClock::default();
    let breaker = builder(&clock).window(Window::Count(100)).build().unwrap();
    (0..1_000_000).for_each(|_| assert!(succeed(&breaker)));
    for failures in 1..=50 {
        assert_eq!(state(&breaker), State::Closed, "before failure {failures}");
        fail(&breaker);
    }
    assert_eq!(state(&breaker), State::Open);
    assert_eq!(counter(&breaker, "calls"), 1_000_050);
}

/// Resilience4j's documentation of `minimumNumberOfCalls`: "if minimumNumberOfCalls is 10, then at least 10 calls must
/// be recorded, before the failure rate can be calculated. If only 9 calls have been recorded the CircuitBreaker will
/// not transition to open even if all 9 calls have failed."
#[test]
fn nine_failures_of_a_minimum_of_ten_do_not_open() {
    let clock = ManualClock::default();
    let breaker = builder(&clock)
        .window(Window::Count(10))
        .minimum_calls(10)
        .build()
        .unwrap();
    (0..9).for_each(|_| assert!(fail(&breaker)));
    assert_eq!(state(&breaker), State::Closed);
    assert_eq!(breaker.snapshot().failure_rate, None, "too few to know");
    fail(&breaker);
    assert_eq!(state(&breaker), State::Open);
}

/// Polly's documentation of `FailureRatio` 0.1, `MinimumThroughput` 100, `SamplingDuration` 30 s: the circuit breaks if
/// at least a tenth of at least a hundred calls within 30 s fail.
#[test]
fn a_tenth_of_a_hundred_calls_within_thirty_seconds_opens() {
    let clock = ManualClock::default();
    let breaker = builder(&clock)
        .window(Window::Time(SECOND * 30))
        .failure_rate(10)
        .minimum_calls(100)
        .build()
        .unwrap();
    (0..90).for_each(|_| assert!(succeed(&breaker)));
    (0..9).for_each(|_| assert!(fail(&breaker)));
    assert_eq!(state(&breaker), State::Closed, "9 of 99");
    fail(&breaker);
    assert_eq!(
        state(&breaker),
        State::Open,
        "10 of 100: the threshold itself is enough"
    );
}

#[test]
fn what_has_left_a_window_of_time_counts_no_more() {
    let clock = ManualClock::default();
    let breaker = builder(&clock).minimum_calls(2).build().unwrap();
    fail(&breaker);
    clock.advance(SECOND * 30);
    fail(&breaker);
    assert_eq!((state(&breaker), breaker.snapshot().calls), (State::Closed, 1));
    clock.advance(SECOND * 26);
    fail(&breaker);
    assert_eq!(state(&breaker), State::Open, "both are among the last ten buckets");
}

#[test]
fn a_window_below_one_second_is_honoured() {
    let clock = ManualClock::default();
    let breaker = builder(&clock)
        .window(Window::Time(Duration::from_millis(50)))
        .minimum_calls(3)
        .build()
        .unwrap();
    fail(&breaker);
    fail(&breaker);
    clock.advance(Duration::from_millis(50));
    fail(&breaker);
    assert_eq!((state(&breaker), breaker.snapshot().calls), (State::Closed, 1));
    fail(&breaker);
    fail(&breaker);
    assert_eq!(state(&breaker), State::Open);
}

#[test]
fn a_success_among_failures_starts_the_run_of_consecutive_ones_again() {
    let clock = ManualClock::default();
    let breaker = builder(&clock).window(Window::Consecutive(3)).build().unwrap();
    for _ in 0..10 {
        fail(&breaker);
        fail(&breaker);
        succeed(&breaker);
    }
    assert_eq!(state(&breaker), State::Closed);
    (0..3).for_each(|_| assert!(fail(&breaker)));
    assert_eq!(state(&breaker), State::Open);
}

#[test]
fn enough_slow_calls_open_a_circuit_that_never_failed() {
    let clock = ManualClock::default();
    let breaker = builder(&clock)
        .window(Window::Count(10))
        .minimum_calls(10)
        .slow_calls(SECOND, 40)
        .build()
        .unwrap();
    let slow = |took| {
        now(breaker.call(|| {
            clock.advance(took);
            std::future::ready(Ok::<_, std::io::Error>(()))
        }))
        .unwrap();
    };
    (0..6).for_each(|_| slow(SECOND - Duration::from_nanos(1)));
    (0..3).for_each(|_| slow(SECOND));
    assert_eq!(state(&breaker), State::Closed);
    slow(SECOND);
    assert_eq!(state(&breaker), State::Open);
    assert_eq!([counter(&breaker, "slow"), counter(&breaker, "failed")], [4, 0]);
}

/// The best of many, because a busy machine only ever makes it longer.
fn cost_of_a_failure(calls_in_the_window: u32) -> Duration {
    let clock = ManualClock::default();
    let breaker = builder(&clock).failure_rate(100).build().unwrap();
    (0..calls_in_the_window).for_each(|_| assert!(succeed(&breaker)));
    let cost = |_| {
        let start = Instant::now();
        (0..100).for_each(|_| assert!(fail(&breaker)));
        start.elapsed()
    };
    (0..50).map(cost).min().unwrap()
}

#[test]
fn a_call_costs_the_same_with_a_hundred_and_a_million_calls_in_the_window() {
    let (few, many) = (cost_of_a_failure(100), cost_of_a_failure(1_000_000));
    assert!(
        many < few * 5,
        "{few:?} for a hundred calls with few, {many:?} with many"
    );
}

#[test]
fn threads_lose_no_outcome_and_the_stripes_agree_with_one_count() {
    const THREADS: u64 = 8;
    const CALLS: u64 = 100_000;
    for window in [Window::Time(SECOND * 30), Window::Count(10_000)] {
        let clock = ManualClock::default();
        let breaker = builder(&clock).window(window).build().unwrap();
        // Never more failures than a half of what is there, whichever thread is ahead.
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for call in 0..CALLS {
                        breaker_support::call(&breaker, call % 4 != 3);
                    }
                });
            }
        });
        let snapshot = breaker.snapshot();
        let kept = match window {
            Window::Count(calls) => u64::from(calls),
            _ => THREADS * CALLS,
        };
        assert_eq!((snapshot.state, snapshot.calls), (State::Closed, kept));
        assert_eq!(counter(&breaker, "calls"), THREADS * CALLS);
        assert_eq!(counter(&breaker, "failed"), THREADS * CALLS / 4);
        if let Window::Time(_) = window {
            assert_eq!(snapshot.failed, THREADS * CALLS / 4);
        }
    }
}

/// While threads are between two of their steps, a sum misses at most one call of each.
#[test]
fn a_sum_over_stripes_is_wrong_by_at_most_one_call_a_thread() {
    const THREADS: u64 = 4;
    let clock = ManualClock::default();
    let breaker = builder(&clock).build().unwrap();
    let done: Vec<_> = (0..THREADS).map(|_| std::sync::atomic::AtomicU64::new(0)).collect();
    let sum = || {
        done.iter()
            .map(|done| done.load(std::sync::atomic::Ordering::SeqCst))
            .sum::<u64>()
    };
    std::thread::scope(|scope| {
        for done in &done {
            scope.spawn(|| {
                for call in 1..=20_000 {
                    succeed(&breaker);
                    done.store(call, std::sync::atomic::Ordering::SeqCst);
                }
            });
        }
        while sum() < THREADS * 20_000 {
            let before = sum();
            let seen = breaker.snapshot().calls;
            let after = sum();
            assert!(
                before <= seen && seen <= after + THREADS,
                "{before} calls had ended, {seen} were seen, {after} have ended"
            );
        }
    });
}
