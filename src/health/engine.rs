use std::time::{Duration, Instant};

use super::config::CheckConfig;

#[cfg(test)]
mod tests;

/// How one run of a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Up,
    Down,
    TimedOut,
    Panicked,
}

/// What is known of a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// Its check succeeded.
    Up,
    /// Its check failed.
    Down,
    /// There is no usable answer: the check has not run yet, hangs, panicked, or its last result is stale.
    Unknown,
}

impl Verdict {
    /// Returns the verdict as one word, for logs and the inventory.
    pub fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// What a check has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) runs: u64,
    pub(super) failures: u64,
    pub(super) timeouts: u64,
    pub(super) panics: u64,
}

/// The last run that ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) ended: Instant,
    pub(super) took: Duration,
}

/// Decides what one check's runs say about its dependency.
#[derive(Debug)]
pub(super) struct Engine {
    failing_after: u32,
    recovering_after: u32,
    stale_age: Duration,
    overdue_age: Duration,
    running_since: Option<Instant>,
    last: Option<Last>,
    /// What counts until enough runs in a row have said otherwise.
    answer: Option<Run>,
    /// How many runs in a row have said otherwise.
    against: u32,
    tally: Tally,
}

impl Engine {
    pub(super) fn new(config: &CheckConfig) -> Self {
        Self {
            failing_after: config.failing_after,
            recovering_after: config.recovering_after,
            stale_age: config.stale_age(),
            // A run is cut at its timeout. One that lasts twice as long blocks its thread, and cannot be cut.
            overdue_age: config.timeout * 2,
            running_since: None,
            last: None,
            answer: None,
            against: 0,
            tally: Tally::default(),
        }
    }

    /// Takes note that a run begins.
    pub(super) fn start(&mut self, now: Instant) {
        self.running_since = Some(now);
    }

    /// Takes note of how the run ended.
    pub(super) fn record(&mut self, now: Instant, run: Run) {
        if self.is_stale(now) {
            self.answer = None;
        }
        let started = self.running_since.take().unwrap_or(now);
        self.last = Some(Last {
            ended: now,
            took: now.saturating_duration_since(started),
        });
        self.count(run);
        self.weigh(run);
    }

    fn count(&mut self, run: Run) {
        self.tally.runs += 1;
        self.tally.failures += u64::from(run != Run::Up);
        self.tally.timeouts += u64::from(run == Run::TimedOut);
        self.tally.panics += u64::from(run == Run::Panicked);
    }

    fn weigh(&mut self, run: Run) {
        let enough = match (self.answer, run) {
            (None, _) => 1,
            (Some(Run::Up), Run::Up) => 0,
            (Some(Run::Up), _) => self.failing_after,
            (Some(_), Run::Up) => self.recovering_after,
            // Of several ways to fail the latest is told.
            (Some(_), _) => 0,
        };
        self.against = if enough == 0 { 0 } else { self.against + 1 };
        if self.against >= enough {
            self.answer = Some(run);
            self.against = 0;
        }
    }

    fn is_stale(&self, now: Instant) -> bool {
        self.last
            .is_some_and(|last| now.saturating_duration_since(last.ended) > self.stale_age)
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.running_since
            .is_some_and(|since| now.saturating_duration_since(since) > self.overdue_age)
    }

    /// Returns what is known at `now`, and in our own words why.
    pub(super) fn verdict(&self, now: Instant) -> (Verdict, &'static str) {
        match self.answer {
            None => (Verdict::Unknown, "has not run yet"),
            Some(_) if self.is_stale(now) => (Verdict::Unknown, "stale"),
            Some(_) if self.is_overdue(now) => (Verdict::Unknown, "blocks its thread"),
            Some(Run::Up) => (Verdict::Up, "up"),
            Some(Run::Down) => (Verdict::Down, "down"),
            Some(Run::TimedOut) => (Verdict::Unknown, "timed out"),
            Some(Run::Panicked) => (Verdict::Unknown, "panicked"),
        }
    }

    pub(super) fn last(&self) -> Option<Last> {
        self.last
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }
}
