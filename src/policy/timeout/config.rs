use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The shortest and the longest limit that is accepted.
const ALLOWED: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

/// The limits of a [`Timeout`](super::Timeout); each from 1 ms to 24 h.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeoutConfig {
    /// From the call, waiting for readiness included, to the response (over HTTP: its head). Default 1.5 s.
    pub limit: Duration,
    /// Over HTTP, from the call to the end of the response's body. Default `None`: not limited.
    pub body_total: Option<Duration>,
    /// Over HTTP, the longest silence of a body that is waited for. Default `None`: not limited.
    pub body_idle: Option<Duration>,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            limit: Duration::from_millis(1500),
            body_total: None,
            body_idle: None,
        }
    }
}

impl Validate for TimeoutConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let mut wrong = Vec::new();
        let limits = [
            ("limit", Some(self.limit)),
            ("body_total", self.body_total),
            ("body_idle", self.body_idle),
        ];
        for (key, limit) in limits {
            if let Some(limit) = limit.filter(|limit| !ALLOWED.contains(limit)) {
                let allowed = format!("from {:?} to {:?}", ALLOWED.start(), ALLOWED.end());
                wrong.push(InvalidSetting::new(
                    format!("timeout.{name}.{key}"),
                    format!("{limit:?}"),
                    allowed,
                ));
            }
        }
        if let Some(total) = self.body_total.filter(|total| *total < self.limit) {
            wrong.push(InvalidSetting::new(
                format!("timeout.{name}.body_total"),
                format!("{total:?}"),
                format!(
                    "at least `limit` ({:?}), because the response counts towards it",
                    self.limit
                ),
            ));
        }
        wrong
    }
}
