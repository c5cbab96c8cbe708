use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::base::refusal::Reason;

/// All places are taken, and nobody else may wait, or this one waited long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadFull {
    /// How long it waited; zero if it was refused at once.
    pub waited: Duration,
}

impl fmt::Display for BulkheadFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::from(*self).fmt(f)
    }
}

impl Error for BulkheadFull {}

impl From<BulkheadFull> for Reason {
    fn from(BulkheadFull { waited }: BulkheadFull) -> Self {
        Self::BulkheadFull { waited }
    }
}
