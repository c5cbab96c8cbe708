//! Timeouts of ten seconds that never pass; a timer that ends sooner is pending already.

use std::hint::black_box;

use http::{Request, StatusCode};
use seatbelt::ResilienceContext;
use seaworthy::timeout::Timeout;
use tick::Clock;
use tower::Layer as _;
use tower_http::timeout::TimeoutLayer as HttpTimeoutLayer;
use tower_resilience_timelimiter::TimeLimiterLayer;

use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::drive::drive;
use seaworthy_harness::inner::{Failure, Inner};
use seaworthy_harness::surroundings::LIMIT;

pub(crate) fn comparisons(clock: &Clock) -> Vec<Comparison> {
    let mut comparisons: Vec<Comparison> = Inner::ALL.map(|inner| of(inner, clock)).into();
    comparisons.push(over_http());
    comparisons
}

fn ours() -> Timeout {
    let timeout = Timeout::builder("payments").limit(LIMIT).build();
    timeout.expect("ten seconds are in range")
}

fn of(inner: Inner, clock: &Clock) -> Comparison {
    let timeout = ours();
    Comparison {
        title: inner.to_string(),
        settings: String::new(),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows: vec![
            Row::service("seaworthy", "layer", timeout.layer().layer(inner)),
            Row::new("seaworthy", "direct call", move || {
                let timeout = timeout.clone();
                move |n| black_box(drive(timeout.call(|| inner.answer(n)))).is_ok()
            }),
            Row::service("tower", "layer", tower::timeout::Timeout::new(inner, LIMIT)),
            Row::service(
                "tower-resilience-timelimiter",
                "layer",
                TimeLimiterLayer::builder()
                    .name("payments")
                    .timeout_duration(LIMIT)
                    .build()
                    .layer(inner),
            ),
            Row::service("seatbelt", "tower layer", seatbelt(inner, clock)),
            Row::layered("seatbelt", "layered", seatbelt(inner, clock)),
        ],
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

type SeatbeltTimeout = seatbelt::timeout::Timeout<u64, Result<u64, Failure>, Inner>;

fn seatbelt(inner: Inner, clock: &Clock) -> SeatbeltTimeout {
    let context = ResilienceContext::new(clock);
    let layer = seatbelt::timeout::Timeout::layer("payments", &context)
        .timeout_error(|_| Failure::default())
        .timeout(LIMIT);
    layer.layer(inner)
}

fn over_http() -> Comparison {
    let inner = Inner::ReadyAtOnce;
    let request: fn(u64) -> Request<seaworthy::Body> = |_| Request::new(seaworthy::Body::default());
    let status = StatusCode::GATEWAY_TIMEOUT;
    Comparison {
        title: format!("over HTTP, {inner}"),
        settings: "ours limits bodies, too; these are empty".to_owned(),
        outcome: Outcome::Success,
        bare: Row::http_service("std", "bare", inner, request),
        rows: vec![
            Row::http_service("seaworthy", "HTTP layer", ours().http_layer().layer(inner), request),
            Row::http_service(
                "tower-http",
                "layer",
                HttpTimeoutLayer::with_status_code(status, LIMIT).layer(inner),
                request,
            ),
        ],
        on_two_threads: false,
    }
}
