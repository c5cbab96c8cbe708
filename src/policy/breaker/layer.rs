use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::circuit::Circuit;
use super::config::{CircuitBreakerConfig, SlowCalls, Window};
use super::engine::{Engine, Ticket, Transition};
use super::error::CircuitOpen;
use super::future::{Call, Observed};
use super::keyed::{Key, KeyedCircuitBreaker};
use super::permit::Permit;
use super::rules::Rules;
use super::service::CircuitBreakerService;
use super::snapshot::Snapshot;
use crate::base::clock::Clock;
use crate::base::error::InvalidSettings;
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::outcome::{Classify, ErrorIsFailure, Outcome};
use crate::base::random::Random;
use crate::base::refusal::Refusal;
use crate::base::stripe::{self, MOST_STRIPES, Striped};
use crate::base::ticks::Ticks;

/// Stops calling a dependency that fails.
///
/// A cheap handle: clones and everything made from them share one circuit, however many routes they are put on; two
/// handles share nothing, not even if they have the same name.
#[derive(Clone, Debug)]
pub struct CircuitBreaker(Striped<Circuit>);

impl CircuitBreaker {
    /// Starts a circuit breaker with the defaults; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> CircuitBreakerBuilder {
        CircuitBreakerBuilder {
            name: SmolStr::new(name),
            config: CircuitBreakerConfig::default(),
            clock: Clock::default(),
            random: Random::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any [`tower_service::Service`].
    ///
    /// An error is a failure, unless it is a [`Refusal`] that says otherwise; every response is a success.
    /// [`CircuitBreakerLayer::classify`] changes that.
    pub fn layer(&self) -> CircuitBreakerLayer {
        CircuitBreakerLayer {
            breaker: self.clone(),
            classify: ErrorIsFailure,
        }
    }

    /// Runs a future of your own if the circuit lets it through; its error is a failure, all else a success.
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`](crate::Guarded::Refused) without `operation` having been called,
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the future's own error.
    ///
    /// # Cancellation
    ///
    /// Dropping the returned future drops yours and counts as
    /// [`cancelled`](CircuitBreakerConfig::cancelled), neither success nor failure; a probe's slot comes free.
    ///
    /// # Examples
    ///
    /// ```
    /// # use seaworthy::{Guarded, breaker::CircuitBreaker};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let ledger = CircuitBreaker::builder("ledger").build().unwrap();
    /// let answer = ledger.call(|| async { Ok::<_, std::io::Error>(42) }).await;
    /// assert_eq!(answer.unwrap(), 42);
    ///
    /// ledger.force_open();
    /// let refused = ledger.call(|| async { Ok::<_, std::io::Error>(42) }).await;
    /// assert!(matches!(refused, Err(Guarded::Refused(refusal)) if refusal.name() == "ledger"));
    /// # }
    /// ```
    #[inline]
    pub fn call<F, Fut, T, E>(&self, operation: F) -> Call<Fut, impl Classify<T, E> + use<F, Fut, T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.call_classified(operation, |end: Result<&T, &E>| match end {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        })
    }

    /// Runs a future of your own as [`call`](Self::call) does, and lets `classify` say what its end means.
    ///
    /// # Examples
    ///
    /// What was not found says nothing bad about who looked for it:
    ///
    /// ```
    /// # use std::io::ErrorKind::NotFound;
    /// # use seaworthy::{breaker::CircuitBreaker, outcome::Outcome};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let files = CircuitBreaker::builder("files").build().unwrap();
    /// let classify = |end: Result<&(), &std::io::Error>| match end {
    ///     Err(error) if error.kind() != NotFound => Outcome::Failure,
    ///     _ => Outcome::Success,
    /// };
    /// let missing = async || Err::<(), _>(NotFound.into());
    /// assert!(files.call_classified(missing, classify).await.is_err());
    /// assert_eq!(files.snapshot().failed, 0);
    /// # }
    /// ```
    #[inline]
    pub fn call_classified<F, Fut, T, E, C>(&self, operation: F, classify: C) -> Call<Fut, C>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        Call::new(Observed::new(self.admit(self.enter()), operation), classify)
    }

    /// Returns the state, the rates, and when the next call may be let through.
    pub fn snapshot(&self) -> Snapshot {
        let now = self.0.rules.clock.ticks();
        self.0
            .look(now, |engine, tally, config| Snapshot::new(engine, tally, config, now))
    }

    /// Refuses every call until [`reset`](Self::reset).
    pub fn force_open(&self) {
        self.change(|engine, _| engine.force_open());
    }

    /// Lets every call through until [`reset`](Self::reset); outcomes are looked at but open nothing.
    pub fn force_closed(&self) {
        self.change(|engine, _| engine.force_closed());
    }

    /// Lets every call through until [`reset`](Self::reset), and looks at no outcome.
    pub fn disable(&self) {
        self.change(|engine, _| engine.disable());
    }

    /// Closes the circuit and forgets all that it has seen, as if it were new.
    pub fn reset(&self) {
        self.change(Engine::reset);
    }

    fn change(&self, change: impl FnOnce(&mut Engine, Ticks) -> Transition) {
        let now = self.0.rules.clock.ticks();
        self.0.change(|engine| Some(change(engine, now)));
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<CircuitBreakerConfig> {
        self.0.rules.config()
    }

    /// Changes the settings of every layer of this handle; what is in the window stays.
    ///
    /// A time window can get another length. An open circuit stays open as long as it was going to.
    ///
    /// # Errors
    ///
    /// What cannot be accepted, another kind of window or another number of calls in it among that; the old settings
    /// stay in force then.
    ///
    /// Changes wait for each other: `change` must not change the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut CircuitBreakerConfig)) -> Result<(), InvalidSettings> {
        let now = self.0.rules.clock.ticks();
        self.0.rules.reconfigure(change, |config| {
            self.0.record().resize(config.window, now);
            None
        })
    }

    #[inline]
    pub(super) fn enter(&self) -> Result<Ticket, CircuitOpen> {
        self.0.enter()
    }

    #[inline]
    pub(super) fn permit(&self, ticket: Ticket) -> Permit {
        Permit::striped(self.0.lane(), self.0.rules.begin(ticket))
    }

    /// Turns a verdict into the permit for one call, or into its refusal, which is counted.
    #[inline]
    pub(super) fn admit(&self, verdict: Result<Ticket, CircuitOpen>) -> Result<Permit, Refusal> {
        match verdict {
            Ok(ticket) => Ok(self.permit(ticket)),
            Err(open) => Err(self.0.rules.refusal(open)),
        }
    }
}

