use std::error::Error;
use std::fmt;

use crate::base::refusal::Reason;

/// As many calls are under way as may be at once, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overloaded {
    /// How many that are.
    pub limit: u32,
}

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::from(*self).fmt(f)
    }
}

impl Error for Overloaded {}

impl From<Overloaded> for Reason {
    fn from(Overloaded { limit }: Overloaded) -> Self {
        Self::Overloaded { limit }
    }
}
