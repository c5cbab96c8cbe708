//! Spreads what every call touches over cache lines, so that threads do not wait for each other.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// A cache line of its own.
///
/// 128 bytes: two lines, because the prefetcher of current x86-64 fetches them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The most stripes of a policy's state. More would make whoever adds them up (on each failure, in a breaker) take
/// longer than threads gain by having their own.
pub(crate) const MOST_STRIPES: usize = 16;

/// Returns how many stripes give every thread that runs one of its own: a power of two, at most `most`.
pub(crate) fn count(most: usize) -> usize {
    let threads = available_parallelism().map_or(1, usize::from);
    threads.next_power_of_two().min(most)
}

/// Returns which of `stripes`, a power of two, is this thread's; threads take turns.
#[inline]
pub(crate) fn index(stripes: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static INDEX: Cell<Option<usize>> = const { Cell::new(None) });
    let index = INDEX.with(|index| {
        index.get().unwrap_or_else(|| {
            let new = NEXT.fetch_add(1, Ordering::Relaxed);
            index.set(Some(new));
            new
        })
    });
    index & (stripes - 1)
}

/// A value that many threads share, with a reference count for each of them.
///
/// Cloning an `Arc` on two threads costs more than twice what it costs on one, as they pass its count to and fro. A call
/// takes a [`Lane`] instead.
#[derive(Debug)]
pub(crate) struct Striped<T>(Arc<Lanes<T>>);

#[derive(Debug)]
struct Lanes<T> {
    value: Arc<T>,
    lanes: Box<[Lane<T>]>,
}

/// Keeps the shared value alive for one call.
#[derive(Debug)]
pub(crate) struct Lane<T>(Arc<Padded<(usize, Arc<T>)>>);

impl<T> Striped<T> {
    /// Shares `value` among so many stripes, a power of two.
    pub(crate) fn new(value: T, stripes: usize) -> Self {
        let value = Arc::new(value);
        let lane = |index| Lane(Arc::new(Padded((index, Arc::clone(&value)))));
        Self(Arc::new(Lanes {
            lanes: (0..stripes).map(lane).collect(),
            value,
        }))
    }

    /// Returns the lane of this thread.
    #[inline]
    pub(crate) fn lane(&self) -> Lane<T> {
        let lanes = &self.0.lanes;
        Lane(Arc::clone(&lanes[index(lanes.len())].0))
    }
}

impl<T> Lane<T> {
    /// Returns the lane's number, below the number of stripes.
    pub(crate) fn index(&self) -> usize {
        self.0.0.0
    }
}

impl<T> Clone for Lane<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Lane<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.0.1
    }
}

impl<T> Deref for Striped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Clone for Striped<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_outlives_the_handle_and_the_value_outlives_neither() {
        let value = Arc::new(7);
        let striped = Striped::new(Arc::clone(&value), 2);
        let lane = striped.lane();
        drop(striped);
        assert_eq!((**lane, Arc::strong_count(&value)), (7, 2));
        drop(lane);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn a_thread_keeps_its_stripe() {
        assert_eq!(index(64), index(64));
        assert_eq!(index(1), 0);
    }
}
