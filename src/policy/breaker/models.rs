//! loom tries every order in which threads can do these things.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::circuit::Circuit;
use super::config::Window;
use super::layer::CircuitBreaker;
use super::rules::Admission;
use super::state::State;
use super::window::{Ended, Record, Tally};
use crate::base::clock::ManualClock;
use crate::base::outcome::Outcome;
use crate::base::ticks::Ticks;

const FAILED: Ended = Ended {
    failed: true,
    slow: false,
};
const HEALTHY: Ended = Ended {
    failed: false,
    slow: false,
};

/// A circuit that opens at the first failure, and has one probe.
fn circuit(clock: &ManualClock) -> Circuit {
    let builder = CircuitBreaker::builder("loom")
        .window(Window::Consecutive(1))
        .open_jitter(0)
        .probes(1, 100)
        .clock(clock.clone().into());
    Circuit::new(builder.rules().unwrap(), 1)
}

fn state(circuit: &Circuit) -> State {
    circuit.look(Ticks(0), |engine, _, _| engine.state())
}

fn enter(circuit: &Circuit) -> Admission {
    circuit.rules.begin(circuit.enter().unwrap())
}

fn fail(circuit: &Circuit) {
    let admission = enter(circuit);
    circuit.exit(0, &admission, Outcome::Failure);
}

#[test]
fn two_callers_of_a_half_open_circuit_share_one_slot() {
    loom::model(|| {
        let clock = ManualClock::default();
        let circuit = Arc::new(circuit(&clock));
        fail(&circuit);
        clock.advance(Duration::from_secs(5));
        let other = {
            let circuit = circuit.clone();
            thread::spawn(move || circuit.enter().is_ok())
        };
        let one = circuit.enter().is_ok();
        assert!(one ^ other.join().unwrap(), "exactly one is let in");
    });
}

#[test]
fn a_failure_that_began_before_a_reset_leaves_no_trace_after_it() {
    loom::model(|| {
        let circuit = Arc::new(circuit(&ManualClock::default()));
        let admission = enter(&circuit);
        let other = {
            let circuit = circuit.clone();
            thread::spawn(move || circuit.exit(0, &admission, Outcome::Failure))
        };
        circuit.change(|engine| Some(engine.reset(Ticks(0))));
        other.join().unwrap();
        // It ended before the reset, or after it: either way nothing is left.
        let left = circuit.look(Ticks(0), |engine, tally, _| (engine.state(), tally.failed));
        assert_eq!(left, (State::Closed, 0));
    });
}

#[test]
fn a_probe_and_a_reset_do_not_open_a_circuit_that_is_closed() {
    loom::model(|| {
        let clock = ManualClock::default();
        let circuit = Arc::new(circuit(&clock));
        fail(&circuit);
        clock.advance(Duration::from_secs(5));
        let probe = enter(&circuit);
        let other = {
            let circuit = circuit.clone();
            thread::spawn(move || circuit.exit(0, &probe, Outcome::Failure))
        };
        circuit.change(|engine| Some(engine.reset(Ticks(0))));
        other.join().unwrap();
        assert_eq!(state(&circuit), State::Closed);
        assert!(circuit.enter().is_ok());
    });
}

#[test]
fn threads_that_share_a_stripe_lose_no_call_while_its_bucket_stays() {
    loom::model(|| {
        let window = Arc::new(Record::new(Window::Time(Duration::from_nanos(20)), 1));
        let other = {
            let window = window.clone();
            thread::spawn(move || window.add(FAILED, 0, || Ticks(5), || true))
        };
        window.add(HEALTHY, 0, || Ticks(5), || true);
        other.join().unwrap();
        let (calls, failed, slow) = (2, 1, 0);
        assert_eq!(window.tally(Ticks(5)), Tally { calls, failed, slow });
    });
}

#[test]
fn a_thread_that_was_held_up_does_not_write_into_a_bucket_that_was_taken_over() {
    loom::model(|| {
        let window = Arc::new(Record::new(Window::Time(Duration::from_nanos(20)), 1));
        let late = {
            let window = window.clone();
            thread::spawn(move || window.add(FAILED, 0, || Ticks(5), || true))
        };
        // A whole window later every bucket has been taken over.
        window.tally(Ticks(25));
        late.join().unwrap();
        let tally = window.tally(Ticks(25));
        // It took the time before the others, and wrote after them: then it is told as of now, or not at all.
        assert!(tally.failed <= tally.calls && tally.calls <= 1, "{tally:?}");
        assert_eq!(window.tally(Ticks(45)), Tally::default());
    });
}

#[test]
fn a_sum_that_meets_a_bucket_being_taken_over_has_no_more_failures_than_calls() {
    loom::model(|| {
        let window = Arc::new(Record::new(Window::Time(Duration::from_nanos(20)), 1));
        window.add(FAILED, 0, || Ticks(5), || true);
        let other = {
            let window = window.clone();
            thread::spawn(move || window.tally(Ticks(25)))
        };
        for tally in [window.tally(Ticks(5)), other.join().unwrap()] {
            assert!(tally.failed <= tally.calls, "{tally:?}");
        }
    });
}

#[test]
fn a_ring_of_one_has_the_outcome_that_its_slot_has() {
    loom::model(|| {
        let window = Arc::new(Record::new(Window::Count(1), 1));
        let other = {
            let window = window.clone();
            thread::spawn(move || window.add(FAILED, 0, || Ticks(5), || true))
        };
        window.add(HEALTHY, 0, || Ticks(5), || true);
        other.join().unwrap();
        let before = window.tally(Ticks(5));
        assert_eq!(before.calls, 1);
        // What the slot has is taken out again, so that a sum that drifted would show.
        window.add(HEALTHY, 0, || Ticks(5), || true);
        assert_eq!(window.tally(Ticks(5)).failed, 0);
    });
}

#[test]
fn a_ring_that_is_cleared_keeps_nothing_of_before() {
    loom::model(|| {
        let window = Arc::new(Record::new(Window::Count(2), 1));
        let current = Arc::new(loom::sync::atomic::AtomicBool::new(true));
        let other = {
            let (window, current) = (window.clone(), current.clone());
            thread::spawn(move || {
                let is_current = || current.load(loom::sync::atomic::Ordering::Acquire);
                window.add(FAILED, 0, || Ticks(5), is_current)
            })
        };
        current.store(false, loom::sync::atomic::Ordering::Release);
        window.clear();
        other.join().unwrap();
        assert_eq!(window.tally(Ticks(5)), Tally::default());
    });
}
