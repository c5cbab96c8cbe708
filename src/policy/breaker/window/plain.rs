use std::collections::VecDeque;

use super::time::BUCKETS;
use super::{Ended, Tally};
use crate::base::ticks::{Ticks, nanos_of};
use crate::policy::breaker::config::Window;

/// The window of a circuit of a keyed breaker: small, and under that circuit's lock.
#[derive(Debug)]
pub(in crate::policy::breaker) enum PlainWindow {
    Count { ended: VecDeque<Ended>, tally: Tally },
    Time(TimeBuckets),
    Consecutive { failures: u32 },
}

#[derive(Debug, Default)]
pub(in crate::policy::breaker) struct TimeBuckets {
    /// Calls, failures and slow calls.
    buckets: [[u32; 3]; BUCKETS],
    newest: usize,
    /// When the newest bucket ends.
    ends: u64,
}

impl PlainWindow {
    pub(in crate::policy::breaker) fn new(window: Window) -> Self {
        match window {
            Window::Count(_) => Self::Count {
                ended: VecDeque::new(),
                tally: Tally::default(),
            },
            Window::Time(_) => Self::Time(TimeBuckets::default()),
            Window::Consecutive(_) => Self::Consecutive { failures: 0 },
        }
    }

    /// Takes one call's end; `window` says how much is kept.
    pub(in crate::policy::breaker) fn add(&mut self, new: Ended, now: Ticks, window: Window) {
        match (self, window) {
            (Self::Count { ended, tally }, Window::Count(most)) => {
                if ended.len() >= most as usize
                    && let Some(old) = ended.pop_front()
                {
                    tally.remove(old);
                }
                ended.push_back(new);
                tally.add(new);
            }
            (Self::Time(time), Window::Time(length)) => {
                time.turn(now, nanos_of(length) / BUCKETS as u64);
                let [calls, failed, slow] = &mut time.buckets[time.newest];
                *calls = calls.saturating_add(1);
                *failed = failed.saturating_add(new.failed.into());
                *slow = slow.saturating_add(new.slow.into());
            }
            (Self::Consecutive { failures }, _) if new.failed => *failures = failures.saturating_add(1),
            (Self::Consecutive { failures }, _) => *failures = 0,
            // The kind of a handle's window does not change.
            _ => {}
        }
    }

    pub(in crate::policy::breaker) fn tally(&mut self, now: Ticks, window: Window) -> Tally {
        match (self, window) {
            (Self::Count { tally, .. }, _) => *tally,
            (Self::Time(time), Window::Time(length)) => {
                time.turn(now, nanos_of(length) / BUCKETS as u64);
                time.sum()
            }
            (Self::Consecutive { failures }, _) => Tally {
                calls: u64::from(*failures),
                failed: u64::from(*failures),
                slow: 0,
            },
            _ => Tally::default(),
        }
    }
}

impl TimeBuckets {
    fn turn(&mut self, now: Ticks, bucket: u64) {
        // A window that was made shorter does not wait for the end of a longer bucket.
        self.ends = self.ends.min(now.0.saturating_add(bucket));
        if now.0 < self.ends {
            return;
        }
        let steps = (now.0 - self.ends) / bucket + 1;
        for _ in 0..steps.min(BUCKETS as u64) {
            self.newest = (self.newest + 1) % BUCKETS;
            self.buckets[self.newest] = [0; 3];
        }
        self.ends = self.ends.saturating_add(steps.saturating_mul(bucket));
    }

    fn sum(&self) -> Tally {
        self.buckets
            .iter()
            .fold(Tally::default(), |sum, &[calls, failed, slow]| Tally {
                calls: sum.calls + u64::from(calls),
                failed: sum.failed + u64::from(failed),
                slow: sum.slow + u64::from(slow),
            })
    }
}
