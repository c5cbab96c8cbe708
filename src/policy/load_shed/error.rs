use std::error::Error;
use std::fmt;

use crate::base::criticality::Criticality;
use crate::base::refusal::Reason;

/// There is too much to do for a request of its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shed {
    /// The class.
    pub criticality: Criticality,
}

impl fmt::Display for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::from(*self).fmt(f)
    }
}

impl Error for Shed {}

impl From<Shed> for Reason {
    fn from(Shed { criticality }: Shed) -> Self {
        Self::Shed { criticality }
    }
}
