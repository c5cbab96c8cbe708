//! What a circuit breaker keeps. In a binary of its own, as it counts bytes.

mod alloc_support;
mod breaker_support;

use std::future::ready;
use std::io;
use std::time::Duration;

use alloc_support::kept_by_this_thread;
use breaker_support::*;
use seaworthy::breaker::{CircuitBreaker, Window};
use seaworthy::clock::ManualClock;

/// Opens and closes a circuit.
fn cycle(breaker: &CircuitBreaker, clock: &ManualClock) {
    trip(breaker);
    clock.advance(Duration::from_secs(60));
    succeed(breaker);
    succeed(breaker);
}

#[test]
fn a_circuit_keeps_little_and_leaves_nothing() {
    let clock = ManualClock::default();
    cycle(&brittle(&clock).build().unwrap(), &clock);

    let before = kept_by_this_thread();
    let breaker = brittle(&clock).build().unwrap();
    (0..100_000).for_each(|_| cycle(&breaker, &clock));
    drop(breaker);
    assert_eq!(kept_by_this_thread() - before, 0, "after a hundred thousand cycles");

    for window in [Window::Time(SECOND * 30), Window::Count(100)] {
        let before = kept_by_this_thread();
        let breaker = builder(&clock).window(window).build().unwrap();
        let bytes = kept_by_this_thread() - before;
        let stripes = std::thread::available_parallelism().unwrap().get().next_power_of_two();
        let most = 4096 * stripes.div_ceil(2) as isize;
        assert!(bytes <= most, "{window:?} keeps {bytes} bytes for {stripes} stripes");
        drop(breaker);
    }

    const KEYS: u64 = 10_000;
    let before = kept_by_this_thread();
    // Half of the room is sure to stay, and keys do not fall evenly on shards.
    let keyed = builder(&clock)
        .build_keyed::<u64>(4 * KEYS as usize, SECOND * 3600)
        .unwrap();
    for key in 0..KEYS {
        now(keyed.call(key, || ready(Ok::<_, io::Error>(())))).unwrap();
    }
    assert_eq!(keyed.keys(), KEYS as usize);
    let bytes = (kept_by_this_thread() - before) / KEYS as isize;
    assert!(bytes <= 256, "{bytes} bytes a key");
}
