use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use super::appraise::Appraisal;
use super::config::RetryConfig;
use super::engine::{Progress, Stop};
use crate::base::Counter;
use crate::base::attempt::Attempt;
use crate::base::budget::Source;
use crate::base::deadline::Deadline;
use crate::base::error::InvalidSettings;
use crate::base::events::{Change, Events};
use crate::base::inventory::Entry;
use crate::base::limit::Limit;
use crate::base::live::Live;
use crate::base::random::Random;
use crate::base::refusal::{Part, Reason, Refusal};
use crate::base::within::Late;

const KIND: &str = "retry";

/// What all requests of one handle have in common.
#[derive(Debug)]
pub(super) struct Rules {
    name: SmolStr,
    settings: Live<RetryConfig>,
    total: Limit,
    random: Random,
    events: Events,
    pub(super) source: Source,
    retried: Counter,
    exhausted: Counter,
    unrepeatable: Counter,
    out_of_time: Counter,
    out_of_budget: Counter,
    elapsed: Counter,
    cancelled: Counter,
}

impl Rules {
    pub(super) fn new(
        name: SmolStr,
        config: RetryConfig,
        random: Random,
        events: Events,
        source: Source,
    ) -> Result<Self, InvalidSettings> {
        Ok(Self {
            total: Limit::new(config.total),
            settings: Live::new(&name, config)?,
            name,
            random,
            events,
            source,
            retried: Counter::default(),
            exhausted: Counter::default(),
            unrepeatable: Counter::default(),
            out_of_time: Counter::default(),
            out_of_budget: Counter::default(),
            elapsed: Counter::default(),
            cancelled: Counter::default(),
        })
    }

    pub(super) fn config(&self) -> Arc<RetryConfig> {
        self.settings.load()
    }

    pub(super) fn reconfigure(&self, change: impl FnOnce(&mut RetryConfig)) -> Result<(), InvalidSettings> {
        self.settings
            .change(&self.name, change, |config| self.total.set(config.total))?;
        self.events.emit(KIND, &self.name, Change::Settings);
        Ok(())
    }

    /// Counts a request, and returns how long it may take.
    #[inline]
    pub(super) fn begin(&self) -> Option<Duration> {
        self.source.count();
        self.total()
    }

    /// Returns how long a request may take.
    #[inline]
    pub(super) fn total(&self) -> Option<Duration> {
        self.total.get()
    }

    /// Pays for a request that is sent.
    #[inline]
    pub(super) fn pay(&self) {
        self.source.deposit();
    }

    /// Runs a part of a request that has been paid for.
    #[inline]
    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        self.source.paid(work)
    }

    /// Returns how long to wait for the next attempt, with what it is made of; `None` if there is to be none.
    #[cold]
    pub(super) fn next<P>(
        &self,
        progress: &mut Progress,
        appraisal: Appraisal,
        prepare: impl FnOnce(Attempt) -> Option<P>,
    ) -> Option<(Duration, P)> {
        let config = self.settings.load();
        let remaining = Deadline::current().map(Deadline::remaining);
        let wait = match progress.decide(appraisal, &config, self.random.unit(), remaining) {
            Ok(wait) => wait,
            Err(stop) => {
                match stop {
                    Stop::Final => {}
                    Stop::Exhausted => self.exhausted.increment(),
                    Stop::OutOfTime => self.out_of_time.increment(),
                }
                return None;
            }
        };
        let Some(prepared) = prepare(progress.attempt.next()) else {
            self.unrepeatable.increment();
            return None;
        };
        // Last, so that nothing is paid for that does not take place.
        if !self.source.withdraw() {
            self.out_of_budget.increment();
            return None;
        }
        self.retried.increment();
        progress.attempt = progress.attempt.next();
        Some((wait, prepared))
    }

    pub(super) fn refuse(&self, late: Late, limit: Option<Duration>) -> Refusal {
        self.elapsed.increment();
        let reason = match (late, limit) {
            (Late::Elapsed, Some(limit)) => Reason::Elapsed {
                limit,
                part: Part::Response,
            },
            _ => Reason::DeadlinePassed,
        };
        Refusal::new(KIND, self.name.clone(), reason)
    }

    pub(super) fn cancelled(&self) {
        self.cancelled.increment();
    }

    pub(super) fn describe(&self) -> Entry {
        let config = self.config();
        let total = config.total.map_or("none".into(), |total| format!("{total:?}"));
        Entry::new(KIND, &*self.name, "on")
            .setting("attempts", config.attempts)
            .setting("backoff", &config.backoff)
            .setting("total", total)
            .setting("budget", self.source.budget_name())
            .counter("calls", self.source.requests())
            .counter("retried", self.retried.sum())
            .counter("exhausted", self.exhausted.sum())
            .counter("unrepeatable", self.unrepeatable.sum())
            .counter("out_of_time", self.out_of_time.sum())
            .counter("out_of_budget", self.out_of_budget.sum())
            .counter("elapsed", self.elapsed.sum())
            .counter("cancelled", self.cancelled.sum())
    }
}
