use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::base::refusal::Part;

/// A limit has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed {
    /// The limit that passed.
    pub limit: Duration,
    /// What the limit was for.
    pub part: Part,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::base::refusal::Reason::from(*self).fmt(f)
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for crate::base::refusal::Reason {
    fn from(Elapsed { limit, part }: Elapsed) -> Self {
        Self::Elapsed { limit, part }
    }
}