impl Describe for CircuitBreaker {
    fn describe(&self) -> Entry {
        let now = self.0.rules.clock.ticks();
        let (state, expired) = self
            .0
            .look(now, |engine, _, _| (engine.state(), engine.expired_probes()));
        let entry = self.0.rules.describe(state.label(), self.0.calls());
        entry.counter("expired_probes", expired)
    }
}

/// Builds a [`CircuitBreaker`].
#[derive(Clone, Debug)]
#[must_use]
pub struct CircuitBreakerBuilder {
    name: SmolStr,
    pub(super) config: CircuitBreakerConfig,
    clock: Clock,
    random: Random,
    events: Events,
}

impl CircuitBreakerBuilder {
    /// Which outcomes are looked at. Default: the last 30 s.
    pub fn window(mut self, window: Window) -> Self {
        self.config.window = window;
        self
    }

    /// The share of failures, in percent from 1 to 100, at which the circuit opens. Default 50.
    pub fn failure_rate(mut self, percent: u8) -> Self {
        self.config.failure_rate = percent;
        self
    }

    /// Opens the circuit when `percent` of the calls take `after` or longer. Default: not looked at.
    pub fn slow_calls(mut self, after: Duration, percent: u8) -> Self {
        self.config.slow_calls = Some(SlowCalls::new(after, percent));
        self
    }

    /// With fewer calls in the window than this, its rates are not known. Default 20.
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.config.minimum_calls = calls;
        self
    }

    /// How long the circuit stays open: `first`, then doubling up to `longest`. Default 5 s and 60 s.
    pub fn open(mut self, first: Duration, longest: Duration) -> Self {
        self.config.open = first;
        self.config.open_max = longest;
        self
    }

    /// By how much chance may shorten the open time, in percent from 0 to 100. Default 20.
    pub fn open_jitter(mut self, percent: u8) -> Self {
        self.config.open_jitter = percent;
        self
    }

    /// How many probes a half-open circuit lets through, from 1 to 1,000, and how many of them, in percent, must
    /// succeed. Default 5 and 60.
    pub fn probes(mut self, probes: u32, success_percent: u8) -> Self {
        self.config.probes = probes;
        self.config.probe_success_rate = success_percent;
        self
    }

    /// When a probe that has not ended gives its slot to another call. Default 10 s.
    pub fn probe_deadline(mut self, deadline: Duration) -> Self {
        self.config.probe_deadline = deadline;
        self
    }

    /// What a call that is dropped before it ends counts as. Default [`Outcome::Ignored`].
    pub fn cancelled(mut self, outcome: Outcome) -> Self {
        self.config.cancelled = outcome;
        self
    }

    /// Lets every call through, and counts those that would have been refused. Default `false`.
    pub fn shadow(mut self, shadow: bool) -> Self {
        self.config.shadow = shadow;
        self
    }

    /// Tells the time; tests give a manual one. Default: the processor's counter; with the feature `test-util` tokio's,
    /// which a test can pause.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Draws the jitter; tests give a seeded one.
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// Sends an event to `sink` for every change of state and of settings.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range, or that fights another.
    pub fn build(self) -> Result<CircuitBreaker, InvalidSettings> {
        let stripes = stripe::count(MOST_STRIPES);
        let circuit = Circuit::new(self.rules()?, stripes);
        Ok(CircuitBreaker(Striped::new(circuit, stripes)))
    }

    /// Makes a handle with one circuit for each key instead, for at most `capacity` keys, from 2 to 1,000,000; a key
    /// that nobody uses is forgotten after one to two times `idle`, at least the longest open time.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range, or that fights another.
    pub fn build_keyed<K: Key>(
        self,
        capacity: usize,
        idle: Duration,
    ) -> Result<KeyedCircuitBreaker<K>, InvalidSettings> {
        KeyedCircuitBreaker::new(self, capacity, idle)
    }

    pub(super) fn rules(self) -> Result<Rules, InvalidSettings> {
        Rules::new(self.name, self.config, self.clock, self.random, self.events)
    }
}

/// Puts every call of a service behind a [`CircuitBreaker`].
#[derive(Clone)]
pub struct CircuitBreakerLayer<C = ErrorIsFailure> {
    breaker: CircuitBreaker,
    classify: C,
}

impl<C> CircuitBreakerLayer<C> {
    /// Lets `classify` say what a call's end means; it sees the response or the boxed error.
    ///
    /// A panic in it counts as a call that was dropped.
    pub fn classify<D>(self, classify: D) -> CircuitBreakerLayer<D> {
        CircuitBreakerLayer {
            breaker: self.breaker,
            classify,
        }
    }
}

impl<S, C: Clone> Layer<S> for CircuitBreakerLayer<C> {
    type Service = CircuitBreakerService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreakerService::new(inner, self.breaker.clone(), self.classify.clone())
    }
}

impl<C> fmt::Debug for CircuitBreakerLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CircuitBreakerLayer").field(&self.breaker).finish()
    }
}
