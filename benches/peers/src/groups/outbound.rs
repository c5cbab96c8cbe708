//! The guards of a dependency, as an `App` puts them: a total deadline with retries, circuit breaker, timeout of an attempt
//! and bulkhead, in this order from outside.

use std::hint::black_box;
use std::time::Duration;

use seaworthy::App;
use seaworthy_overhead::rows::ours::{Read, Reads};
use tick::Clock;
use tower::Layer as _;

use super::retry::Budgeted;
use super::together::reclosed;
use seaworthy_harness::comparison::{Comparison, Row};
use seaworthy_harness::drive;
use seaworthy_harness::inner::Inner;

pub(crate) fn comparisons(_: &Clock) -> Vec<Comparison> {
    [Inner::ReadyAtOnce, Inner::PendingOnce].map(of).into()
}

fn of(inner: Inner) -> Comparison {
    let mut rows = ours(inner);
    rows.extend([tower(inner), resilience(inner)]);
    Comparison {
        title: inner.to_string(),
        settings: "5 s in all, 1.5 s for an attempt, 64 at once; no subscriber listens".to_owned(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows,
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

const ATTEMPT: Duration = Duration::from_millis(1500);
const PLACES: usize = 64;
const BUILT: &str = "the settings are in range";

fn ours(inner: Inner) -> Vec<Row> {
    let mut app = App::builder("orders");
    let stack = app.dependency("payments").layer().layer(Reads(inner));
    let ledger = app.dependency("ledger").guard();
    app.build().expect(BUILT);
    let repeated = ledger.clone();
    vec![
        Row::new("seaworthy", "layer of a dependency", move || {
            let mut stack = stack.clone();
            move |n| black_box(drive::call(&mut stack, Read(n))).is_ok()
        }),
        Row::new("seaworthy", "guard, call", move || {
            let ledger = ledger.clone();
            move |n| black_box(drive::drive(ledger.call(|| inner.answer(n)))).is_ok()
        })
        .alike("without retry"),
        Row::new("seaworthy", "guard, call that may be repeated", move || {
            let ledger = repeated.clone();
            move |n| black_box(drive::drive(ledger.call_idempotent(|| inner.answer(n)))).is_ok()
        }),
    ]
}

fn tower(inner: Inner) -> Row {
    let limited = tower::limit::ConcurrencyLimit::new(inner, PLACES);
    let attempt = tower::timeout::Timeout::new(limited, ATTEMPT);
    let stack = tower::retry::Retry::new(Budgeted::new(), reclosed(attempt));
    Row::service("tower", "its like, recloser among them, without a total", stack)
}

fn resilience(inner: Inner) -> Row {
    let bulkhead = tower_resilience_bulkhead::BulkheadLayer::builder()
        .name("payments")
        .max_concurrent_calls(PLACES)
        .build();
    let timeout = tower_resilience_timelimiter::TimeLimiterLayer::builder()
        .name("payments")
        .timeout_duration(ATTEMPT)
        .build();
    let breaker = tower_resilience_circuitbreaker::CircuitBreakerLayer::builder()
        .name("payments")
        .failure_rate_threshold(0.5)
        .build();
    let retry = tower_resilience_retry::RetryLayer::<u64, u64, _>::builder()
        .name("payments")
        .max_attempts(3)
        .exponential_backoff(Duration::from_millis(100))
        .retry_on(|_| false)
        .build();
    let inside = timeout.layer(bulkhead.expect(BUILT).layer(inner));
    let stack = retry.layer(breaker.expect(BUILT).layer(inside));
    Row::service(
        "tower-resilience-retry",
        "with its three others, without a total",
        stack,
    )
}
