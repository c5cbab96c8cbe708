use std::fmt;

use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of a [`Fallback`](super::Fallback).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FallbackConfig {
    /// Which ends lead to the fallback. Default [`On::RefusalsAndFailures`].
    pub on: On,
}

/// Which ends of a call lead to the fallback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum On {
    /// Only those that a policy inside refused or ended, such as an open circuit, a full bulkhead or a timeout.
    Refusals,
    /// Those, and those in which whoever was called failed.
    #[default]
    RefusalsAndFailures,
}

impl Validate for FallbackConfig {
    fn validate(&self, _: &str) -> Vec<InvalidSetting> {
        Vec::new()
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refusals => "refusals",
            Self::RefusalsAndFailures => "refusals and failures",
        })
    }
}
