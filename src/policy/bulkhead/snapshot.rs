use std::time::Duration;

/// What a bulkhead knows at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many calls may be under way at once.
    pub concurrent: usize,
    /// Calls that have a place now; more than there are places while a change to fewer waits for their end.
    pub in_flight: usize,
    /// How many callers may wait.
    pub queue: usize,
    /// Callers that wait now.
    pub queued: usize,
    /// Callers that have waited since the handle was made, and wait no more.
    pub waited: u64,
    /// How long those have waited, all together; divided by `waited` it is the mean.
    pub queue_time: Duration,
    /// How long the one of them has waited that waited longest.
    pub longest_wait: Duration,
}

impl Snapshot {
    /// Returns the share of places that are taken, from 0 to 1; above 1 while there are more calls than places.
    pub fn saturation(&self) -> f64 {
        self.load().saturation
    }

    pub(super) fn load(&self) -> Load {
        Load::new(self.in_flight, self.queued, self.concurrent)
    }
}

/// How much is going on, as the inventory tells it.
#[derive(Default)]
pub(super) struct Load {
    pub(super) in_flight: usize,
    pub(super) queued: usize,
    pub(super) saturation: f64,
}

impl Load {
    pub(super) fn new(in_flight: usize, queued: usize, concurrent: usize) -> Self {
        Self {
            in_flight,
            queued,
            saturation: in_flight as f64 / concurrent as f64,
        }
    }

    /// Counts another bulkhead in; the fullest of all says how full they are.
    pub(super) fn add(&mut self, other: &Self) {
        self.in_flight += other.in_flight;
        self.queued += other.queued;
        self.saturation = self.saturation.max(other.saturation);
    }

    /// Returns the state as one word: whether a place is free.
    pub(super) fn state(&self) -> &'static str {
        if self.saturation < 1.0 { "open" } else { "full" }
    }
}
