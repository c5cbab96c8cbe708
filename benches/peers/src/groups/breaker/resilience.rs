//! The breaker of tower-resilience.

use tower::Layer as _;
use tower_resilience_circuitbreaker::{CircuitBreakerConfigBuilder, CircuitBreakerLayer, SlidingWindowType};

use super::{CALLS, CONSECUTIVE, OF_CALLS, OF_TIME, OPEN, PERIOD};
use seaworthy_harness::comparison::Row;
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::Inner;

const PACKAGE: &str = "tower-resilience-circuitbreaker";
const BUILT: &str = "the settings are those of its documentation";

pub(super) fn closed(inner: Inner) -> Vec<Row> {
    let service = |builder: CircuitBreakerConfigBuilder| builder.build().expect(BUILT).layer(inner);
    let consecutive = settings(inner).consecutive_failures(match inner {
        Inner::Failing => usize::MAX,
        _ => 5,
    });
    vec![
        Row::service(
            PACKAGE,
            "layer, 100 calls",
            service(settings(inner).sliding_window_size(CALLS)),
        )
        .alike(OF_CALLS),
        of_time(inner),
        Row::service(PACKAGE, "layer, consecutive failures", service(consecutive)).alike(CONSECUTIVE),
    ]
}

/// Looks at every call in its window on every call, so that its cost has no bound: it is shown at its best.
fn of_time(inner: Inner) -> Row {
    let builder = settings(inner)
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(PERIOD);
    let (layer, handle) = builder.build_with_handle().expect(BUILT);
    Row::service(PACKAGE, "layer, 30 s, emptied each batch", layer.layer(inner))
        .alike(OF_TIME)
        .reset_by(move || {
            // A reset of a closed circuit keeps its calls.
            drive(handle.force_open());
            drive(handle.reset());
        })
}

fn settings(inner: Inner) -> CircuitBreakerConfigBuilder {
    let builder = CircuitBreakerLayer::builder()
        .name("payments")
        .failure_rate_threshold(0.5);
    match inner {
        Inner::Failing => builder.minimum_number_of_calls(usize::MAX),
        _ => builder,
    }
}

pub(super) fn open() -> Row {
    let builder = settings(Inner::Failing).wait_duration_in_open(OPEN);
    let (layer, handle) = builder.build_with_handle().expect(BUILT);
    drive(handle.force_open());
    Row::service(PACKAGE, "layer", layer.layer(Inner::Failing))
}
