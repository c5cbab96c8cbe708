use std::num::NonZeroU32;
use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::ticks::nanos_of;

/// So many requests in so much time, and how many at once.
///
/// Requests are let through at an even rate, and after a silence up to [`burst`](Self::burst) at once. Over any time `t`
/// that is at most `burst + t × requests / per`; of those who wait, each counts as of the moment of its turn, however
/// late its task is run.
///
/// # Examples
///
/// ```
/// use seaworthy::rate_limit::Quota;
///
/// let quota = Quota::per_second(100).burst(200);
/// assert_eq!(quota.to_string(), "100 in 1s, 200 at once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quota {
    /// How many requests are let through ...
    pub requests: u32,
    /// ... in so much time.
    pub per: Duration,
    /// How many are let through at once after a silence.
    pub burst: u32,
}

/// The longest time in which a burst may come back.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

impl Quota {
    /// Allows so many requests a second, all of them at once after a second's silence; from 1 to 1,000,000,000.
    pub const fn per_second(requests: u32) -> Self {
        Self::per(requests, Duration::from_secs(1))
    }

    /// Allows so many requests a minute, all of them at once after a minute's silence; from 1.
    pub const fn per_minute(requests: u32) -> Self {
        Self::per(requests, Duration::from_secs(60))
    }

    /// Allows so many requests an hour, all of them at once after an hour's silence; from 1.
    pub const fn per_hour(requests: u32) -> Self {
        Self::per(requests, Duration::from_secs(60 * 60))
    }

    /// Allows so many requests (from 1) in `per`, all of them at once after as long a silence.
    ///
    /// There is at least a nanosecond from one to the next, in whole nanoseconds, rounded up: never more than was asked
    /// for, and below 1,000,000 a second at most 0.1 % less.
    pub const fn per(requests: u32, per: Duration) -> Self {
        let burst = requests;
        Self { requests, per, burst }
    }

    /// Allows so many at once, from 1, whatever the rate; they are back within 366 days at most.
    pub const fn burst(mut self, requests: u32) -> Self {
        self.burst = requests;
        self
    }

    pub(super) fn validate(self, key: &str) -> Option<InvalidSetting> {
        let nanos = nanos_of(self.per);
        let allowed = if self.requests == 0 || self.burst == 0 {
            "at least 1 request, and at least 1 at once"
        } else if nanos < u64::from(self.requests) {
            "at least a nanosecond from one request to the next"
        } else if nanos_of(LONGEST) / self.terms().interval < u64::from(self.burst) {
            "a burst that is back within 366 days"
        } else {
            return None;
        };
        Some(InvalidSetting::new(key, self.to_string(), allowed))
    }

    pub(super) fn terms(self) -> Terms {
        Terms {
            interval: nanos_of(self.per).div_ceil(u64::from(self.requests).max(1)).max(1),
            burst: NonZeroU32::new(self.burst).unwrap_or(NonZeroU32::MIN),
        }
    }
}

impl std::fmt::Display for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {:?}, {} at once", self.requests, self.per, self.burst)
    }
}

/// A quota as the algorithm counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Nanoseconds from one request to the next.
    pub(super) interval: u64,
    pub(super) burst: NonZeroU32,
}

impl Terms {
    /// Returns the time in which a whole burst comes back.
    pub(super) fn full(self) -> Duration {
        Duration::from_nanos(self.interval * u64::from(self.burst.get()))
    }

    /// Returns how many requests go through in how much time, as it is told to callers: those of a burst in the time in
    /// which it comes back, or, as they are told whole seconds, those of one second.
    pub(super) fn stated(self) -> (u32, Duration) {
        const SECOND: Duration = Duration::from_secs(1);
        if self.full() >= SECOND {
            return (self.burst.get(), self.full());
        }
        let in_a_second = nanos_of(SECOND) / self.interval;
        (u32::try_from(in_a_second).unwrap_or(u32::MAX), SECOND)
    }
}
