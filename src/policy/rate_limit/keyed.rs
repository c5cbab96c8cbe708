//! One limit for each of many keys.

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::config::RateLimitConfig;
use super::engine::Denied;
use super::error::RateLimited;
use super::future::{Call, Gated};
use super::layer::{PerKey, RateLimitLayer};
use super::limit::RateLimitBuilder;
use super::line::{Entry, Standing, Wakers};
use super::meter::KeyMeter;
use super::rules::Rules;
use super::snapshot::{Snapshot, Spent};
use super::turn::{Entrance, Gate, Turn};
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::inventory::{self, Describe};
use crate::base::keyed::{self, Full, Kept, KeyedStore};
#[cfg(feature = "app")]
use crate::base::refusal::Refusal;
use crate::base::sync::{Mutex, lock};
use crate::base::ticks::Ticks;

/// Limits how many requests of each key are let through in a time: of each client, tenant or supplier.
///
/// A cheap handle, like a [`RateLimit`](super::RateLimit), with the same settings for every key. It keeps a bounded number
/// of keys. A key whose allowance is whole again is like a new one, so it is forgotten whenever its room is needed, and
/// otherwise, as long as others come, within about twice the time in which a burst comes back, or two seconds if that is
/// less. A key takes about 64 bytes beside what it holds.
pub struct KeyedRateLimit<K: Key>(Arc<Shared<K>>);

struct Shared<K: Key> {
    rules: Rules,
    capacity: usize,
    at_capacity: AtCapacity,
    keys: KeyedStore<Client<K>>,
    /// Of all keys for which there was no room.
    others: Mutex<KeyMeter>,
}

/// What can be a key.
pub trait Key: Hash + Eq + Clone + Send + Sync + 'static {}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Key for K {}

/// What happens to a new key when there is room for no more, because no other key has its allowance back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AtCapacity {
    /// Those are forgotten that have spent the least, half of the ones it would be kept with: a flood of keys that are
    /// used once does not make a known client's account forgotten.
    #[default]
    Forget,
    /// It shares one allowance with all others for which there is no room.
    Share,
    /// It is refused, with [`Reason::TooManyKeys`](crate::Reason::TooManyKeys).
    Refuse,
}

struct Client<K> {
    key: K,
    meter: KeyMeter,
}

impl<K: Key> Kept for Client<K> {
    type Key = K;

    fn key(&self) -> &K {
        &self.key
    }

    fn worth(&self, now: Ticks) -> u64 {
        self.meter.worth(now)
    }
}

impl<K: Key> KeyedRateLimit<K> {
    pub(super) fn new(
        builder: RateLimitBuilder,
        capacity: usize,
        at_capacity: AtCapacity,
    ) -> Result<Self, InvalidSettings> {
        let rules = builder.rules()?;
        let mut wrong = Vec::new();
        if !(1..=10_000_000).contains(&capacity) {
            let key = format!("rate_limit.{}.capacity", rules.name());
            let found = capacity.to_string();
            wrong.push(InvalidSetting::new(key, found, "from 1 to 10000000 keys"));
        }
        wrong.extend(not_adaptive(rules.name(), &rules.config()));
        InvalidSettings::check(wrong)?;
        let sweep = rules
            .terms()
            .full()
            .clamp(Duration::from_secs(1), Duration::from_secs(60));
        let keep = match at_capacity {
            AtCapacity::Forget => keyed::AtCapacity::Forget,
            AtCapacity::Share | AtCapacity::Refuse => keyed::AtCapacity::Refuse,
        };
        Ok(Self(Arc::new(Shared {
            others: Mutex::new(KeyMeter::new(rules.terms().interval)),
            rules,
            capacity,
            at_capacity,
            keys: KeyedStore::new(capacity, sweep, keep),
        })))
    }

    /// Makes the layer for any [`tower_service::Service`]; `key` says whose each request is, which counts as one.
    pub fn layer<X>(&self, key: X) -> RateLimitLayer<PerKey<K, X>> {
        RateLimitLayer::new(PerKey::new(self.clone(), key))
    }

