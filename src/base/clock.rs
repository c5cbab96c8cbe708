//! Tells the time, so that nothing else has to ask the operating system.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

use super::reads;
#[cfg(feature = "test-util")]
pub use super::reads::reads;
#[cfg(any(
    feature = "adaptive",
    feature = "breaker",
    feature = "bulkhead",
    feature = "chaos",
    feature = "hedge",
    feature = "http",
    feature = "load-shed",
    feature = "rate-limit",
    feature = "retry"
))]
use super::ticks::Ticks;

/// Tells the time to whatever decides by it.
///
/// The default clock follows tokio's: in a runtime whose time is paused it stands still with it. What reads time on
/// every call (the circuit breaker) reads the processor's counter instead, unless the feature `test-util` is on. Cloning
/// is cheap, and clones tell the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    Tokio,
    Manual(ManualClock),
}

impl Clock {
    /// Returns the present instant.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn now(&self) -> Instant {
        reads::note();
        match &self.0 {
            Source::Tokio => tokio::time::Instant::now().into_std(),
            Source::Manual(manual) => manual.now(),
        }
    }

    /// Returns the present as a number; cheaper than [`now`](Self::now), and not to be compared with it.
    #[cfg(any(
        feature = "adaptive",
        feature = "breaker",
        feature = "bulkhead",
        feature = "chaos",
        feature = "hedge",
        feature = "http",
        feature = "load-shed",
        feature = "rate-limit",
        feature = "retry"
    ))]
    #[inline]
    pub(crate) fn ticks(&self) -> Ticks {
        Ticks(match &self.0 {
            Source::Tokio => super::ticks::nanos(),
            Source::Manual(manual) => manual.nanos.load(Ordering::SeqCst),
        })
    }

    /// Returns the time since 1970, or zero if the system's clock stands before that.
    ///
    /// For timestamps only: it jumps when the system's clock is set. A manual clock does not move it.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn unix_time(&self) -> Duration {
        reads::note();
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// Stands still until it is told to advance; for tests.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::clock::{Clock, ManualClock};
///
/// let manual = ManualClock::default();
/// let clock = Clock::from(manual.clone());
/// let start = clock.now();
/// manual.advance(Duration::from_secs(30));
/// assert_eq!(clock.now() - start, Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    origin: Instant,
    nanos: Arc<AtomicU64>,
}

impl ManualClock {
    /// Moves the time of this clock and of all its clones forward.
    pub fn advance(&self, by: Duration) {
        self.nanos.fetch_add(nanos_of(by), Ordering::SeqCst);
    }

    fn now(&self) -> Instant {
        self.origin + Duration::from_nanos(self.nanos.load(Ordering::SeqCst))
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self {
            origin: Clock::default().now(),
            nanos: Arc::default(),
        }
    }
}

impl From<ManualClock> for Clock {
    fn from(manual: ManualClock) -> Self {
        Self(Source::Manual(manual))
    }
}

/// Returns an instant before all that this process asks for, also of clocks that are paused, wherever those stand by now.
#[expect(
    clippy::disallowed_methods,
    reason = "tokio's time may have been moved forward already"
)]
pub(crate) fn origin() -> Instant {
    static ORIGIN: LazyLock<Instant> = LazyLock::new(|| {
        let now = Instant::now();
        now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
    });
    *ORIGIN
}

/// The longest wait a timer is made for; longer ones are as good as none, and `Instant` cannot overflow.
pub(crate) const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// Returns the instant `after` has passed since `start`, at most [`FOREVER`] later.
pub(crate) fn later(start: Instant, after: Duration) -> Instant {
    start + after.min(FOREVER)
}

/// Returns a duration in nanoseconds, at most `u64::MAX` (584 years).
pub(crate) fn nanos_of(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(duration.subsec_nanos().into())
}

/// Makes a timer that ends at `instant` of tokio's time.
pub(crate) fn sleep_until(instant: Instant) -> tokio::time::Sleep {
    tokio::time::sleep_until(instant.into())
}

/// Makes a timer that ends when `after` has passed.
pub(crate) fn sleep(after: Duration) -> tokio::time::Sleep {
    sleep_until(later(Clock::default().now(), after))
}

/// Ends a future when `limit` has passed; a timer of tokio's that reads tokio's clock itself.
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes them")]
pub(crate) fn timeout<F: Future>(limit: Duration, future: F) -> tokio::time::Timeout<F> {
    reads::note();
    tokio::time::timeout(limit, future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_default_clock_follows_tokios_paused_time() {
        let clock = Clock::default();
        let start = clock.now();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now() - start, Duration::from_secs(5));
    }

    #[test]
    fn an_endless_wait_does_not_overflow() {
        let start = Clock::default().now();
        assert_eq!(later(start, Duration::MAX) - start, FOREVER);
    }
}
