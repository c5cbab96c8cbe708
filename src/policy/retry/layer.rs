use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::appraise::{Appraisal, Appraise, ByOutcome, of_refusal};
use super::backoff::Backoff;
use super::config::RetryConfig;
use super::engine::{Progress, Stop};
use super::future::Call;
use super::service::{RetryService, Terms};
use crate::base::Counter;
use crate::base::attempt::Attempt;
use crate::base::budget::{Budget, Source};
use crate::base::deadline::Deadline;
use crate::base::error::InvalidSettings;
use crate::base::events::{Change, EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::live::Live;
use crate::base::outcome::ErrorIsFailure;
use crate::base::random::Random;
use crate::base::refusal::{Part, Reason, Refusal};
use crate::base::replay::Cloned;
use crate::base::stripe::{self, MOST_STRIPES, Striped};
use crate::base::ticks::nanos_of;
use crate::base::within::Late;

const KIND: &str = "retry";

/// Tries again what failed, as often as attempts, budget and deadline allow.
///
/// A cheap handle: clones and everything made from them share settings, budget and counters; two handles share nothing
/// but a budget that both were given.
#[derive(Clone, Debug)]
pub struct Retry(Striped<Rules>);

/// What all requests of one handle have in common.
#[derive(Debug)]
pub(super) struct Rules {
    name: SmolStr,
    settings: Live<RetryConfig>,
    /// One of the settings again, because every call looks at it; nanoseconds.
    total: AtomicU64,
    random: Random,
    events: Events,
    source: Source,
    owns_budget: bool,
    retried: Counter,
    exhausted: Counter,
    unrepeatable: Counter,
    out_of_time: Counter,
    out_of_budget: Counter,
    elapsed: Counter,
    cancelled: Counter,
}

impl Retry {
    /// Starts a retry with the defaults; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> RetryBuilder {
        RetryBuilder {
            name: SmolStr::new(name),
            config: RetryConfig::default(),
            budget: BudgetChoice::Own,
            random: Random::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any `Clone` [`tower_service::Service`] whose requests are `Clone` and
    /// [`Idempotent`](crate::replay::Idempotent).
    ///
    /// An error is worth a further attempt, unless it is a [`Refusal`] that says nothing about the dependency, such as
    /// that of a circuit breaker; no response is. [`RetryLayer::classify`] and [`RetryLayer::appraise`] change that, and
    /// [`RetryLayer::replay`] how a request is sent again.
    pub fn layer(&self) -> RetryLayer {
        RetryLayer {
            retry: self.clone(),
            replay: Cloned,
            appraise: ByOutcome(ErrorIsFailure),
        }
    }

    /// Runs a future of your own, made anew for each attempt; that it may be is what you say by calling this.
    ///
    /// An error is worth a further attempt, unless there is a [`Refusal`] in it that says nothing about the dependency:
    /// what a guard inside has refused, such as an open circuit, is not tried again.
    ///
    /// # Errors
    ///
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the last attempt's error,
    /// [`Guarded::Refused`](crate::Guarded::Refused) when the deadline has passed.
    ///
    /// # Cancellation
    ///
    /// Dropping the returned future drops the attempt under way, or ends the wait for the next one, and counts as
    /// cancelled.
    ///
    /// # Examples
    ///
    /// ```
    /// use seaworthy::{attempt::Attempt, retry::Retry};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let ledger = Retry::builder("ledger").build().unwrap();
    /// let read = ledger.call_idempotent(|| async {
    ///     match Attempt::current().number() {
    ///         1 => Err(std::io::Error::other("connection lost")),
    ///         n => Ok(n),
    ///     }
    /// });
    /// assert_eq!(read.await.unwrap(), 2);
    /// # }
    /// ```
    #[inline]
    pub fn call_idempotent<F, Fut, T, E>(&self, operation: F) -> Call<F, Fut, impl Appraise<T, E> + use<F, Fut, T, E>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        self.call_idempotent_appraised(operation, |end: Result<&T, &E>| match end {
            Ok(_) => Appraisal::Final,
            Err(error) => Refusal::find(error).map_or(Appraisal::Again, of_refusal),
        })
    }

    /// Runs a future of your own as [`call_idempotent`](Self::call_idempotent) does, and lets `appraise` say which ends
    /// are worth a further attempt.
    #[inline]
    pub fn call_idempotent_appraised<F, Fut, T, E, A>(&self, operation: F, appraise: A) -> Call<F, Fut, A>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        A: Appraise<T, E>,
    {
        Call::new(self.0.lane(), operation, appraise)
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<RetryConfig> {
        self.0.settings.load()
    }

    /// Changes the settings of every layer of this handle; requests under way keep their total.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not
    /// change the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut RetryConfig)) -> Result<(), InvalidSettings> {
        let rules = &*self.0;
        let then = |config: &RetryConfig| rules.total.store(total_of(config), Ordering::Relaxed);
        rules.settings.change(&rules.name, change, then)?;
        rules.events.emit(KIND, &rules.name, Change::Settings);
        Ok(())
    }

    /// Returns the budget, to share it with others or to look at it; `None` if there is none.
    pub fn budget(&self) -> Option<&Budget> {
        self.0.source.budget()
    }
}

/// Nanoseconds; the most if there is no total.
fn total_of(config: &RetryConfig) -> u64 {
    config.total.map_or(u64::MAX, nanos_of)
}

impl Rules {
    /// Counts a request, and returns how long it may take.
    #[inline]
    pub(super) fn begin(&self) -> Option<Duration> {
        self.source.count();
        let total = self.total.load(Ordering::Relaxed);
        (total != u64::MAX).then(|| Duration::from_nanos(total))
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
}

impl Describe for Retry {
    fn describe(&self) -> Entry {
        let rules = &*self.0;
        let config = self.config();
        let total = config.total.map_or("none".into(), |total| format!("{total:?}"));
        let budget = match rules.source.budget() {
            Some(budget) => budget.name().to_owned(),
            None => "none".to_owned(),
        };
        Entry::new(KIND, &*rules.name, "on")
            .setting("attempts", config.attempts)
            .setting("backoff", &config.backoff)
            .setting("total", total)
            .setting("budget", budget)
            .counter("calls", rules.source.requests())
            .counter("retried", rules.retried.sum())
            .counter("exhausted", rules.exhausted.sum())
            .counter("unrepeatable", rules.unrepeatable.sum())
            .counter("out_of_time", rules.out_of_time.sum())
            .counter("out_of_budget", rules.out_of_budget.sum())
            .counter("elapsed", rules.elapsed.sum())
            .counter("cancelled", rules.cancelled.sum())
    }

    /// Describes its own budget, too; one that was given to it is somebody else's to describe.
    fn describe_all(&self) -> Vec<Entry> {
        let own = self.0.source.budget().filter(|_| self.0.owns_budget);
        std::iter::once(self.describe())
            .chain(own.map(Describe::describe))
            .collect()
    }
}

#[derive(Clone, Debug)]
enum BudgetChoice {
    Own,
    Given(Budget),
    None,
}

/// Builds a [`Retry`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RetryBuilder {
    name: SmolStr,
    config: RetryConfig,
    budget: BudgetChoice,
    random: Random,
    events: Events,
}

impl RetryBuilder {
    /// How many attempts there may be, the first one included; from 1 to 100. Default 3.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.config.attempts = attempts;
        self
    }

    /// How long to wait before each further one. Default 50 ms, doubling up to 1 s, with full jitter.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.config.backoff = backoff;
        self
    }

    /// From the call to the end of the last attempt, waits included; from 1 ms to 24 h. Default 5 s; `None` leaves it to
    /// the deadline that a caller has set.
    pub fn total(mut self, total: impl Into<Option<Duration>>) -> Self {
        self.config.total = total.into();
        self
    }

    /// Pays for further attempts out of this budget, which others may share. Default: one of its own, with the defaults.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = BudgetChoice::Given(budget);
        self
    }

    /// Lets attempts alone bound the retries: when the dependency fails, its load is multiplied by them.
    pub fn without_budget(mut self) -> Self {
        self.budget = BudgetChoice::None;
        self
    }

    /// Draws the jitter; tests give a seeded one.
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// Sends a [settings event](Change::Settings) to `sink` whenever the settings change.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range, or that fights another.
    pub fn build(self) -> Result<Retry, InvalidSettings> {
        let owns_budget = matches!(self.budget, BudgetChoice::Own);
        let source = match self.budget {
            BudgetChoice::Own => Budget::builder(&self.name).build()?.source(),
            BudgetChoice::Given(budget) => budget.source(),
            BudgetChoice::None => Source::unlimited(),
        };
        let rules = Rules {
            total: AtomicU64::new(total_of(&self.config)),
            settings: Live::new(&self.name, self.config)?,
            name: self.name,
            random: self.random,
            events: self.events,
            source,
            owns_budget,
            retried: Counter::default(),
            exhausted: Counter::default(),
            unrepeatable: Counter::default(),
            out_of_time: Counter::default(),
            out_of_budget: Counter::default(),
            elapsed: Counter::default(),
            cancelled: Counter::default(),
        };
        Ok(Retry(Striped::new(rules, stripe::count(MOST_STRIPES))))
    }
}

