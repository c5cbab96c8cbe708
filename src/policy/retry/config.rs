use std::ops::RangeInclusive;
use std::time::Duration;

use super::backoff::Backoff;
use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of a [`Retry`](super::Retry).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetryConfig {
    /// How many attempts there may be, the first one included; from 1 to 100. Default 3.
    pub attempts: u32,
    /// How long to wait before each further one. Default 50 ms, doubling up to 1 s, with full jitter.
    pub backoff: Backoff,
    /// From the call to the end of the last attempt, waits included; from 1 ms to 24 h. Default 5 s; `None` leaves it to
    /// the deadline that a caller has set; without one, a single wait is still shorter than 24 h.
    pub total: Option<Duration>,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff::default(),
            total: Some(Duration::from_secs(5)),
        }
    }
}

const ATTEMPTS: RangeInclusive<u32> = 1..=100;
pub(super) const TOTAL: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

impl Validate for RetryConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let mut wrong = Vec::new();
        if !ATTEMPTS.contains(&self.attempts) {
            let allowed = format!("from {} to {}", ATTEMPTS.start(), ATTEMPTS.end());
            wrong.push(InvalidSetting::new(
                format!("retry.{name}.attempts"),
                self.attempts.to_string(),
                allowed,
            ));
        }
        if let Some(total) = self.total.filter(|total| !TOTAL.contains(total)) {
            let allowed = format!("from {:?} to {:?}", TOTAL.start(), TOTAL.end());
            wrong.push(InvalidSetting::new(
                format!("retry.{name}.total"),
                format!("{total:?}"),
                allowed,
            ));
        }
        self.backoff.validate(&format!("retry.{name}.backoff"), &mut wrong);
        wrong
    }
}