    /// Runs a future of your own when the turn of `key` has come; as [`RateLimit::call`](super::RateLimit::call).
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`](crate::Guarded::Refused) without `operation` having been called,
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the future's own error.
    ///
    /// # Cancellation
    ///
    /// As [`RateLimit::call`](super::RateLimit::call).
    #[inline]
    pub fn call<F, Fut, T, E>(&self, key: K, operation: F) -> Call<F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Call::new(Gated::new(self.enter(key, 1), operation))
    }

    /// Spends `weight` of what is left to `key`, all or nothing and without waiting; a weight of 0 costs nothing.
    ///
    /// # Errors
    ///
    /// When less than that is left, somebody waits, or there is no room for the key.
    #[inline]
    pub fn check(&self, key: K, weight: u32) -> Result<(), RateLimited> {
        self.spend(key, weight).map(drop)
    }

    #[inline]
    fn spend(&self, key: K, weight: u32) -> Result<Spent, RateLimited> {
        let rules = &self.0.rules;
        let now = rules.clock.ticks();
        match self.entry(key, weight, now, false).0 {
            Ok(Entry::Admitted(arrival)) => Ok(rules.admitted(arrival, now)),
            Ok(Entry::Denied(denied)) => rules.deny(denied, now),
            // Not without patience.
            Ok(Entry::Waits(_)) => rules.deny(Denied::Never, now),
            Err(Full) => rules.deny(Denied::NoRoom, now),
        }
    }

    /// Spends so much, without waiting.
    #[cfg(feature = "app")]
    pub(crate) fn admit(&self, key: K, weight: u32) -> Result<Spent, Refusal> {
        self.spend(key, weight).map_err(|limited| self.0.rules.refusal(limited))
    }

    /// Returns what is left to `key` at this moment, or `None` if it has spent nothing lately.
    pub fn snapshot(&self, key: &K) -> Option<Snapshot> {
        let rules = &self.0.rules;
        let now = rules.clock.ticks();
        let look = |client: &mut Client<K>| client.meter.look(rules, now);
        let (arrival, waiting) = self.0.keys.peek(key, look)?;
        Some(Spent::new(arrival, rules.terms(), now).snapshot(waiting))
    }

    /// Counts the keys of which account is kept now.
    pub fn keys(&self) -> usize {
        self.0.keys.len()
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<RateLimitConfig> {
        self.0.rules.config()
    }

    /// Changes the settings of all keys; as [`RateLimit::reconfigure`](super::RateLimit::reconfigure).
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then.
    pub fn reconfigure(&self, change: impl FnOnce(&mut RateLimitConfig)) -> Result<(), InvalidSettings> {
        let Shared {
            rules, keys, others, ..
        } = &*self.0;
        let objection = |config: &RateLimitConfig| not_adaptive(rules.name(), config);
        rules.reconfigure(objection, change, |put_in_force| {
            put_in_force();
            // At once, as what has been spent until now comes back at the new rate from now on.
            let (now, mut wake) = (rules.clock.ticks(), Wakers::default());
            keys.for_each(|client| client.meter.change(rules, now, &mut wake));
            lock(others).change(rules, now, &mut wake);
            wake
        })
    }

    pub(crate) fn name(&self) -> &str {
        self.0.rules.name()
    }

    /// Asks for so much, and waits if that is allowed.
    #[inline]
    pub(crate) fn enter(&self, key: K, weight: u32) -> Entrance {
        let rules = &self.0.rules;
        if rules.is_too_late() {
            return Entrance::Refused(rules.too_late());
        }
        let now = rules.clock.ticks();
        let (entry, waiting) = self.entry(key, weight, now, true);
        match entry {
            Ok(Entry::Admitted(arrival)) => Entrance::Admitted(rules.admitted(arrival, now)),
            Ok(Entry::Waits(ticket)) => {
                let shared = self.0.clone();
                Entrance::Waits(Turn::new(Arc::new(OfKey { shared, key: waiting }), ticket, now))
            }
            Ok(Entry::Denied(denied)) => Entrance::denied(rules, denied, now),
            Err(Full) => Entrance::denied(rules, Denied::NoRoom, now),
        }
    }

    /// Asks the account of a key; also returns whose line it waits in, if it does.
    #[inline]
    fn entry(&self, key: K, weight: u32, now: Ticks, patient: bool) -> (Result<Entry, Full>, Option<K>) {
        let Shared { rules, keys, .. } = &*self.0;
        let Some(weight) = NonZeroU32::new(weight) else {
            let arrival = keys.peek(&key, |client| client.meter.look(rules, now).0);
            return (Ok(Entry::Admitted(arrival.unwrap_or_default())), None);
        };
        let mut wake = Wakers::default();
        let make = |key| Client {
            key,
            meter: KeyMeter::new(rules.terms().interval),
        };
        let entered = keys.with(key, now, make, |client| {
            let entry = client.meter.enter(rules, weight, now, patient, &mut wake);
            let waits = matches!(entry, Entry::Waits(_)).then(|| client.key.clone());
            (entry, waits)
        });
        let (entry, waits) = match entered {
            Ok((entry, waits)) => (Ok(entry), waits),
            Err(Full) if self.0.at_capacity == AtCapacity::Share => {
                let entry = lock(&self.0.others).enter(rules, weight, now, patient, &mut wake);
                (Ok(entry), None)
            }
            Err(Full) => (Err(Full), None),
        };
        wake.wake();
        (entry, waits)
    }
}

/// Objects to an adaptive rate, which would follow all suppliers at once.
fn not_adaptive(name: &str, config: &RateLimitConfig) -> Option<InvalidSetting> {
    let allowed = "left out: one rate for all keys would follow the one that throttles; use a `RateLimit` for each";
    let adaptive = config.adaptive?;
    let key = format!("rate_limit.{name}.adaptive");
    Some(InvalidSetting::new(key, format!("{adaptive:?}"), allowed))
}

/// The line of one key, or of those for which there was no room.
struct OfKey<K: Key> {
    shared: Arc<Shared<K>>,
    key: Option<K>,
}

impl<K: Key> OfKey<K> {
    fn with<T>(&self, work: impl FnOnce(&mut KeyMeter, &mut Wakers) -> T) -> Option<T> {
        let mut wake = Wakers::default();
        let done = match &self.key {
            Some(key) => self.shared.keys.peek(key, |client| work(&mut client.meter, &mut wake)),
            None => Some(work(&mut lock(&self.shared.others), &mut wake)),
        };
        wake.wake();
        done
    }
}

impl<K: Key> Gate for OfKey<K> {
    fn rules(&self) -> &Rules {
        &self.shared.rules
    }

    fn standing(&self, ticket: u64, now: Ticks, waker: &Waker) -> Standing {
        let rules = &self.shared.rules;
        let standing = self.with(|meter, wake| meter.standing(rules, ticket, now, waker, wake));
        // Its turn came, and then its key went: nobody is forgotten who waits.
        standing.unwrap_or(Standing::Admitted(Default::default()))
    }

    fn leave(&self, ticket: u64) {
        let rules = &self.shared.rules;
        let now = rules.clock.ticks();
        self.with(|meter, wake| meter.leave(rules, ticket, now, wake));
    }
}

impl<K: Key> Describe for KeyedRateLimit<K> {
    fn describe(&self) -> inventory::Entry {
        let Shared {
            rules,
            capacity,
            at_capacity,
            ..
        } = &*self.0;
        let entry = rules.describe("keyed");
        entry
            .setting("capacity", capacity)
            .setting("at_capacity", format!("{at_capacity:?}").to_lowercase())
            .setting("keys", self.keys())
            .saturation(self.keys() as f64 / *capacity as f64)
    }
}

impl<K: Key> Clone for KeyedRateLimit<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Key> fmt::Debug for KeyedRateLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimit")
            .field("name", &self.name())
            .field("quota", &self.config().quota)
            .field("capacity", &self.0.capacity)
            .finish_non_exhaustive()
    }
}
