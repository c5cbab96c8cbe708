//! Metrics that nobody scrapes do not grow. In a binary of its own, as it counts the live bytes of the process.

mod alloc_support;
mod support;

use std::convert::Infallible;

use alloc_support::live;
use seaworthy::Body;
use support::{Served, builder, eventually};
use tower::service_fn;

#[tokio::test]
async fn metrics_that_nobody_scrapes_do_not_grow() {
    const RECORDS: usize = 2_000_000;
    /// Each record leaves a sample of eight bytes until the upkeep has run.
    const SAMPLES: isize = (RECORDS * 8) as isize;
    let hello = service_fn(|_: http::Request<Body>| async { Ok::<_, Infallible>(http::Response::new(Body::empty())) });
    let _served = Served::start(builder().build().unwrap(), hello);
    let histogram = metrics::histogram!("mine");
    histogram.record(1.0);
    let before = live();
    let grown = || live() - before;
    (0..RECORDS).for_each(|_| histogram.record(1.0));
    assert!(grown() > SAMPLES / 2, "the service's recorder was not installed");
    eventually("the samples are gone", || async {
        // What is freed is freed by those who record.
        (0..100).for_each(|_| histogram.record(1.0));
        grown() < SAMPLES / 4
    })
    .await;
}
