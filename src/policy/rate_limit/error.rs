use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::engine::Denied;
use super::quota::Terms;
use crate::base::refusal::Reason;
use crate::base::ticks::Ticks;

/// A request came when nothing was left of the quota, or no room for its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimited {
    pub(super) terms: Terms,
    pub(super) denied: Denied,
    pub(super) now: Ticks,
}

impl RateLimited {
    /// Returns after which time the request may go if nobody else comes before.
    ///
    /// `None` if it asks for more than there ever is at once, or if there was no room for its key.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.denied {
            Denied::Until(until) => Some(until.since(self.now)),
            Denied::Never | Denied::NoRoom => None,
        }
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::from(*self).fmt(f)
    }
}

impl Error for RateLimited {}

impl From<RateLimited> for Reason {
    fn from(RateLimited { terms, denied, .. }: RateLimited) -> Self {
        if denied == Denied::NoRoom {
            return Self::TooManyKeys;
        }
        let (quota, per) = terms.stated();
        Self::RateLimited { quota, per }
    }
}
