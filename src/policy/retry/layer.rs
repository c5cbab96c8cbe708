use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::appraise::{Appraisal, Appraise, ByOutcome, of_refusal};
use super::backoff::Backoff;
use super::config::RetryConfig;
use super::future::Call;
use super::rules::Rules;
use super::service::{RetryService, Terms};
use crate::base::budget::{Budget, Choice};
use crate::base::error::InvalidSettings;
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::outcome::ErrorIsFailure;
use crate::base::random::Random;
use crate::base::refusal::Refusal;
use crate::base::replay::Cloned;
use crate::base::stripe::{self, MOST_STRIPES, Striped};

/// Tries again what failed, as often as attempts, budget and deadline allow.
///
/// A cheap handle: clones and everything made from them share settings, budget and counters; two handles share nothing
/// but a budget that both were given.
#[derive(Clone, Debug)]
pub struct Retry(Striped<Rules>);

impl Retry {
    /// Starts a retry with the defaults; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> RetryBuilder {
        RetryBuilder {
            name: SmolStr::new(name),
            config: RetryConfig::default(),
            budget: Choice::default(),
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
        self.0.config()
    }

    /// Changes the settings of every layer of this handle; requests under way keep their total.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not
    /// change the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut RetryConfig)) -> Result<(), InvalidSettings> {
        self.0.reconfigure(change)
    }

    /// Returns the budget, to share it with others or to look at it; `None` if there is none.
    pub fn budget(&self) -> Option<&Budget> {
        self.0.source.budget()
    }

    /// Returns how long a request may take, all attempts together.
    #[cfg(feature = "app")]
    #[inline]
    pub(crate) fn total(&self) -> Option<Duration> {
        self.0.total()
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.0
    }
}

impl Describe for Retry {
    fn describe(&self) -> Entry {
        self.0.describe()
    }

    fn describe_all(&self) -> Vec<Entry> {
        self.0.source.describe_all(self.describe())
    }
}

/// Builds a [`Retry`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RetryBuilder {
    name: SmolStr,
    config: RetryConfig,
    budget: Choice,
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
        self.budget = Choice::Given(budget);
        self
    }

    /// Lets attempts alone bound the retries: when the dependency fails, its load is multiplied by them.
    pub fn without_budget(mut self) -> Self {
        self.budget = Choice::None;
        self
    }

    /// Draws the jitter; tests give a seeded one.
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// Sends a [settings event](crate::events::Change::Settings) to `sink` whenever the settings change.
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
        let source = self.budget.source(&self.name)?;
        let rules = Rules::new(self.name, self.config, self.random, self.events, source)?;
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
