//! Spreads what every call touches over cache lines, so that threads do not wait for each other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{LocalKey, available_parallelism};

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

/// Returns which of `stripes`, a power of two, is this thread's; others may have the same.
#[inline]
pub(crate) fn index(stripes: usize) -> usize {
    place() & (stripes - 1)
}

/// Returns a number that no other living thread has; the lowest that is free, so that few stripes serve most threads.
#[inline]
pub(crate) fn place() -> usize {
    thread_local!(static PLACE: Cell<usize> = const { Cell::new(UNKNOWN) });
    let place = PLACE.get();
    if place == UNKNOWN { take_place(&PLACE) } else { place }
}

const UNKNOWN: usize = usize::MAX;
/// A thread that is about to end, and has given its place back, shares with others what it still touches.
const NONE: usize = UNKNOWN - 1;

/// The places that are free below the number of those that have ever been taken.
static FREE: Mutex<(BTreeSet<usize>, usize)> = Mutex::new((BTreeSet::new(), 0));

/// Holds this thread's place until the thread ends.
struct Place {
    number: usize,
    known: &'static LocalKey<Cell<usize>>,
}

#[cold]
fn take_place(known: &'static LocalKey<Cell<usize>>) -> usize {
    thread_local!(static HELD: RefCell<Option<Place>> = const { RefCell::new(None) });
    let number = HELD.try_with(|held| {
        let number = {
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            let (below, end) = &mut *free;
            below.pop_first().unwrap_or_else(|| {
                *end += 1;
                *end - 1
            })
        };
        *held.borrow_mut() = Some(Place { number, known });
        number
    });
    let number = number.unwrap_or(NONE);
    known.set(number);
    number
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.known.try_with(|known| known.set(NONE));
        // Whoever takes it next finds all that this thread has written, because of the lock.
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.0.insert(self.number);
    }
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
        Self(Arc::new(Lanes {
            lanes: (0..stripes).map(|index| Lane::new(index, Arc::clone(&value))).collect(),
            value,
        }))
    }

    /// Returns the lane of this thread.
    #[inline]
    pub(crate) fn lane(&self) -> Lane<T> {
        self.own().clone()
    }

    /// Returns the lane of this thread, which may be the one that it has left over from an earlier call.
    #[inline]
    #[cfg(any(feature = "adaptive", feature = "bulkhead"))]
    pub(crate) fn lane_or(&self, left: Option<Lane<T>>) -> Lane<T> {
        let own = self.own();
        left.filter(|left| Arc::ptr_eq(&left.0, &own.0))
            .unwrap_or_else(|| own.clone())
    }

    fn own(&self) -> &Lane<T> {
        let lanes = &self.0.lanes;
        &lanes[index(lanes.len())]
    }
}

impl<T> Lane<T> {
    fn new(index: usize, value: Arc<T>) -> Self {
        Self(Arc::new(Padded((index, value))))
    }

    /// Makes a value with a single lane, for one of many keys: threads seldom meet there.
    #[cfg(feature = "bulkhead")]
    pub(crate) fn only(value: T) -> Self {
        Self::new(0, Arc::new(value))
    }

    /// Returns whether anybody else has this lane.
    #[cfg(feature = "bulkhead")]
    pub(crate) fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Returns the lane's number, below the number of stripes.
    #[inline]
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

    #[cfg(any(feature = "adaptive", feature = "bulkhead"))]
    #[test]
    fn a_lane_that_is_left_over_is_for_its_own_thread_and_handle() {
        let (one, other) = (Striped::new(1, 2), Striped::new(2, 2));
        let [own, foreign] = [index(2), 1 - index(2)].map(|index| one.0.lanes[index].clone());
        assert!(Arc::ptr_eq(&one.lane_or(Some(own.clone())).0, &own.0));
        assert!(Arc::ptr_eq(&one.lane_or(Some(foreign)).0, &own.0));
        assert_eq!(*other.lane_or(Some(own)), 2);
    }

    #[test]
    fn a_thread_keeps_its_place_and_nobody_else_has_it() {
        assert_eq!(place(), place());
        assert_eq!(index(1), 0);
        let barrier = std::sync::Barrier::new(20);
        let places: BTreeSet<_> = std::thread::scope(|scope| {
            let place = || {
                let place = place();
                barrier.wait();
                place
            };
            let threads: Vec<_> = (0..20).map(|_| scope.spawn(place)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(places.len(), 20);
    }

    #[test]
    fn a_place_comes_free_with_its_thread() {
        let places = (0..1000).map(|_| std::thread::spawn(place).join().unwrap());
        // As many as there are tests beside this one, and never one for each thread that ever was.
        assert!(places.max().unwrap() < 500);
    }
}
