use std::time::Duration;

use crate::base::stripe::Padded;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Mutex, lock};
use crate::base::ticks::{Ticks, nanos_of};

use super::{Ended, Tally};

/// How many buckets a time window has: what it holds is exact to a tenth of its length.
#[cfg(not(all(test, seaworthy_loom)))]
pub(super) const BUCKETS: usize = 10;
/// Fewer, because loom tries every order in which they can be touched.
#[cfg(all(test, seaworthy_loom))]
pub(super) const BUCKETS: usize = 2;

/// The calls that ended within the last so much time: a ring of equal buckets, for each stripe of its own.
///
/// Each counter bears its bucket's number in its upper half, so that a thread which was held up cannot write into a
/// bucket that has been taken over since.
#[derive(Debug)]
pub(crate) struct TimeWindow {
    bucket: AtomicU64,
    /// When the newest bucket ends.
    ends: AtomicU64,
    /// The newest bucket's number.
    newest: AtomicU64,
    turning: Mutex<()>,
    /// Calls in buckets that have been taken over.
    past: AtomicU64,
    stripes: Box<[Padded<[Bucket; BUCKETS]>]>,
}

#[derive(Debug, Default)]
struct Bucket {
    calls: AtomicU64,
    failed: AtomicU64,
    slow: AtomicU64,
}

impl TimeWindow {
    pub(super) fn new(length: Duration, stripes: usize) -> Self {
        Self {
            bucket: AtomicU64::new(bucket(length)),
            ends: AtomicU64::new(0),
            newest: AtomicU64::new(0),
            turning: Mutex::new(()),
            past: AtomicU64::new(0),
            stripes: (0..stripes).map(|_| Padded::default()).collect(),
        }
    }

    /// Makes buckets a tenth of `length`, the newest one too if that is shorter; those that are there stay.
    pub(super) fn set_length(&self, length: Duration, now: Ticks) {
        let _turning = lock(&self.turning);
        let bucket = bucket(length);
        self.bucket.store(bucket, Ordering::Relaxed);
        self.ends.fetch_min(now.0.saturating_add(bucket), Ordering::Release);
    }

    #[inline]
    pub(super) fn add(
        &self,
        ended: Ended,
        stripe: usize,
        now: Ticks,
        is_current: impl FnOnce() -> bool,
    ) -> Option<Tally> {
        // Before the generation is looked at: a window that is cleared afterwards has other numbers.
        let number = self.turn(now);
        if !is_current() {
            return None;
        }
        let bucket = &self.stripes[stripe].0[index(number)];
        if !increment(&bucket.calls, number) || ended.is_healthy() {
            return None;
        }
        if ended.failed {
            increment(&bucket.failed, number);
        }
        if ended.slow {
            increment(&bucket.slow, number);
        }
        Some(self.sum())
    }

    pub(super) fn tally(&self, now: Ticks) -> Tally {
        self.turn(now);
        self.sum()
    }

    /// Returns how many calls it has ever taken.
    pub(super) fn calls(&self) -> u64 {
        // Or a bucket that is taken over at this moment would be counted nowhere.
        let _turning = lock(&self.turning);
        self.past.load(Ordering::Relaxed) + self.sum().calls
    }

    pub(super) fn clear(&self) {
        let _turning = lock(&self.turning);
        self.advance(BUCKETS as u64);
    }

    /// Takes over the buckets whose time has come, and returns the newest one's number.
    #[inline]
    fn turn(&self, now: Ticks) -> u64 {
        if now.0 >= self.ends.load(Ordering::Acquire) {
            self.turn_slowly(now);
        }
        self.newest.load(Ordering::Acquire)
    }

    #[cold]
    fn turn_slowly(&self, now: Ticks) {
        let _turning = lock(&self.turning);
        let ends = self.ends.load(Ordering::Relaxed);
        if now.0 >= ends {
            let bucket = self.bucket.load(Ordering::Relaxed);
            let steps = (now.0 - ends) / bucket + 1;
            self.advance(steps);
            self.ends
                .store(ends.saturating_add(steps.saturating_mul(bucket)), Ordering::Release);
        }
    }

    fn advance(&self, steps: u64) {
        let newest = self.newest.load(Ordering::Relaxed) + steps;
        for number in newest.saturating_sub(steps.min(BUCKETS as u64)) + 1..=newest {
            for stripe in &self.stripes {
                let bucket = &stripe.0[index(number)];
                let calls = bucket.calls.swap(tag(number), Ordering::AcqRel);
                self.past.fetch_add(count(calls), Ordering::Relaxed);
                bucket.failed.swap(tag(number), Ordering::AcqRel);
                bucket.slow.swap(tag(number), Ordering::AcqRel);
            }
        }
        // Last, so that whoever reads it finds its bucket ready.
        self.newest.store(newest, Ordering::Release);
    }

    fn sum(&self) -> Tally {
        let buckets = self.stripes.iter().flat_map(|stripe| &stripe.0);
        buckets.fold(Tally::default(), |sum, bucket| {
            // Calls last, so that no call which counts as failed is missing among the calls.
            let [failed, slow, calls] =
                [&bucket.failed, &bucket.slow, &bucket.calls].map(|counter| counter.load(Ordering::Acquire));
            // What was read of a bucket that is being taken over belongs to the one before.
            let of_this = |counter: u64| {
                if counter >> 32 == calls >> 32 {
                    count(counter)
                } else {
                    0
                }
            };
            Tally {
                calls: sum.calls + count(calls),
                failed: sum.failed + of_this(failed),
                slow: sum.slow + of_this(slow),
            }
        })
    }
}

fn bucket(length: Duration) -> u64 {
    nanos_of(length) / BUCKETS as u64
}

fn index(number: u64) -> usize {
    (number % BUCKETS as u64) as usize
}

fn tag(number: u64) -> u64 {
    number << 32
}

fn count(counter: u64) -> u64 {
    counter & u64::from(u32::MAX)
}

/// Adds one to the counter of bucket `number`; `false` if that bucket is no more, or full (four billion).
#[inline]
fn increment(counter: &AtomicU64, number: u64) -> bool {
    let mut present = counter.load(Ordering::Relaxed);
    while present >> 32 == number & u64::from(u32::MAX) && count(present) < u64::from(u32::MAX) {
        match counter.compare_exchange_weak(present, present + 1, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(newer) => present = newer,
        }
    }
    false
}
