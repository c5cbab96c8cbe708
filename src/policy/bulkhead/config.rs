use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of a [`Bulkhead`](super::Bulkhead).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkheadConfig {
    /// How many calls may be under way at once, from 1 to 1,000,000. Default 64.
    pub concurrent: u32,
    /// How many callers may wait for a place, from 0 to 1,000,000. Default 64.
    pub queue: u32,
    /// How long each of them may wait, from 1 ms to 24 h; zero if nobody may. Default 100 ms.
    pub wait: Duration,
}

impl BulkheadConfig {
    /// How many may wait, if anybody may wait at all.
    pub(super) fn most_waiting(&self) -> usize {
        if self.wait.is_zero() { 0 } else { self.queue as usize }
    }
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        Self {
            concurrent: 64,
            queue: 64,
            wait: Duration::from_millis(100),
        }
    }
}

const CONCURRENT: RangeInclusive<u32> = 1..=1_000_000;
const QUEUE: RangeInclusive<u32> = 0..=1_000_000;
const WAIT: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

impl Validate for BulkheadConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let mut wrong = Vec::new();
        let mut refuse = |ok: bool, key: &str, found: &dyn fmt::Debug, allowed: String| {
            if !ok {
                let key = format!("bulkhead.{name}.{key}");
                wrong.push(InvalidSetting::new(key, format!("{found:?}"), allowed));
            }
        };
        for (key, found, allowed) in [
            ("concurrent", self.concurrent, CONCURRENT),
            ("queue", self.queue, QUEUE),
        ] {
            let range = format!("from {} to {}", allowed.start(), allowed.end());
            refuse(allowed.contains(&found), key, &found, range);
        }
        let range = format!("0 or from {:?} to {:?}", WAIT.start(), WAIT.end());
        let fits = self.wait.is_zero() || WAIT.contains(&self.wait);
        refuse(fits, "wait", &self.wait, range);
        wrong
    }
}
