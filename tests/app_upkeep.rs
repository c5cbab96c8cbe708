//! Metrics that nobody scrapes do not grow. In a binary of its own, as it counts the live bytes of the process.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::convert::Infallible;
use std::sync::atomic::{AtomicIsize, Ordering};

use seaworthy::Body;
use support::{Served, builder, eventually};
use tower::service_fn;

static LIVE: AtomicIsize = AtomicIsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[tokio::test]
async fn metrics_that_nobody_scrapes_do_not_grow() {
    const RECORDS: usize = 2_000_000;
    /// Each record leaves a sample of eight bytes until the upkeep has run.
    const SAMPLES: isize = (RECORDS * 8) as isize;
    let hello = service_fn(|_: http::Request<Body>| async { Ok::<_, Infallible>(http::Response::new(Body::empty())) });
    let _served = Served::start(builder().build().unwrap(), hello);
    let histogram = metrics::histogram!("mine");
    histogram.record(1.0);
    let before = LIVE.load(Ordering::Relaxed);
    let grown = || LIVE.load(Ordering::Relaxed) - before;
    (0..RECORDS).for_each(|_| histogram.record(1.0));
    assert!(grown() > SAMPLES / 2, "the service's recorder was not installed");
    eventually("the samples are gone", || async {
        // What is freed is freed by those who record.
        (0..100).for_each(|_| histogram.record(1.0));
        grown() < SAMPLES / 4
    })
    .await;
}
