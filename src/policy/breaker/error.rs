use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::base::refusal::Reason;

/// The circuit is open, or half-open with all its probes under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitOpen {
    /// How long until a call may be let through again; `None` if it was forced open.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::from(*self).fmt(f)
    }
}

impl Error for CircuitOpen {}

impl From<CircuitOpen> for Reason {
    fn from(_: CircuitOpen) -> Self {
        Self::CircuitOpen
    }
}
