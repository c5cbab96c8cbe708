//! What nobody can go below on a machine, so that figures from different machines can be compared.

use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::drive::drive;
use seaworthy_harness::surroundings::LIMIT;

pub(crate) fn comparison() -> Comparison {
    let atomic = Arc::new(AtomicU64::new(0));
    let mutex = Arc::new(Mutex::new(0_u64));
    let semaphore = Arc::new(Semaphore::new(64));
    Comparison {
        title: "floors".to_owned(),
        settings: String::new(),
        outcome: Outcome::Floor,
        bare: Row::new("std", "nothing", || |n| black_box(n) > 0),
        rows: vec![
            Row::new("std", "atomic add", move || {
                let atomic = Arc::clone(&atomic);
                move |n| atomic.fetch_add(n, Ordering::Relaxed) < u64::MAX
            }),
            Row::new("std", "mutex, lock and unlock", move || {
                let mutex = Arc::clone(&mutex);
                move |n| mutex.lock().map(|mut sum| *sum = sum.wrapping_add(n)).is_ok()
            }),
            Row::new("std", "`Instant::now`", || {
                let long_ago = Instant::now();
                move |_| Instant::now() >= long_ago
            }),
            Row::new("std", "a box of 64 bytes", || |n| black_box(Box::new([n; 8]))[0] > 0),
            Row::new("tokio", "semaphore, a permit taken and given back", move || {
                let semaphore = Arc::clone(&semaphore);
                move |_| semaphore.try_acquire().is_ok()
            }),
            Row::new("tokio", "`Sleep`, made, polled and dropped", || {
                |_| {
                    let mut timer = pin!(sleep(LIMIT));
                    drive(poll_fn(|context| {
                        Poll::Ready(timer.as_mut().poll(context).is_pending())
                    }))
                }
            })
            .unshared(),
        ],
        on_two_threads: true,
    }
}
