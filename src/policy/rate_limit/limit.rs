use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use smol_str::SmolStr;

use super::config::{Adaptive, RateLimitConfig};
use super::engine::Denied;
use super::error::RateLimited;
use super::future::{Call, Gated};
use super::keyed::{AtCapacity, Key, KeyedRateLimit};
use super::layer::{PerService, RateLimitLayer};
use super::line::{Entry, Standing};
use super::meter::Meter;
use super::quota::Quota;
use super::rules::{Count, Rules};
use super::snapshot::{Snapshot, Spent};
use super::turn::{Entrance, Gate, Turn};
use crate::base::clock::Clock;
use crate::base::error::InvalidSettings;
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{self, Describe};
#[cfg(feature = "app")]
use crate::base::refusal::Refusal;
use crate::base::ticks::Ticks;

/// Limits how many requests are let through in a time.
///
/// A cheap handle: clones and everything made from them share one allowance, two handles share nothing.
#[derive(Clone)]
pub struct RateLimit(Arc<Shared>);

struct Shared {
    rules: Rules,
    meter: Meter,
}

impl RateLimit {
    /// Starts a limit with the defaults; `name` shows in errors, headers, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> RateLimitBuilder {
        RateLimitBuilder {
            name: SmolStr::new(name),
            config: RateLimitConfig::default(),
            clock: Clock::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any [`tower_service::Service`]; each request counts as one.
    pub fn layer(&self) -> RateLimitLayer<PerService> {
        RateLimitLayer::new(PerService::new(self.clone()))
    }

    /// Runs a future of your own when its turn has come.
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`](crate::Guarded::Refused) without `operation` having been called,
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the future's own error.
    ///
    /// # Cancellation
    ///
    /// Dropping the returned future while it waits gives its turn to those behind. What was let through has been spent,
    /// whatever becomes of it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use seaworthy::{Guarded, rate_limit::{Quota, RateLimit}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mails = RateLimit::builder("mails").quota(Quota::per_hour(1)).build().unwrap();
    /// let send = || async { Ok::<_, Infallible>("sent") };
    /// assert_eq!(mails.call(send).await, Ok("sent"));
    /// assert!(matches!(mails.call(send).await, Err(Guarded::Refused(_))));
    /// # }
    /// ```
    #[inline]
    pub fn call<F, Fut, T, E>(&self, operation: F) -> Call<F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Call::new(Gated::new(self.enter(1), operation))
    }

    /// Spends `weight` of what is left, all or nothing and without waiting; a weight of 0 costs nothing.
    ///
    /// For what is no call: a message on an open connection, a row of an export.
    ///
    /// # Errors
    ///
    /// When less than that is left, or somebody waits.
    ///
    /// # Examples
    ///
    /// ```
    /// # use seaworthy::rate_limit::{Quota, RateLimit};
    /// let rows = RateLimit::builder("export").quota(Quota::per_hour(1000)).build().unwrap();
    /// rows.check(999).unwrap();
    /// assert_eq!(rows.check(2).unwrap_err().to_string(), "more than 1000 requests in 3600s");
    /// ```
    #[inline]
    pub fn check(&self, weight: u32) -> Result<(), RateLimited> {
        self.spend(weight).map(drop)
    }

    #[inline]
    fn spend(&self, weight: u32) -> Result<Spent, RateLimited> {
        let rules = &self.0.rules;
        let now = rules.clock.ticks();
        match self.entry(weight, now, false) {
            Entry::Admitted(arrival) => Ok(rules.admitted(arrival, now)),
            Entry::Denied(denied) => rules.deny(denied, now),
            // Not without patience.
            Entry::Waits(_) => rules.deny(Denied::Never, now),
        }
    }

    /// Spends so much, without waiting.
    #[cfg(feature = "app")]
    pub(crate) fn admit(&self, weight: u32) -> Result<Spent, Refusal> {
        self.spend(weight).map_err(|limited| self.0.rules.refusal(limited))
    }

    /// Asks for so much, and waits if that is allowed.
    #[inline]
    pub(crate) fn enter(&self, weight: u32) -> Entrance {
        let now = self.0.rules.clock.ticks();
        let rules = &self.0.rules;
        if rules.is_too_late() {
            return Entrance::Refused(rules.too_late());
        }
        match self.entry(weight, now, true) {
            Entry::Admitted(arrival) => Entrance::Admitted(rules.admitted(arrival, now)),
            Entry::Waits(ticket) => Entrance::Waits(Turn::new(self.0.clone(), ticket, now)),
            Entry::Denied(denied) => Entrance::denied(rules, denied, now),
        }
    }

    #[inline]
    fn entry(&self, weight: u32, now: Ticks, patient: bool) -> Entry {
        let Shared { rules, meter } = &*self.0;
        self.recover(now);
        match NonZeroU32::new(weight) {
            Some(weight) => meter.enter(rules, weight, now, patient),
            None => Entry::Admitted(meter.look().0),
        }
    }