/// Tries every request of a service as often as a [`Retry`] allows.
#[derive(Clone, Debug)]
pub struct RetryLayer<R = Cloned, A = ByOutcome<ErrorIsFailure>> {
    retry: Retry,
    replay: R,
    appraise: A,
}

impl<R, A> RetryLayer<R, A> {
    /// Lets `classify` say which ends are failures, and so worth a further attempt.
    pub fn classify<C>(self, classify: C) -> RetryLayer<R, ByOutcome<C>> {
        self.appraise(ByOutcome(classify))
    }

    /// Lets `appraise` say which ends are worth a further attempt, and after which time.
    pub fn appraise<B>(self, appraise: B) -> RetryLayer<R, B> {
        RetryLayer {
            retry: self.retry,
            replay: self.replay,
            appraise,
        }
    }

    /// Lets `replay` say which requests may be sent again, and how.
    pub fn replay<P>(self, replay: P) -> RetryLayer<P, A> {
        RetryLayer {
            retry: self.retry,
            replay,
            appraise: self.appraise,
        }
    }
}

impl<S: Clone, R: Clone, A: Clone> Layer<S> for RetryLayer<R, A> {
    type Service = RetryService<S, R, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let terms = Terms {
            retry: self.retry.clone(),
            replay: self.replay.clone(),
            appraise: self.appraise.clone(),
        };
        RetryService::new(inner, terms)
    }
}

impl Retry {
    pub(super) fn rules(&self) -> &Rules {
        &self.0
    }
}
