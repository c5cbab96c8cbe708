//! What a phase came to.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::record::{Ended, Sample, Who, count, due_within, percentile, recovery};

/// What was seen of a phase.
pub struct Seen {
    /// All that was due from its beginning on.
    pub samples: Vec<Sample>,
    /// When it lasted.
    pub trouble: Range<Duration>,
    /// Until when it was waited for `orders` to be well again.
    pub end: Duration,
    /// How many calls `payments` got while it lasted.
    pub calls: u64,
    /// How many orders a second are possible, if that was measured.
    pub capacity: Option<f64>,
    pub restart: Option<Restart>,
}

/// What was seen of the `orders` that got `SIGTERM`, and of the one that came in its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Restart {
    pub start: Duration,
    pub stop: Duration,
    /// -1 if a signal ended it.
    pub exit_code: i32,
}

/// The numbers of a phase's row, while the trouble lasted.
#[derive(Debug)]
pub struct Figures {
    pub sent: usize,
    pub answered: usize,
    pub refused: BTreeMap<&'static str, usize>,
    pub failed: usize,
    pub lost: usize,
    /// Of the clients' orders, however they ended.
    pub p50: Option<f64>,
    pub p99: Option<f64>,
    pub recovery: Option<Duration>,
}

impl Figures {
    pub fn of(seen: &Seen) -> Self {
        let samples = due_within(&seen.samples, &seen.trouble);
        let mut refused = BTreeMap::new();
        for sample in &samples {
            if let Ended::Refused(by) = sample.ended {
                *refused.entry(by).or_default() += 1;
            }
        }
        let ended = |as_this| count(&samples, |sample| sample.ended == as_this);
        let is_client = |sample: &Sample| sample.who == Who::Client;
        Self {
            sent: samples.len(),
            answered: ended(Ended::Answered),
            refused,
            failed: ended(Ended::Failed),
            lost: ended(Ended::Lost),
            p50: percentile(&samples, 0.5, is_client),
            p99: percentile(&samples, 0.99, is_client),
            recovery: recovery(&seen.samples, seen.trouble.end, seen.end),
        }
    }
}
