//! A point in time as one number, for decisions on the hot path.

use std::time::Duration;

#[cfg(not(any(test, feature = "test-util")))]
#[path = "ticks/counter.rs"]
mod source;
#[cfg(any(test, feature = "test-util"))]
#[path = "ticks/paused.rs"]
mod source;

pub(super) use source::nanos;

pub(crate) use super::clock::nanos_of;

/// Nanoseconds since a moment that is the same for the whole process, or for one manual clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticks(pub(crate) u64);

impl Ticks {
    /// What never comes.
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// Returns the time `after` later; [`NEVER`](Self::NEVER) if that is too far away.
    pub(crate) fn after(self, after: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(after)))
    }

    /// Returns how long ago `earlier` was; zero if it was not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
