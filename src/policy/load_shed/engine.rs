use std::time::Duration;

use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::ticks::{Ticks, nanos_of};

/// For how long the shortest wait is looked for: CoDel's interval (RFC 8289), time for a burst to be worked off.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// Nobody has got through yet.
const NOBODY: u64 = u64::MAX;

/// How long everybody has to wait in a queue: the shortest wait of the last interval.
///
/// A long wait alone is a burst, which a queue is there for. A queue that nobody finds empty is one that only delays.
#[derive(Debug)]
pub(super) struct StandingQueue {
    /// When the interval ends.
    ends: AtomicU64,
    /// The shortest wait of this interval so far, in nanoseconds.
    shortest: AtomicU64,
    /// The longest wait of this interval that was given up.
    given_up: AtomicU64,
    /// Whether somebody has begun to wait in this interval.
    joined: AtomicBool,
    /// The shortest wait of the interval before.
    standing: AtomicU64,
}

impl StandingQueue {
    pub(super) fn new() -> Self {
        Self {
            ends: AtomicU64::new(0),
            shortest: AtomicU64::new(NOBODY),
            given_up: AtomicU64::new(0),
            joined: AtomicBool::new(false),
            standing: AtomicU64::new(0),
        }
    }

    /// Returns whether it is news that somebody did not wait.
    #[inline]
    pub(super) fn may_stand(&self) -> bool {
        self.shortest.load(Ordering::Relaxed) != 0
    }

    /// Takes note that somebody did not wait.
    pub(super) fn found_empty(&self) {
        self.shortest.store(0, Ordering::Relaxed);
    }

    /// Takes note that somebody begins to wait.
    pub(super) fn joined(&self, now: Ticks) {
        self.turn(now);
        self.joined.store(true, Ordering::Relaxed);
    }

    /// Takes note of how long somebody waited who did not get through: the queue is as long at least.
    pub(super) fn gave_up(&self, time: Duration, now: Ticks) {
        self.turn(now);
        self.given_up.fetch_max(nanos_of(time), Ordering::Relaxed);
    }

    /// Takes note of how long somebody waited who got through.
    pub(super) fn waited(&self, time: Duration, now: Ticks) {
        self.turn(now);
        self.shortest.fetch_min(nanos_of(time), Ordering::Relaxed);
    }

    /// Returns how long everybody had to wait, lately.
    #[inline]
    pub(super) fn delay(&self, now: impl FnOnce() -> Ticks) -> Duration {
        let is_empty = |wait: &AtomicU64| matches!(wait.load(Ordering::Relaxed), 0 | NOBODY);
        if self.standing.load(Ordering::Relaxed) == 0 && is_empty(&self.shortest) && is_empty(&self.given_up) {
            return Duration::ZERO;
        }
        self.turn(now());
        Duration::from_nanos(self.standing.load(Ordering::Relaxed))
    }

    /// Ends the interval when its time has come; of several threads one does.
    #[cold]
    fn turn(&self, now: Ticks) {
        let ends = self.ends.load(Ordering::Relaxed);
        let next = now.after(INTERVAL).0;
        let is_over = now.0 >= ends;
        if is_over
            && self
                .ends
                .compare_exchange(ends, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            let shortest = self.shortest.swap(NOBODY, Ordering::Relaxed);
            let given_up = self.given_up.swap(0, Ordering::Relaxed);
            let joined = self.joined.swap(false, Ordering::Relaxed);
            // Whom nobody followed for a whole interval delays nobody.
            let is_stale = now.0.saturating_sub(ends) >= nanos_of(INTERVAL);
            let standing = match shortest {
                _ if is_stale => 0,
                NOBODY if given_up > 0 => given_up.max(self.standing.load(Ordering::Relaxed)),
                // Some wait, and not one got through: the queue is as long as it was, if not longer.
                NOBODY if joined => return,
                NOBODY => 0,
                shortest => shortest,
            };
            self.standing.store(standing, Ordering::Relaxed);
        }
    }
}
