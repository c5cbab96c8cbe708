use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::config::WorkerConfig;
use super::dead_letter::DeadLetters;
use crate::base::counter::Counter;
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::events::EventSink;
use crate::base::inventory::{Describe, Entry};
use crate::base::live::Validate;
use crate::policy::retry::{Retry, RetryBuilder};

/// Works off the jobs of a source.
///
/// A cheap handle; clones share counts, dead letters and the retry, and each run has places of its own.
#[derive(Clone)]
pub struct Worker(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) config: WorkerConfig,
    pub(super) retry: Retry,
    pub(super) dead_letters: Option<Arc<dyn DeadLetters>>,
    pub(super) counts: Counts,
}

/// What has become of the jobs.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) begun: Counter,
    pub(super) ended: Counter,
    pub(super) done: Counter,
    pub(super) dead: Counter,
    pub(super) given_back: Counter,
    pub(super) lost: Counter,
    pub(super) source_errors: Counter,
}

/// What a [`Worker`] has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// How many jobs are under way.
    pub in_flight: u64,
    /// How many were done.
    pub done: u64,
    /// How many were given up on, and stored as dead letters.
    pub dead: u64,
    /// How many went back to their source.
    pub given_back: u64,
    /// How many neither the dead letters nor the source took.
    pub lost: u64,
}

impl Worker {
    /// Builds a worker with this name.
    pub fn builder(name: impl Into<Arc<str>>) -> WorkerBuilder {
        let name = name.into();
        WorkerBuilder {
            retry: Retry::builder(&*name),
            config: WorkerConfig::default(),
            dead_letters: None,
            name,
        }
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the settings.
    pub fn config(&self) -> &WorkerConfig {
        &self.0.config
    }

    /// Returns the retry, whose total is the deadline of each job.
    pub fn retry(&self) -> &Retry {
        &self.0.retry
    }

    /// Returns how many dead letters there are, if they can be counted.
    pub fn dead_letters(&self) -> Option<u64> {
        self.0.dead_letters.as_ref().and_then(|letters| letters.count())
    }

    /// Tells what it has done so far.
    pub fn snapshot(&self) -> Snapshot {
        let counts = &self.0.counts;
        let ended = counts.ended.sum();
        Snapshot {
            in_flight: counts.begun.sum().saturating_sub(ended),
            done: counts.done.sum(),
            dead: counts.dead.sum(),
            given_back: counts.given_back.sum(),
            lost: counts.lost.sum(),
        }
    }
}

impl Describe for Worker {
    fn describe(&self) -> Entry {
        let Shared {
            name,
            config,
            dead_letters,
            counts,
            ..
        } = &*self.0;
        let now = self.snapshot();
        let entry = Entry::new("worker", &**name, if now.in_flight > 0 { "working" } else { "idle" })
            .setting("concurrent", config.concurrent)
            .setting("deadline", format!("{:?}", config.deadline))
            .setting("drain", format!("{:?}", config.drain))
            .setting("dead_letters", dead_letters.is_some())
            .saturation(now.in_flight as f64 / f64::from(config.concurrent))
            .counter("done", now.done)
            .counter("dead", now.dead)
            .counter("given_back", now.given_back)
            .counter("lost", now.lost)
            .counter("source_errors", counts.source_errors.sum());
        match self.dead_letters() {
            Some(count) => entry.gauge("dead_letters", count as f64),
            None => entry,
        }
    }

    fn describe_all(&self) -> Vec<Entry> {
        let mut entries = vec![self.describe()];
        entries.extend(self.0.retry.describe_all());
        entries
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}

/// Builds a [`Worker`].
#[must_use]
pub struct WorkerBuilder {
    name: Arc<str>,
    config: WorkerConfig,
    retry: RetryBuilder,
    dead_letters: Option<Arc<dyn DeadLetters>>,
}

impl WorkerBuilder {
    /// How many jobs are under way at once, from 1 to 10,000. Default 8.
    pub fn concurrent(mut self, jobs: u32) -> Self {
        self.config.concurrent = jobs;
        self
    }

    /// The longest time for a job, all attempts and waits included, from 1 ms to 24 h. Default 30 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.config.deadline = deadline;
        self
    }

    /// How long jobs may go on in a drain before they are given back, from 0 to 24 h; 10 s less than the shutdown's own
    /// drain. Default 10 s.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.config.drain = drain;
        self
    }

    /// Changes the retry; its total is the [`deadline`](Self::deadline).
    pub fn retry(mut self, change: impl FnOnce(RetryBuilder) -> RetryBuilder) -> Self {
        self.retry = change(self.retry);
        self
    }

    /// Where jobs go that are given up on. Default: they are logged, counted as lost, and done for their source.
    pub fn dead_letters(mut self, dead_letters: impl DeadLetters) -> Self {
        self.dead_letters = Some(Arc::new(dead_letters));
        self
    }

    /// Tells the events of the retry to `sink`.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.retry = self.retry.events(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range.
    pub fn build(self) -> Result<Worker, InvalidSettings> {
        let mut wrong: Vec<InvalidSetting> = self.config.validate(&self.name);
        let retry = self.retry.total(self.config.deadline).build();
        let retry = retry
            .map_err(|refused| wrong.extend_from_slice(refused.as_slice()))
            .ok();
        match retry.filter(|_| wrong.is_empty()) {
            Some(retry) => Ok(Worker(Arc::new(Shared {
                name: self.name,
                config: self.config,
                retry,
                dead_letters: self.dead_letters,
                counts: Counts::default(),
            }))),
            None => Err(InvalidSettings::of(wrong)),
        }
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