    /// Gives back what has come back of a lowered rate.
    #[inline]
    fn recover(&self, now: Ticks) {
        let Shared { rules, meter } = &*self.0;
        if rules.is_due(now) {
            rules.recover(|put| meter.retune(rules, now, put));
        }
    }

    /// Takes note that the called service has throttled a call (over HTTP: 429), and lowers the rate if the limit is
    /// [adaptive](RateLimitConfig::adaptive).
    pub fn throttled(&self) {
        let Shared { rules, meter } = &*self.0;
        rules.throttled(|put| meter.retune(rules, rules.clock.ticks(), put));
    }

    /// Returns what is left at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let Shared { rules, meter } = &*self.0;
        let now = rules.clock.ticks();
        self.recover(now);
        let (arrival, waiting) = meter.look();
        Spent::new(arrival, rules.terms(), now).snapshot(waiting)
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<RateLimitConfig> {
        self.0.rules.config()
    }

    /// Changes the settings of every layer of this handle. What has been spent stays spent, in requests; those who wait
    /// keep their place, and go by the new quota.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not
    /// change the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut RateLimitConfig)) -> Result<(), InvalidSettings> {
        let Shared { rules, meter } = &*self.0;
        let put_in_force = |put: &dyn Fn()| meter.retune(rules, rules.clock.ticks(), put);
        rules.reconfigure(|_| None, change, put_in_force)
    }

    pub(crate) fn name(&self) -> &str {
        self.0.rules.name()
    }
}

impl Gate for Shared {
    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn standing(&self, ticket: u64, now: Ticks, waker: &Waker) -> Standing {
        self.meter.standing(&self.rules, ticket, now, waker)
    }

    fn leave(&self, ticket: u64) {
        self.meter.leave(&self.rules, ticket, self.rules.clock.ticks());
    }
}

impl Describe for RateLimit {
    fn describe(&self) -> inventory::Entry {
        let rules = &self.0.rules;
        let Snapshot { remaining, waiting, .. } = self.snapshot();
        let share = rules.share();
        let state = if share < 1.0 { "lowered" } else { "full" };
        let adaptive = rules.config().adaptive.map_or("none".to_owned(), |adaptive| {
            let Adaptive {
                decrease,
                pause,
                increase,
                floor,
            } = adaptive;
            format!("to {decrease}% once in {pause:?}, {increase}% a second back, at least {floor}%")
        });
        let entry = rules.describe(state);
        entry
            .setting("adaptive", adaptive)
            .setting("share", format!("{:.0}%", share * 100.0))
            .setting("remaining", remaining)
            .setting("waiting", waiting)
            .saturation(1.0 - f64::from(remaining) / f64::from(rules.terms().burst.get()))
            .counter("throttled", rules.sum(Count::Throttled))
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("name", &self.name())
            .field("quota", &self.config().quota)
            .finish_non_exhaustive()
    }
}

/// Builds a [`RateLimit`] or a [`KeyedRateLimit`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RateLimitBuilder {
    name: SmolStr,
    config: RateLimitConfig,
    clock: Clock,
    events: Events,
}

impl RateLimitBuilder {
    /// How many requests in how much time, and how many at once. Default 100 a second, 200 at once.
    pub fn quota(mut self, quota: Quota) -> Self {
        self.config.quota = quota;
        self
    }

    /// How long a request may wait for its turn, up to 24 h. Default zero: it is refused at once.
    ///
    /// Requests wait in the order in which they came. One whose turn does not come in this time, or not before its
    /// deadline, is refused at once.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.config.wait = wait;
        self
    }

    /// Lowers the rate when the called service throttles, and raises it again. A limit with keys cannot.
    pub fn adaptive(mut self, adaptive: Adaptive) -> Self {
        self.config.adaptive = Some(adaptive);
        self
    }

    /// Lets every request through, and counts those that would have been refused or made wait. Default `false`.
    pub fn shadow(mut self, shadow: bool) -> Self {
        self.config.shadow = shadow;
        self
    }

    /// Decides by this clock; tests give one that they move.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sends an [event](crate::events) to `sink` whenever the settings change, and when an adaptive rate falls or is
    /// whole again.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range, or that fights another.
    pub fn build(self) -> Result<RateLimit, InvalidSettings> {
        let rules = self.rules()?;
        let meter = Meter::default();
        Ok(RateLimit(Arc::new(Shared { rules, meter })))
    }

    /// Makes a handle with one limit for each of at most `capacity` keys, from 1 to 10,000,000; `at_capacity` says what
    /// happens to a new one when there is room for no more.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and a capacity out of its range.
    pub fn build_keyed<K: Key>(
        self,
        capacity: usize,
        at_capacity: AtCapacity,
    ) -> Result<KeyedRateLimit<K>, InvalidSettings> {
        KeyedRateLimit::new(self, capacity, at_capacity)
    }

    pub(super) fn rules(self) -> Result<Rules, InvalidSettings> {
        Rules::new(self.name, self.config, self.clock, self.events)
    }
}
