//! The breaker of failsafe, which has no tower layer: its futures are called directly.

use std::hint::black_box;

use failsafe::failure_policy::{self, FailurePolicy};
use failsafe::futures::CircuitBreaker;
use failsafe::{Config, backoff};

use super::{CONSECUTIVE, OF_TIME, OPEN, PERIOD};
use seaworthy_harness::comparison::Row;
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::Inner;

pub(super) fn closed(inner: Inner) -> Vec<Row> {
    let (required, failures) = match inner {
        Inner::Failing => (0.0, u32::MAX),
        _ => (0.8, 5),
    };
    let backoff = backoff::constant(OPEN);
    let success_rate = failure_policy::success_rate_over_time_window(required, 5, PERIOD, backoff.clone());
    let consecutive = failure_policy::consecutive_failures(failures, backoff);
    vec![
        row("direct call, success rate, 30 s", success_rate, inner).alike(OF_TIME),
        row("direct call, consecutive failures", consecutive, inner).alike(CONSECUTIVE),
    ]
}

pub(super) fn open() -> Row {
    let breaker = Config::new()
        .failure_policy(failure_policy::consecutive_failures(1, backoff::constant(OPEN)))
        .build();
    breaker.on_error();
    called(&breaker, "direct call", Inner::Failing)
}

fn row(what: &'static str, policy: impl FailurePolicy + Send + Sync + 'static, inner: Inner) -> Row {
    called(&Config::new().failure_policy(policy).build(), what, inner)
}

fn called(breaker: &(impl CircuitBreaker + Clone + Send + 'static), what: &'static str, inner: Inner) -> Row {
    let breaker = breaker.clone();
    Row::new("failsafe", what, move || {
        let breaker = breaker.clone();
        move |n| black_box(drive(breaker.call(inner.answer(n)))).is_ok()
    })
}
