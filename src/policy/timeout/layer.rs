use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::config::TimeoutConfig;
use super::future::{Call, Timed};
use super::service::TimeoutService;
use crate::base::Counter;
use crate::base::clock::FOREVER;
use crate::base::deadline::Deadline;
use crate::base::error::InvalidSettings;
use crate::base::events::{Change, EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::limit::Limit;
use crate::base::live::Live;
use crate::base::refusal::{Reason, Refusal};
use crate::base::stripe::{self, Lane, MOST_STRIPES, Striped};

pub(crate) const KIND: &str = "timeout";

/// Limits how long a call may take.
///
/// A cheap handle: clones and everything made from them share limits and counters, two handles share nothing.
#[derive(Clone, Debug)]
pub struct Timeout(Striped<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    name: SmolStr,
    settings: Live<TimeoutConfig>,
    limits: Limits,
    events: Events,
    calls: Counter,
    elapsed: Counter,
    cancelled: Counter,
}

impl Timeout {
    /// Starts a timeout with the defaults; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> TimeoutBuilder {
        TimeoutBuilder {
            name: SmolStr::new(name),
            config: TimeoutConfig::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any [`tower_service::Service`].
    pub fn layer(&self) -> TimeoutLayer {
        TimeoutLayer(self.clone())
    }

    /// Runs a future of your own under the limit.
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`](crate::Guarded::Refused) when the limit or the caller's
    /// [deadline](crate::deadline::Deadline) passed first,
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the future's own error.
    ///
    /// # Cancellation
    ///
    /// `operation` is called at once, unless the deadline has passed already. Dropping the returned future drops yours and
    /// counts as cancelled; when the limit passes, yours is dropped before
    /// this returns to the runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use seaworthy::{Guarded, timeout::Timeout};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let ledger = Timeout::builder("ledger").limit(Duration::from_millis(5)).build().unwrap();
    /// let answer = ledger.call(|| async { Ok::<_, std::io::Error>(42) }).await;
    /// assert_eq!(answer.unwrap(), 42);
    ///
    /// let hung = ledger.call(|| std::future::pending::<Result<(), std::io::Error>>()).await;
    /// assert!(matches!(hung, Err(Guarded::Refused(refusal)) if refusal.name() == "ledger"));
    /// # }
    /// ```
    #[inline]
    pub fn call<F, Fut, T, E>(&self, operation: F) -> Call<Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Call::new(self.timed(self.limit(), None, operation))
    }

    /// Returns the limits in force.
    pub fn config(&self) -> Arc<TimeoutConfig> {
        self.0.settings.load()
    }

    /// Changes the limits of every layer of this handle; calls that already wait keep theirs.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old limits stay in force then. Changes wait for each other: `change` must not change
    /// the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut TimeoutConfig)) -> Result<(), InvalidSettings> {
        self.0
            .settings
            .change(&self.0.name, change, |config| self.0.limits.set(config))?;
        self.0.events.emit(KIND, &self.0.name, Change::Settings);
        Ok(())
    }

    /// Puts what `start` makes under `limit`, and under the deadline that came with the request; counts it.
    #[inline]
    pub(crate) fn timed<F>(&self, limit: Duration, given: Option<Deadline>, start: impl FnOnce() -> F) -> Timed<F> {
        self.0.calls.increment();
        Timed::start(self.0.lane(), limit, given, start)
    }

    /// Returns the limit of a call.
    #[inline]
    pub(super) fn limit(&self) -> Duration {
        self.0.limits.limit.get().unwrap_or(FOREVER)
    }

    /// Returns all limits in force, without touching a count that threads share.
    #[cfg(feature = "http")]
    pub(crate) fn limits(&self) -> TimeoutConfig {
        let Limits {
            body_total, body_idle, ..
        } = &self.0.limits;
        let limit = self.limit();
        TimeoutConfig {
            limit,
            // `Limits::set` stores one after the other: `limit` may be the new one already.
            body_total: body_total.get().map(|total| total.max(limit)),
            body_idle: body_idle.get(),
        }
    }

    pub(crate) fn lane(&self) -> Lane<Shared> {
        self.0.lane()
    }
}

/// The settings again, because every call looks at them.
#[derive(Debug)]
struct Limits {
    limit: Limit,
    body_total: Limit,
    body_idle: Limit,
}

impl Limits {
    fn new(config: &TimeoutConfig) -> Self {
        Self {
            limit: Limit::new(Some(config.limit)),
            body_total: Limit::new(config.body_total),
            body_idle: Limit::new(config.body_idle),
        }
    }

    fn set(&self, config: &TimeoutConfig) {
        self.limit.set(Some(config.limit));
        self.body_total.set(config.body_total);
        self.body_idle.set(config.body_idle);
    }
}

impl Shared {
    #[cold]
    pub(crate) fn refuse(&self, reason: Reason) -> Refusal {
        self.elapsed.increment();
        Refusal::new(KIND, self.name.clone(), reason)
    }

    pub(super) fn cancelled(&self) {
        self.cancelled.increment();
    }
}

impl Describe for Timeout {
    fn describe(&self) -> Entry {
        let config = self.config();
        let or_none = |limit: Option<Duration>| limit.map_or("none".into(), |limit| format!("{limit:?}"));
        Entry::new(KIND, &*self.0.name, "on")
            .setting("limit", format!("{:?}", config.limit))
            .setting("body_total", or_none(config.body_total))
            .setting("body_idle", or_none(config.body_idle))
            .counter("calls", self.0.calls.sum())
            .counter("elapsed", self.0.elapsed.sum())
            .counter("cancelled", self.0.cancelled.sum())
    }
}

/// Builds a [`Timeout`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TimeoutBuilder {
    name: SmolStr,
    config: TimeoutConfig,
    events: Events,
}

impl TimeoutBuilder {
    /// The longest time from the call, waiting for readiness included, to the response. Default 1.5 s.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.config.limit = limit;
        self
    }

    /// The longest time from the call to the end of the response's body, over HTTP. Default: none.
    pub fn body_total(mut self, total: Duration) -> Self {
        self.config.body_total = Some(total);
        self
    }

    /// The longest silence of a body that is waited for, over HTTP. Default: none.
    pub fn body_idle(mut self, idle: Duration) -> Self {
        self.config.body_idle = Some(idle);
        self
    }

    /// Sends a [settings event](Change::Settings) to `sink` whenever the limits change.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every limit that is out of its range.
    pub fn build(self) -> Result<Timeout, InvalidSettings> {
        let shared = Shared {
            limits: Limits::new(&self.config),
            settings: Live::new(&self.name, self.config)?,
            name: self.name,
            events: self.events,
            calls: Counter::default(),
            elapsed: Counter::default(),
            cancelled: Counter::default(),
        };
        Ok(Timeout(Striped::new(shared, stripe::count(MOST_STRIPES))))
    }
}

/// Puts every call of a service under a [`Timeout`].
#[derive(Clone, Debug)]
pub struct TimeoutLayer(Timeout);

impl<S> Layer<S> for TimeoutLayer {
    type Service = TimeoutService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TimeoutService::new(inner, self.0.clone())
    }
}

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_half_changed_could_have_been_accepted() {
        let [second, minute] = [1, 60].map(Duration::from_secs);
        let timeout = Timeout::builder("payments").limit(second).body_total(second);
        let timeout = timeout.build().unwrap();
        // As far as `Limits::set` is after its first store.
        timeout.0.limits.limit.set(Some(minute));
        let TimeoutConfig { limit, body_total, .. } = timeout.limits();
        assert_eq!((limit, body_total), (minute, Some(minute)));
    }
}
