//! Counts what happens on every call without threads waiting for each other.

use super::stripe::{self, Padded};
use super::sync::atomic::{AtomicU64, Ordering};

/// Counts upwards from many threads, each on a cache line of its own where there are enough.
pub(crate) type Counter = Counters<1>;

/// Counts several things that one handle counts, side by side.
#[derive(Debug)]
pub(crate) struct Counters<const N: usize> {
    /// One for each of the first threads, where nobody else writes, so that no atomic addition is needed; and the last
    /// for all others.
    stripes: Box<[Padded<[AtomicU64; N]>]>,
}

impl<const N: usize> Counters<N> {
    /// Adds one to the counter of that number.
    #[inline]
    pub(crate) fn add(&self, counter: usize) {
        self.add_many(counter, 1);
    }

    /// Adds so many to the counter of that number.
    #[inline]
    pub(crate) fn add_many(&self, counter: usize, count: u64) {
        if let [own @ .., shared] = &*self.stripes {
            match own.get(stripe::place()) {
                Some(own) => {
                    let sum = own[counter].load(Ordering::Relaxed).wrapping_add(count);
                    own[counter].store(sum, Ordering::Relaxed);
                }
                None => _ = shared[counter].fetch_add(count, Ordering::Relaxed),
            }
        }
    }

    /// Returns a counter's sum so far; an addition that runs at the same time may or may not be in it.
    pub(crate) fn sum_of(&self, counter: usize) -> u64 {
        let of_each = self
            .stripes
            .iter()
            .map(|stripe| stripe[counter].load(Ordering::Relaxed));
        of_each.sum()
    }
}

impl Counter {
    /// Adds one.
    #[inline]
    pub(crate) fn increment(&self) {
        self.add(0);
    }

    /// Returns the sum so far.
    pub(crate) fn sum(&self) -> u64 {
        self.sum_of(0)
    }
}

impl<const N: usize> Default for Counters<N> {
    fn default() -> Self {
        let stripe = |_| Padded(std::array::from_fn(|_| AtomicU64::new(0)));
        Self {
            stripes: (0..=own_stripes()).map(stripe).collect(),
        }
    }
}

/// loom's threads are one thread of the system, whose place would be all of theirs.
fn own_stripes() -> usize {
    if cfg!(all(test, seaworthy_loom)) {
        0
    } else {
        stripe::count(64)
    }
}

#[cfg(all(test, not(seaworthy_loom)))]
mod tests {
    use super::*;

    #[test]
    fn no_addition_is_lost_among_threads() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..300_000).for_each(|_| counter.increment()));
            }
        });
        assert_eq!(counter.sum(), 2_400_000);
    }

    #[test]
    fn no_addition_is_lost_when_a_thread_takes_the_place_of_another() {
        let counter = Counter::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        std::thread::scope(|scope| {
                            scope.spawn(|| (0..100).for_each(|_| counter.increment()));
                        });
                    }
                });
            }
        });
        assert_eq!(counter.sum(), 40_000);
    }
}
