use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::config::Delay;
use super::latency::Latency;
use crate::base::ticks::{Ticks, nanos_of};

/// How long a percentile is used before it is looked for again: to add up all counts costs microseconds.
const REFRESH: Duration = Duration::from_millis(100);

/// No delay is as long.
const NONE: u64 = u64::MAX;

/// The delay in force, at the price of a load.
#[derive(Debug)]
pub(super) struct Pace {
    latency: Latency,
    /// Nanoseconds; `NONE` if it follows what recent calls took.
    fixed: AtomicU64,
    /// Nanoseconds. Not the same as `fixed`: somebody who was held up while it was found must not overwrite that.
    found: AtomicU64,
    expires: AtomicU64,
}

impl Pace {
    pub(super) fn new(delay: &Delay, stripes: usize, now: Ticks) -> Self {
        let pace = Self {
            latency: Latency::new(stripes, now),
            fixed: AtomicU64::new(NONE),
            found: AtomicU64::new(0),
            expires: AtomicU64::new(0),
        };
        pace.set(delay);
        pace
    }

    /// Puts other settings in force; what is known of recent calls stays.
    pub(super) fn set(&self, delay: &Delay) {
        let fixed = match delay {
            Delay::Fixed(delay) => nanos_of(*delay),
            Delay::Percentile(percentile) => {
                self.found.store(nanos_of(percentile.fallback), Ordering::Relaxed);
                NONE
            }
        };
        // Before it is asked for: whoever asks then looks for it.
        self.expires.store(0, Ordering::Release);
        self.fixed.store(fixed, Ordering::Release);
    }

    /// Returns the delay if it is always the same.
    #[inline]
    pub(super) fn fixed(&self) -> Option<Duration> {
        let fixed = self.fixed.load(Ordering::Acquire);
        (fixed != NONE).then(|| Duration::from_nanos(fixed))
    }

    /// Returns the delay that follows what recent calls took; `delay` are the settings in force.
    #[inline]
    pub(super) fn found(&self, now: Ticks, delay: impl FnOnce() -> Delay) -> Duration {
        let expires = self.expires.load(Ordering::Acquire);
        if now.0 >= expires {
            self.look(expires, now, delay);
        }
        Duration::from_nanos(self.found.load(Ordering::Relaxed))
    }

    /// Looks for it, unless somebody else does.
    #[cold]
    fn look(&self, expires: u64, now: Ticks, delay: impl FnOnce() -> Delay) {
        let (next, order) = (now.after(REFRESH).0, Ordering::AcqRel);
        if self
            .expires
            .compare_exchange(expires, next, order, Ordering::Relaxed)
            .is_err()
        {
            return;
        }
        if let Delay::Percentile(percentile) = delay() {
            let known = self
                .latency
                .percentile(percentile.percent, percentile.minimum_calls, now);
            self.found.store(nanos_of(percentile.delay(known)), Ordering::Relaxed);
        }
    }

    /// Takes a call that took so long.
    #[inline]
    pub(super) fn record(&self, stripe: usize, took: Duration, now: Ticks) {
        self.latency.record(stripe, took, now);
    }

    /// Takes a call that was answered at once, unless nobody looks at that.
    #[inline]
    pub(super) fn record_at_once(&self, stripe: usize) {
        if self.fixed.load(Ordering::Relaxed) == NONE {
            self.latency.record_at_once(stripe);
        }
    }
}
