//! What the tests of the circuit breaker share: a clock that they move, and calls that end as they say.

#![allow(dead_code, reason = "every test binary uses some of it")]

use std::future::{Future, ready};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use seaworthy::Guarded;
use seaworthy::breaker::{CircuitBreaker, CircuitBreakerBuilder, State, Window};
use seaworthy::clock::ManualClock;
use seaworthy::inventory::Describe;

pub const SECOND: Duration = Duration::from_secs(1);

/// Opens for exactly 5 s, then 10, 20, 40 and 60.
pub fn builder(clock: &ManualClock) -> CircuitBreakerBuilder {
    CircuitBreaker::builder("payments")
        .clock(clock.clone().into())
        .open_jitter(0)
}

/// Opens at the second failure in a row, for 5 s; needs two of two probes.
pub fn brittle(clock: &ManualClock) -> CircuitBreakerBuilder {
    builder(clock).window(Window::Consecutive(2)).probes(2, 100)
}

pub fn counter(described: &impl Describe, name: &str) -> u64 {
    let entry = described.describe();
    entry.counters.iter().find(|(key, _)| *key == name).unwrap().1
}

/// Polls a future that must be ready.
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready at once"),
    }
}

pub fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Calls with that end; `false` if the call was refused.
pub fn call(breaker: &CircuitBreaker, succeeds: bool) -> bool {
    let end = if succeeds {
        Ok(())
    } else {
        Err(io::Error::other("down"))
    };
    !matches!(now(breaker.call(|| ready(end))), Err(Guarded::Refused(_)))
}

pub fn succeed(breaker: &CircuitBreaker) -> bool {
    call(breaker, true)
}

pub fn fail(breaker: &CircuitBreaker) -> bool {
    call(breaker, false)
}

pub fn state(breaker: &CircuitBreaker) -> State {
    breaker.snapshot().state
}

/// Makes a circuit of [`brittle`] open.
pub fn trip(breaker: &CircuitBreaker) {
    fail(breaker);
    fail(breaker);
    assert_eq!(state(breaker), State::Open);
}
