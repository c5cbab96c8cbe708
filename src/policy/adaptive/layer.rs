use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::algorithm::LimitAlgorithm;
use super::config::AdaptiveConfig;
use super::future::Call;
use super::limiter::{KIND, Limiter};
use super::permit::{self, Permit};
use super::service::AdaptiveLimitService;
use super::snapshot::Snapshot;
use crate::base::clock::Clock;
use crate::base::error::{BoxError, InvalidSettings};
use crate::base::events::{Change, EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::live::Validate;
use crate::base::outcome::{Classify, Outcome, of_error};
use crate::base::pressure::Pressure;
use crate::base::refusal::Refusal;
use crate::base::stripe::{self, MOST_STRIPES, Striped};

/// Caps how many calls are under way at once, and finds out itself how many that should be.
///
/// A cheap handle: clones and everything made from them share the same limit; two handles share nothing, not even if they
/// have the same name.
#[derive(Clone)]
pub struct AdaptiveLimit(Arc<Shared>);

struct Shared {
    limiter: Striped<Limiter>,
    events: Events,
}

impl AdaptiveLimit {
    /// Starts a limit with the defaults; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> AdaptiveLimitBuilder {
        AdaptiveLimitBuilder {
            name: SmolStr::new(name),
            config: AdaptiveConfig::default(),
            clock: Clock::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any [`tower_service::Service`]; [`OnlyTimeouts`] says what its ends mean.
    pub fn layer(&self) -> AdaptiveLimitLayer {
        AdaptiveLimitLayer {
            limit: self.clone(),
            classify: OnlyTimeouts,
        }
    }

    /// Runs a future of your own if there is a place for it; every end but an error counts.
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`](crate::Guarded::Refused) without `operation` having been called: as many are under way as may
    /// be now. [`Guarded::Inner`](crate::Guarded::Inner) with the future's own error, of which it is not known whether
    /// there was too much to do; [`call_classified`](Self::call_classified) says so.
    ///
    /// # Cancellation
    ///
    /// Nothing happens before the first poll. Dropping the returned future drops yours and gives its place back; if it
    /// had taken more than twice the baseline by then, it counts as too slow.
    ///
    /// # Examples
    ///
    /// ```
    /// # use seaworthy::adaptive::AdaptiveLimit;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let search = AdaptiveLimit::builder("search").build().unwrap();
    /// let answer = search.call(|| async { Ok::<_, std::io::Error>(search.snapshot().in_flight) }).await;
    /// assert_eq!(answer.unwrap(), 1);
    /// # }
    /// ```
    #[inline]
    pub fn call<F, Fut, T, E>(&self, operation: F) -> Call<F, Fut, impl Classify<T, E> + use<F, Fut, T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let errors_say_nothing = |end: Result<&T, &E>| match end {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Ignored,
        };
        self.call_classified(errors_say_nothing, operation)
    }

    /// As [`call`](Self::call); `classify` says what an end means: a failure that there was too much to do.
    #[inline]
    pub fn call_classified<F, Fut, T, E, C>(&self, classify: C, operation: F) -> Call<F, Fut, C>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        Call::new(permit::lane(&self.0.limiter), operation, classify)
    }

    /// Returns the limit, how many calls are under way, and how long they take.
    pub fn snapshot(&self) -> Snapshot {
        self.0.limiter.snapshot()
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<AdaptiveConfig> {
        self.0.limiter.settings().load()
    }

    /// Changes the settings of every layer of this handle. What has been found out is kept.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not change
    /// the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut AdaptiveConfig)) -> Result<(), InvalidSettings> {
        let limiter = &self.0.limiter;
        limiter.reconfigure(change)?;
        self.0.events.emit(KIND, limiter.name(), Change::Settings);
        Ok(())
    }

    #[inline]
    pub(super) fn enter(&self) -> Option<Permit> {
        permit::enter(permit::lane(&self.0.limiter)).ok()
    }

    pub(super) fn refuse(&self) -> Refusal {
        self.0.limiter.refuse()
    }
}

