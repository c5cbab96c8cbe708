use std::time::Duration;

use super::engine::Arrival;
use super::quota::Terms;
use crate::base::ticks::Ticks;

/// What a limit, or the limit of one key, has to give at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many requests could go through at once.
    pub remaining: u32,
    /// How long until that is the whole burst again.
    pub full_in: Duration,
    /// How many requests wait for their turn.
    pub waiting: usize,
}

/// What one request has left behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    arrival: Arrival,
    terms: Terms,
    now: Ticks,
}

impl Spent {
    #[inline]
    pub(super) fn new(arrival: Arrival, terms: Terms, now: Ticks) -> Self {
        Self { arrival, terms, now }
    }

    pub(super) fn snapshot(self, waiting: usize) -> Snapshot {
        Snapshot {
            remaining: self.remaining(),
            full_in: self.full_in(),
            waiting,
        }
    }

    /// Returns how many requests go through in how much time.
    pub(crate) fn quota(self) -> (u32, Duration) {
        self.terms.stated()
    }

    pub(crate) fn remaining(self) -> u32 {
        self.arrival.remaining(self.terms, self.now)
    }

    pub(crate) fn full_in(self) -> Duration {
        self.arrival.0.since(self.now)
    }
}
