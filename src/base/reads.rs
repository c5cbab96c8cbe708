//! Counts how often a thread asks for the time, so that tests can hold what is called often to a number.

use std::cell::Cell;

thread_local!(static READS: Cell<u64> = const { Cell::new(0) });

/// Returns how often this thread has asked a [`Clock`](super::clock::Clock) for the time.
///
/// For tests: what is called for every request should ask seldom, and how often is the same on every machine. What a
/// [`ManualClock`](super::clock::ManualClock) tells on the hot path of a policy is not counted.
///
/// # Examples
///
/// ```
/// use seaworthy::clock::{Clock, reads};
///
/// let before = reads();
/// Clock::default().now();
/// assert_eq!(reads() - before, 1);
/// ```
pub fn reads() -> u64 {
    READS.get()
}

pub(super) fn note() {
    READS.set(READS.get() + 1);
}
