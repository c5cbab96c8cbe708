//! The policies that the phases are to prove.

use std::fmt;
use std::str::FromStr;

/// What stands between a trouble and the orders; each phase fails without its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Retry,
    AttemptTimeout,
    Breaker,
    RateLimit,
    Bulkhead,
    Drain,
}

impl Policy {
    pub const ALL: [Self; 6] = [
        Self::Retry,
        Self::AttemptTimeout,
        Self::Breaker,
        Self::RateLimit,
        Self::Bulkhead,
        Self::Drain,
    ];

    /// Returns its name on the command line and in the result.
    pub fn label(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::AttemptTimeout => "attempt-timeout",
            Self::Breaker => "breaker",
            Self::RateLimit => "rate-limit",
            Self::Bulkhead => "bulkhead",
            Self::Drain => "drain",
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl FromStr for Policy {
    type Err = String;

    fn from_str(label: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|policy| policy.label() == label);
        found.ok_or_else(|| {
            let labels = Self::ALL.map(Self::label).join(", ");
            format!("there is no policy {label:?}, but {labels}")
        })
    }
}
