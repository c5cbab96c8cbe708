use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::base::refusal::Reason;

/// A request came when nothing was left of the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimited {
    /// How many requests are allowed ...
    pub quota: u32,
    /// ... in so much time.
    pub per: Duration,
    /// When the request may go if nobody else comes before; `None` if it asks for more than there ever is at once.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::from(*self).fmt(f)
    }
}

impl Error for RateLimited {}

impl From<RateLimited> for Reason {
    fn from(RateLimited { quota, per, .. }: RateLimited) -> Self {
        Self::RateLimited { quota, per }
    }
}
