use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// What the end of a process may take beyond its phases: half a second to notice a stall, half a second for the log.
const MARGIN: Duration = Duration::from_secs(1);

/// How long each phase of a shutdown may last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownConfig {
    /// Time in which readiness says no while connections are still accepted, so that load balancers take note.
    /// Default 5 s; the removal of an endpoint runs concurrently with the signal.
    pub hold: Duration,
    /// The longest wait for what is in flight. Default 20 s.
    pub drain: Duration,
    /// The longest time for all hooks together. Default 3 s.
    pub hooks: Duration,
    /// What the orchestrator grants before it kills. Default 30 s, as Kubernetes'; the three others must fit into it.
    pub grace_period: Duration,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(5),
            drain: Duration::from_secs(20),
            hooks: Duration::from_secs(3),
            grace_period: Duration::from_secs(30),
        }
    }
}

impl Validate for ShutdownConfig {
    fn validate(&self, _: &str) -> Vec<InvalidSetting> {
        let Self {
            hold,
            drain,
            hooks,
            grace_period,
        } = self;
        let sum = hold
            .saturating_add(*drain)
            .saturating_add(*hooks)
            .saturating_add(MARGIN);
        if sum < *grace_period {
            return Vec::new();
        }
        let found = format!("{grace_period:?}");
        let allowed = format!(
            "more than hold {hold:?} + drain {drain:?} + hooks {hooks:?} + {MARGIN:?} to notice a stall and write the last log lines = {sum:?}"
        );
        vec![InvalidSetting::new("shutdown.grace_period", found, allowed)]
    }
}