impl Describe for AdaptiveLimit {
    fn describe(&self) -> Entry {
        self.0.limiter.describe()
    }
}

impl Pressure for AdaptiveLimit {
    /// Returns the share of places that are taken.
    fn pressure(&self) -> f64 {
        self.0.limiter.pressure()
    }
}

impl fmt::Debug for AdaptiveLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.limiter.name();
        f.debug_tuple("AdaptiveLimit").field(name).finish()
    }
}

/// Takes a call that was ended because it took too long for a failure, every other error for nothing.
///
/// An error that comes at once says nothing about how much there is to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct OnlyTimeouts;

impl<T> Classify<T, BoxError> for OnlyTimeouts {
    fn classify(&self, end: Result<&T, &BoxError>) -> Outcome {
        match end {
            Ok(_) => Outcome::Success,
            Err(error) if Refusal::find(error.as_ref()).is_some() => of_error(error),
            Err(_) => Outcome::Ignored,
        }
    }
}

/// Builds an [`AdaptiveLimit`].
#[derive(Clone, Debug)]
#[must_use]
pub struct AdaptiveLimitBuilder {
    name: SmolStr,
    config: AdaptiveConfig,
    clock: Clock,
    events: Events,
}

impl AdaptiveLimitBuilder {
    /// The limit to begin with, from 1 to 1,000,000; put between `min` and `max`. What it was when the service last ran
    /// is the best. Default 20.
    pub fn initial(mut self, calls: u32) -> Self {
        self.config.initial = calls;
        self
    }

    /// The least that the limit can become, but for a probe, from 1 to 1,000,000. Default 4.
    pub fn min(mut self, calls: u32) -> Self {
        self.config.min = calls;
        self
    }

    /// The most that the limit can become, from `min` to 1,000,000. Default 1000.
    pub fn max(mut self, calls: u32) -> Self {
        self.config.max = calls;
        self
    }

    /// How often the limit is thought over, from 10 ms to 60 s. Default 100 ms.
    pub fn window(mut self, window: Duration) -> Self {
        self.config.window = window;
        self
    }

    /// How many calls that takes at least, from 5 to 10,000. Default 50.
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.config.minimum_calls = calls;
        self
    }

    /// For how long calls may take longer than before until it is asked whether the load is the reason, from 1 s to 24 h.
    /// Default 10 s.
    pub fn doubt(mut self, doubt: Duration) -> Self {
        self.config.doubt = doubt;
        self
    }

    /// How the limit is found. Default [`Gradient2`](super::Gradient2).
    pub fn algorithm(mut self, algorithm: impl LimitAlgorithm) -> Self {
        self.config.algorithm = Arc::new(algorithm);
        self
    }

    /// What tells the time. Default: tokio's clock, or the processor's counter.
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
    /// Every setting that is out of its range.
    pub fn build(self) -> Result<AdaptiveLimit, InvalidSettings> {
        InvalidSettings::check(self.config.validate(&self.name))?;
        let stripes = stripe::count(MOST_STRIPES);
        let limiter = Limiter::new(self.name, self.config, self.clock, stripes)?;
        let limiter = Striped::new(limiter, stripes);
        let events = self.events;
        Ok(AdaptiveLimit(Arc::new(Shared { limiter, events })))
    }
}

/// Puts every call of a service under an [`AdaptiveLimit`].
#[derive(Clone, Debug)]
pub struct AdaptiveLimitLayer<C = OnlyTimeouts> {
    limit: AdaptiveLimit,
    classify: C,
}

impl<C> AdaptiveLimitLayer<C> {
    /// Lets `classify` say what an end means: a success counts with its time, a failure as a sign of too much load.
    pub fn classify<D>(self, classify: D) -> AdaptiveLimitLayer<D> {
        let limit = self.limit;
        AdaptiveLimitLayer { limit, classify }
    }
}

impl<S, C: Clone> Layer<S> for AdaptiveLimitLayer<C> {
    type Service = AdaptiveLimitService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        AdaptiveLimitService::new(inner, self.limit.clone(), self.classify.clone())
    }
}
