//! Counts what happens on every call without threads waiting for each other.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// Counts upwards from many threads, each on a cache line of its own where there are enough.
#[derive(Debug)]
pub(crate) struct Counter {
    stripes: Box<[Stripe]>,
}

/// 128 bytes: two lines, because the prefetcher of current x86-64 fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Counter {
    /// Adds one.
    pub(crate) fn increment(&self) {
        self.stripes[thread_index() & (self.stripes.len() - 1)]
            .0
            .fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the sum so far; an addition that runs at the same time may or may not be in it.
    pub(crate) fn sum(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

impl Default for Counter {
    fn default() -> Self {
        const MOST: usize = 64;
        let threads = available_parallelism().map_or(1, usize::from);
        let stripes = threads.next_power_of_two().min(MOST);
        Self {
            stripes: (0..stripes).map(|_| Stripe::default()).collect(),
        }
    }
}

/// Returns a small number that stays the same on a thread; threads take turns.
fn thread_index() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static INDEX: Cell<Option<usize>> = const { Cell::new(None) });
    INDEX.with(|index| {
        index.get().unwrap_or_else(|| {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            index.set(Some(new));
            new
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_addition_is_lost_among_threads() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..10_000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.sum(), 80_000);
    }
}
