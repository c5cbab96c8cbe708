use std::ops::RangeInclusive;
use std::time::Duration;

use super::settle::SETTLE;
use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of a [`Worker`](super::Worker).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerConfig {
    /// How many jobs are under way at once, from 1 to 10,000. Default 8.
    pub concurrent: u32,
    /// The longest time for a job, all attempts and waits included, from 1 ms to 24 h. Default 30 s.
    pub deadline: Duration,
    /// How long jobs may go on in a drain before they are given back, from 0 to 24 h. Default 10 s.
    pub drain: Duration,
}

impl WorkerConfig {
    /// Returns how long a drain may take: to end, store as a dead letter and give back what is under way.
    pub(crate) fn whole_drain(&self) -> Duration {
        self.drain.saturating_add(2 * SETTLE)
    }
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            concurrent: 8,
            deadline: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

const CONCURRENT: RangeInclusive<u32> = 1..=10_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Validate for WorkerConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let mut wrong = Vec::new();
        let mut refuse = |key: &str, found: String, allowed: String| {
            wrong.push(InvalidSetting::new(format!("worker.{name}.{key}"), found, allowed));
        };
        if !CONCURRENT.contains(&self.concurrent) {
            let allowed = format!("from {} to {}", CONCURRENT.start(), CONCURRENT.end());
            refuse("concurrent", self.concurrent.to_string(), allowed);
        }
        if !(Duration::from_millis(1)..=DAY).contains(&self.deadline) {
            refuse("deadline", format!("{:?}", self.deadline), "from 1ms to 24h".into());
        }
        if self.drain > DAY {
            refuse("drain", format!("{:?}", self.drain), "from 0 to 24h".into());
        }
        wrong
    }
}
