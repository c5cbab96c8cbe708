use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::config::{Delay, HedgeConfig};
use super::future::Call;
use super::pace::Pace;
use super::rules::{Counts, Rules};
use super::service::HedgeService;
use crate::base::budget::{Budget, Choice};
use crate::base::clock::Clock;
use crate::base::error::InvalidSettings;
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::live::Live;
use crate::base::outcome::{Classify, ErrorIsFailure, Outcome};
use crate::base::refusal::Refusal;
use crate::base::replay::Cloned;
use crate::base::stripe::{self, MOST_STRIPES, Striped};

/// Asks a second time when the answer is late, and takes the first success.
///
/// A cheap handle: clones and everything made from them share settings, budget, counters and what is known of recent
/// calls; two handles share nothing but a budget that both were given. Make one for each dependency, or its delay is
/// that of none.
#[derive(Clone, Debug)]
pub struct Hedge(Striped<Rules>);

impl Hedge {
    /// Starts a hedge with the defaults; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> HedgeBuilder {
        HedgeBuilder {
            name: SmolStr::new(name),
            config: HedgeConfig::default(),
            budget: Choice::default(),
            clock: Clock::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any `Clone` [`tower_service::Service`] whose requests are `Clone` and
    /// [`Idempotent`](crate::replay::Idempotent).
    ///
    /// Every response is a success, and no error is. [`HedgeLayer::classify`] changes that, and [`HedgeLayer::replay`] how
    /// a request is sent twice.
    pub fn layer(&self) -> HedgeLayer {
        HedgeLayer {
            hedge: self.clone(),
            replay: Cloned,
            classify: ErrorIsFailure,
        }
    }

    /// Runs a future of your own, made a second time when it is late; that it may be is what you say by calling this.
    ///
    /// Every `Ok` is a success, and no error is.
    ///
    /// # Errors
    ///
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the error of the attempt that ended last,
    /// [`Guarded::Refused`](crate::Guarded::Refused) when the deadline has passed.
    ///
    /// # Cancellation
    ///
    /// Dropping the returned future drops both attempts and counts as cancelled. The one that loses is dropped before the
    /// other's answer is returned.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use seaworthy::{attempt::Attempt, hedge::Hedge};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let ledger = Hedge::builder("ledger").after(Duration::from_millis(5)).build().unwrap();
    /// let read = ledger.call_idempotent(|| async {
    ///     match Attempt::current().number() {
    ///         1 => pending().await,
    ///         n => Ok::<_, std::io::Error>(n),
    ///     }
    /// });
    /// assert_eq!(read.await.unwrap(), 2);
    /// # }
    /// ```
    #[inline]
    pub fn call_idempotent<F, Fut, T, E>(&self, operation: F) -> Call<F, Fut, impl Classify<T, E> + use<F, Fut, T, E>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        self.call_idempotent_classified(operation, |end: Result<&T, &E>| match end {
            Ok(_) => Outcome::Success,
            Err(error) => Refusal::find(error).map_or(Outcome::Failure, Refusal::outcome),
        })
    }

    /// Runs a future of your own as [`call_idempotent`](Self::call_idempotent) does, and lets `classify` say which ends
    /// are successes.
    #[inline]
    pub fn call_idempotent_classified<F, Fut, T, E, C>(&self, operation: F, classify: C) -> Call<F, Fut, C>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        Call::new(self.0.lane(), operation, classify)
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<HedgeConfig> {
        self.0.settings.load()
    }

    /// Changes the settings of every layer of this handle; calls that already wait keep their delay.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not
    /// change the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut HedgeConfig)) -> Result<(), InvalidSettings> {
        self.0.reconfigure(change)
    }

    /// Returns how long the first attempt of a call is waited for now before there is a second one.
    pub fn delay(&self) -> Duration {
        self.0.delay().0
    }

    /// Returns the budget, to share it with others or to look at it; `None` if there is none.
    pub fn budget(&self) -> Option<&Budget> {
        self.0.source.budget()
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.0
    }
}

impl Describe for Hedge {
    fn describe(&self) -> Entry {
        self.0.describe()
    }

    fn describe_all(&self) -> Vec<Entry> {
        self.0.source.describe_all(self.describe())
    }
}

/// Builds a [`Hedge`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HedgeBuilder {
    name: SmolStr,
    config: HedgeConfig,
    budget: Choice,
    clock: Clock,
    events: Events,
}

impl HedgeBuilder {
    /// How long the first attempt is waited for before the second one is sent: a [`Duration`], or a
    /// [`Percentile`](super::Percentile) of recent calls. Default: the 95th.
    pub fn after(mut self, delay: impl Into<Delay>) -> Self {
        self.config.after = delay.into();
        self
    }

    /// Pays for second attempts out of this budget, which others may share. Default: one of its own, with the defaults.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Choice::Given(budget);
        self
    }

    /// Lets the delay alone bound the second attempts: when the dependency becomes slow, its load is doubled by them.
    pub fn without_budget(mut self) -> Self {
        self.budget = Choice::None;
        self
    }

    /// Tells how long calls take; tests give a manual one. Default: the processor's counter; with the feature `test-util`
    /// tokio's, which a test can pause. Timers follow tokio's in any case.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
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
    pub fn build(self) -> Result<Hedge, InvalidSettings> {
        let stripes = stripe::count(MOST_STRIPES);
        let pace = Pace::new(&self.config.after, stripes, self.clock.ticks());
        let settings = Live::new(&self.name, self.config)?;
        let source = self.budget.source(&self.name)?;
        let rules = Rules {
            name: self.name,
            settings,
            pace,
            clock: self.clock,
            events: self.events,
            source,
            counts: Counts::default(),
        };
        Ok(Hedge(Striped::new(rules, stripes)))
    }
}

/// Sends requests of a service a second time as a [`Hedge`] says.
#[derive(Clone, Debug)]
pub struct HedgeLayer<R = Cloned, C = ErrorIsFailure> {
    hedge: Hedge,
    replay: R,
    classify: C,
}

impl<R, C> HedgeLayer<R, C> {
    /// Lets `classify` say which ends are successes, and so win over an attempt that still runs.
    pub fn classify<D>(self, classify: D) -> HedgeLayer<R, D> {
        HedgeLayer {
            hedge: self.hedge,
            replay: self.replay,
            classify,
        }
    }

    /// Lets `replay` say which requests may be sent twice at the same time, and how.
    pub fn replay<P>(self, replay: P) -> HedgeLayer<P, C> {
        HedgeLayer {
            hedge: self.hedge,
            replay,
            classify: self.classify,
        }
    }
}

impl<S: Clone, R: Clone, C: Clone> Layer<S> for HedgeLayer<R, C> {
    type Service = HedgeService<S, R, C>;

    fn layer(&self, inner: S) -> Self::Service {
        HedgeService::new(inner, self.hedge.clone(), self.replay.clone(), self.classify.clone())
    }
}
