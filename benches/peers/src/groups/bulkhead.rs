//! Bulkheads of 64 places, of which one is taken.

use std::hint::black_box;

use seaworthy::bulkhead::{Bulkhead, PartitionedBulkhead};
use tick::Clock;
use tower::Layer as _;
use tower::limit::ConcurrencyLimitLayer;
use tower_resilience_bulkhead::BulkheadLayer;

use seaworthy_harness::comparison::{Comparison, Row};
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::Inner;

const PLACES: usize = 64;

pub(crate) fn comparisons(_: &Clock) -> Vec<Comparison> {
    Inner::ALL.map(of).into()
}

fn of(inner: Inner) -> Comparison {
    let ours = Bulkhead::builder("payments").concurrent(PLACES as u32).build();
    let ours = ours.expect("64 places are allowed");
    let partitions = PartitionedBulkhead::builder("payments")
        .partition("critical", |config| config.concurrent = PLACES as u32)
        .partition("non-critical", |config| config.concurrent = PLACES as u32)
        .build();
    let partitions = partitions.expect("64 places are allowed");
    let layer = ours.layer().layer(inner);
    let bulkhead = || BulkheadLayer::builder().name("payments").max_concurrent_calls(PLACES);
    let built = "64 places are allowed";
    Comparison {
        title: inner.to_string(),
        settings: String::new(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows: vec![
            Row::service("seaworthy", "layer", layer),
            Row::service(
                "seaworthy",
                "two partitions",
                partitions.layer(|_: &u64| "critical").layer(inner),
            ),
            Row::new("seaworthy", "direct call", move || {
                let bulkhead = ours.clone();
                move |n| black_box(drive(bulkhead.call(|| inner.answer(n)))).is_ok()
            }),
            Row::service(
                "tower",
                "layer, waits when full",
                ConcurrencyLimitLayer::new(PLACES).layer(inner),
            ),
            Row::service(
                "tower-resilience-bulkhead",
                "layer, waits when full",
                bulkhead().build().expect(built).layer(inner),
            ),
            Row::service(
                "tower-resilience-bulkhead",
                "layer, refuses when full",
                bulkhead().reject_when_full().build().expect(built).layer(inner),
            ),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}
