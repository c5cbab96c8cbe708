//! Adaptive limits of twenty calls or more, of which one is under way.

use std::hint::black_box;

use seaworthy::adaptive::{AdaptiveLimit, Aimd};
use tick::Clock;
use tower::Layer as _;
use tower_resilience_adaptive::{AdaptiveLimiterLayer, Gradient2, Vegas};

use seaworthy_harness::comparison::{Comparison, Row};
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::Inner;

pub(crate) fn comparisons(_: &Clock) -> Vec<Comparison> {
    Inner::ALL.map(of).into()
}

const BUILT: &str = "the defaults are in range";

fn of(inner: Inner) -> Comparison {
    let gradient2 = AdaptiveLimit::builder("payments").build().expect(BUILT);
    let aimd = AdaptiveLimit::builder("payments").algorithm(Aimd::default()).build();
    let peers = "tower-resilience-adaptive";
    let their_aimd = tower_resilience_adaptive::Aimd::builder().initial_limit(20).build();
    let their_vegas = Vegas::builder().initial_limit(20).build();
    let their_gradient2 = Gradient2::builder().initial_limit(20).build();
    Comparison {
        title: inner.to_string(),
        settings: "beginning with 20".to_owned(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows: vec![
            Row::service("seaworthy", "layer, Gradient2", gradient2.layer().layer(inner)),
            Row::service("seaworthy", "layer, AIMD", aimd.expect(BUILT).layer().layer(inner)),
            Row::new("seaworthy", "direct call, Gradient2", move || {
                let limit = gradient2.clone();
                move |n| black_box(drive(limit.call(|| inner.answer(n)))).is_ok()
            }),
            Row::service(
                peers,
                "layer, Gradient2",
                AdaptiveLimiterLayer::new(their_gradient2.expect(BUILT)).layer(inner),
            ),
            Row::service(
                peers,
                "layer, AIMD",
                AdaptiveLimiterLayer::new(their_aimd.expect(BUILT)).layer(inner),
            ),
            Row::service(
                peers,
                "layer, Vegas",
                AdaptiveLimiterLayer::new(their_vegas.expect(BUILT)).layer(inner),
            ),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}
