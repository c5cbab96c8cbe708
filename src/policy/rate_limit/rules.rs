use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use super::adaptive::Share;
use super::config::{Adaptive, RateLimitConfig};
use super::engine::{Arrival, Denied};
use super::error::RateLimited;
use super::line::Wakers;
use super::quota::Terms;
use super::snapshot::Spent;
use crate::base::Counters;
use crate::base::clock::Clock;
use crate::base::deadline::{Deadline, is_too_late};
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::events::{Change, Events};
use crate::base::inventory::Entry;
use crate::base::live::Live;
use crate::base::refusal::{Reason, Refusal};
use crate::base::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::base::sync::{Mutex, lock};
use crate::base::ticks::{Ticks, nanos_of};

pub(super) const KIND: &str = "rate_limit";

/// What all keys of one handle have in common: settings, and the counts of what happened.
#[derive(Debug)]
pub(crate) struct Rules {
    name: SmolStr,
    settings: Live<RateLimitConfig>,
    /// Some of the settings again, because every request looks at them.
    interval: AtomicU64,
    burst: AtomicU32,
    wait: AtomicU64,
    shadow: AtomicBool,
    pub(super) clock: Clock,
    events: Events,
    share: Mutex<Share>,
    /// When to look next at what has come back of the rate.
    due: AtomicU64,
    counts: Counters<6>,
    pub(super) tickets: AtomicU64,
}

/// What is counted of all requests.
#[derive(Clone, Copy)]
pub(super) enum Count {
    Admitted,
    Refused,
    WouldRefuse,
    Waited,
    /// Requests that were dropped while they waited.
    Cancelled,
    Throttled,
}

