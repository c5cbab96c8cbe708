//! Ours, as a tower layer and called directly.

use std::hint::black_box;

use seaworthy::breaker::{CircuitBreaker, Window};
use tower::Layer as _;

use super::{CONSECUTIVE, OF_CALLS, OF_TIME, PERIOD};
use seaworthy_harness::comparison::Row;
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::Inner;

const PACKAGE: &str = "seaworthy";

pub(super) fn closed(inner: Inner) -> Vec<Row> {
    let row = |layered, called, kind, window| {
        let breaker = breaker(window, inner);
        [layer(layered, &breaker, inner), call(called, breaker, inner)].map(|row| row.alike(kind))
    };
    let failures = match inner {
        Inner::Failing => u32::MAX,
        _ => 5,
    };
    [
        row(
            "layer, 100 calls",
            "direct call, 100 calls",
            OF_CALLS,
            Window::Count(100),
        ),
        row("layer, 30 s", "direct call, 30 s", OF_TIME, Window::Time(PERIOD)),
        row(
            "layer, consecutive failures",
            "direct call, consecutive failures",
            CONSECUTIVE,
            Window::Consecutive(failures),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn open() -> [Row; 2] {
    let breaker = breaker(Window::Time(PERIOD), Inner::Failing);
    breaker.force_open();
    [
        layer("layer", &breaker, Inner::Failing),
        call("direct call", breaker, Inner::Failing),
    ]
}

fn breaker(window: Window, inner: Inner) -> CircuitBreaker {
    let builder = CircuitBreaker::builder("payments").window(window);
    let builder = match (inner, window) {
        (Inner::Failing, Window::Time(_)) => builder.minimum_calls(u32::MAX),
        _ => builder,
    };
    let breaker = builder.build().expect("the settings are in range");
    // No rate that failures alone could not meet is accepted, and no minimum above the calls of the window.
    if let (Inner::Failing, Window::Count(_)) = (inner, window) {
        breaker.force_closed();
    }
    breaker
}

fn layer(what: &'static str, breaker: &CircuitBreaker, inner: Inner) -> Row {
    Row::service(PACKAGE, what, breaker.layer().layer(inner))
}

fn call(what: &'static str, breaker: CircuitBreaker, inner: Inner) -> Row {
    Row::new(PACKAGE, what, move || {
        let breaker = breaker.clone();
        move |n| black_box(drive(breaker.call(|| inner.answer(n)))).is_ok()
    })
}
