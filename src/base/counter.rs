//! Counts what happens on every call without threads waiting for each other.

use std::sync::atomic::{AtomicU64, Ordering};

use super::stripe::{self, Padded};

/// Counts upwards from many threads, each on a cache line of its own where there are enough.
#[derive(Debug)]
pub(crate) struct Counter {
    stripes: Box<[Padded<AtomicU64>]>,
}

impl Counter {
    /// Adds one.
    #[inline]
    pub(crate) fn increment(&self) {
        self.stripes[stripe::index(self.stripes.len())].fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the sum so far; an addition that runs at the same time may or may not be in it.
    pub(crate) fn sum(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.load(Ordering::Relaxed)).sum()
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self {
            stripes: (0..stripe::count(64)).map(|_| Padded::default()).collect(),
        }
    }
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