impl Rules {
    pub(super) fn new(
        name: SmolStr,
        config: RateLimitConfig,
        clock: Clock,
        events: Events,
    ) -> Result<Self, InvalidSettings> {
        // The first look at the clock measures how fast it goes, which no request should wait for.
        clock.ticks();
        let terms = config.quota.terms();
        Ok(Self {
            interval: AtomicU64::new(terms.interval),
            burst: AtomicU32::new(terms.burst.get()),
            wait: AtomicU64::new(nanos_of(config.wait)),
            shadow: AtomicBool::new(config.shadow),
            settings: Live::new(&name, config)?,
            name,
            clock,
            events,
            share: Mutex::default(),
            due: AtomicU64::new(Ticks::NEVER.0),
            counts: Counters::default(),
            tickets: AtomicU64::new(0),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn config(&self) -> Arc<RateLimitConfig> {
        self.settings.load()
    }

    #[inline]
    pub(super) fn terms(&self) -> Terms {
        Terms {
            interval: self.interval.load(Ordering::Relaxed),
            burst: NonZeroU32::new(self.burst.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN),
        }
    }

    fn put_in_force(&self, terms: Terms) {
        self.interval.store(terms.interval, Ordering::Relaxed);
        self.burst.store(terms.burst.get(), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn count(&self, count: Count) {
        self.counts.add(count as usize);
    }

    pub(super) fn sum(&self, count: Count) -> u64 {
        self.counts.sum_of(count as usize)
    }

    /// Returns until when a request that comes now may wait; `None` if not at all.
    #[inline]
    pub(super) fn patience(&self, now: Ticks) -> Option<Ticks> {
        let wait = self.wait.load(Ordering::Relaxed);
        if wait == 0 || self.shadow.load(Ordering::Relaxed) {
            return None;
        }
        let wait = Duration::from_nanos(wait);
        let wait = Deadline::current().map_or(wait, |deadline| wait.min(deadline.remaining()));
        Some(now.after(wait))
    }

    /// Counts a request that goes through, and says what it has left behind.
    #[inline]
    pub(super) fn admitted(&self, arrival: Arrival, now: Ticks) -> Spent {
        self.count(Count::Admitted);
        Spent::new(arrival, self.terms(), now)
    }

    /// Refuses a request, or lets it through in shadow mode.
    #[inline]
    pub(super) fn deny(&self, denied: Denied, now: Ticks) -> Result<Spent, RateLimited> {
        let terms = self.terms();
        if self.shadow.load(Ordering::Relaxed) {
            self.count(Count::WouldRefuse);
            let spent = Arrival(now.after(terms.full()));
            return Ok(Spent::new(spent, terms, now));
        }
        self.count(Count::Refused);
        Err(RateLimited { terms, denied, now })
    }

    /// Makes the refusal of a request that was denied.
    pub(super) fn refusal(&self, limited: RateLimited) -> Refusal {
        Refusal::new(KIND, self.name.clone(), limited.into()).retry_in(limited.retry_after())
    }

    /// Returns whether nobody waits any more for what would be let through now; in shadow mode that is no matter.
    #[inline]
    pub(super) fn is_too_late(&self) -> bool {
        is_too_late(None) && !self.shadow.load(Ordering::Relaxed)
    }

    /// Refuses a request because the caller's deadline has passed.
    pub(super) fn too_late(&self) -> Refusal {
        self.count(Count::Refused);
        Refusal::new(KIND, self.name.clone(), Reason::DeadlinePassed)
    }

    /// Puts changed settings in force, unless there is an `objection`; `apply` does so where the old ones are still
    /// counted by, and says who is to be woken when nothing is locked any more.
    pub(super) fn reconfigure(
        &self,
        objection: impl FnOnce(&RateLimitConfig) -> Option<InvalidSetting>,
        change: impl FnOnce(&mut RateLimitConfig),
        apply: impl FnOnce(&dyn Fn()) -> Wakers,
    ) -> Result<(), InvalidSettings> {
        let mut wake = Wakers::default();
        self.settings.change_unless(&self.name, objection, change, |config| {
            let mut share = lock(&self.share);
            if config.adaptive.is_none() {
                *share = Share::default();
                self.due.store(Ticks::NEVER.0, Ordering::Relaxed);
            }
            let terms = shared_terms(config, &share);
            wake = apply(&|| self.put_in_force(terms));
            self.wait.store(nanos_of(config.wait), Ordering::Relaxed);
            self.shadow.store(config.shadow, Ordering::Relaxed);
        })?;
        wake.wake();
        self.events.emit(KIND, &self.name, Change::Settings);
        Ok(())
    }

    /// Takes note that a call was throttled; `apply` puts other terms in force.
    pub(super) fn throttled(&self, apply: impl FnOnce(&dyn Fn()) -> Wakers) {
        self.count(Count::Throttled);
        self.follow(apply, Share::throttled);
    }

    /// Returns whether some of the rate may have come back.
    #[inline]
    pub(super) fn is_due(&self, now: Ticks) -> bool {
        now.0 >= self.due.load(Ordering::Relaxed)
    }

    /// Gives back what has come back of the rate.
    #[cold]
    pub(super) fn recover(&self, apply: impl FnOnce(&dyn Fn()) -> Wakers) {
        self.follow(apply, |share, config, now| {
            share.recover(config, now);
            false
        });
    }

    /// Changes the share of the quota that is given; `change` returns whether that is a fall.
    fn follow(
        &self,
        apply: impl FnOnce(&dyn Fn()) -> Wakers,
        change: impl FnOnce(&mut Share, &Adaptive, Ticks) -> bool,
    ) {
        let now = self.clock.ticks();
        let (before, has_fallen, after, wake) = {
            let mut share = lock(&self.share);
            let config = self.config();
            let Some(adaptive) = &config.adaptive else { return };
            let before = share.share;
            let has_fallen = change(&mut share, adaptive, now);
            self.due.store(share.next_look(now).0, Ordering::Relaxed);
            let terms = shared_terms(&config, &share);
            let wake = apply(&|| self.put_in_force(terms));
            (before, has_fallen, share.share, wake)
        };
        wake.wake();
        let told = has_fallen || (after == 1.0 && before < 1.0);
        if told {
            let label = |share: f64| if share < 1.0 { "lowered" } else { "full" };
            let detail = format!("{:.0}% of the quota", after * 100.0);
            let (from, to) = (label(before), label(after));
            self.events.emit(
                KIND,
                &self.name,
                Change::State {
                    from,
                    to,
                    detail: &detail,
                },
            );
        }
    }

    /// Returns the share of the quota that is given at present, from above 0 to 1.
    pub(super) fn share(&self) -> f64 {
        lock(&self.share).share
    }

    pub(super) fn describe(&self, state: &'static str) -> Entry {
        let config = self.config();
        Entry::new(KIND, &*self.name, state)
            .setting("quota", config.quota)
            .setting("wait", format!("{:?}", config.wait))
            .setting("shadow", config.shadow)
            .counter("admitted", self.sum(Count::Admitted))
            .counter("refused", self.sum(Count::Refused))
            .counter("would_refuse", self.sum(Count::WouldRefuse))
            .counter("waited", self.sum(Count::Waited))
            .counter("cancelled", self.sum(Count::Cancelled))
    }
}

/// What is left of the quota at a share: the same burst, at a lower rate.
fn shared_terms(config: &RateLimitConfig, share: &Share) -> Terms {
    let mut terms = config.quota.terms();
    if share.share < 1.0 {
        terms.interval = (terms.interval as f64 / share.share).ceil() as u64;
    }
    terms
}
