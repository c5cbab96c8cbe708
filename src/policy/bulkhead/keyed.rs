//! Places of their own for each of many keys.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;
use tower_service::Service;

use super::config::BulkheadConfig;
use super::future::{Acquire, Call, ResponseFuture};
use super::permit::Room;
use super::placed::Placed;
use super::rules::Rules;
use super::snapshot::{Load, Snapshot};
use crate::base::clock::Clock;
use crate::base::error::{BoxError, InvalidSetting, InvalidSettings};
use crate::base::events::Events;
use crate::base::inventory::{Describe, Entry};
use crate::base::key::KeyExtractor;
use crate::base::keyed::{AtCapacity, Full, IN_USE, Kept, KeyedStore};
use crate::base::places::{Granted, Places};
use crate::base::refusal::{Reason, Refusal};
use crate::base::stripe::Lane;
use crate::base::ticks::Ticks;

/// Caps how many calls are under way at once for each of many keys: hosts, tenants, clients.
///
/// A cheap handle, like a [`Bulkhead`](super::Bulkhead), with the same settings for every key, each of which has places
/// and a queue of its own. It keeps a bounded number of keys. One with calls under way or waiting is never forgotten, one
/// without may go at any time, as nothing is lost with it; a new one for which there is no room is refused.
///
/// # Examples
///
/// ```
/// use seaworthy::bulkhead::Bulkhead;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let tenants = Bulkhead::builder("tenants").concurrent(4).build_keyed::<u64>(10_000).unwrap();
/// let handler = service_fn(|(tenant, n): (u64, u32)| async move { Ok::<_, std::io::Error>(n + 1) });
/// let service = tenants.layer(|request: &(u64, u32)| request.0).layer(handler);
/// assert_eq!(service.oneshot((7, 1)).await.unwrap(), 2);
/// # }
/// ```
pub struct KeyedBulkhead<K>(Arc<Shared<K>>);

struct Shared<K> {
    rules: Arc<Rules>,
    events: Events,
    capacity: usize,
    rooms: KeyedStore<Slot<K>>,
}

/// A key's place in the store.
struct Slot<K> {
    key: K,
    /// One lane: keys already spread threads.
    room: Lane<Room>,
}

impl<K: Key> Kept for Slot<K> {
    type Key = K;

    fn key(&self) -> &K {
        &self.key
    }

    fn worth(&self, _: Ticks) -> u64 {
        // Whoever asks has a lane before it has a place or a position in the queue, and until it has given that back.
        if self.room.is_in_use() { IN_USE } else { 0 }
    }
}

/// What can be a key: anything that tells itself from others.
pub trait Key: Hash + Eq + Clone + Send + Sync + 'static {}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Key for K {}

/// How often keys that nobody uses are looked for, if nobody needs their room before.
const SWEEP: Duration = Duration::from_secs(30);

impl<K: Key> KeyedBulkhead<K> {
    pub(super) fn new(
        name: SmolStr,
        config: BulkheadConfig,
        events: Events,
        capacity: usize,
    ) -> Result<Self, InvalidSettings> {
        let rules = Rules::new(name, config)?;
        if !(2..=1_000_000).contains(&capacity) {
            let key = format!("bulkhead.{}.capacity", rules.name());
            let wrong = InvalidSetting::new(key, capacity.to_string(), "from 2 to 1000000 keys");
            return Err(InvalidSettings::of(vec![wrong]));
        }
        Ok(Self(Arc::new(Shared {
            rules: Arc::new(rules),
            events,
            capacity,
            rooms: KeyedStore::new(capacity, SWEEP, AtCapacity::Forget),
        })))
    }

    /// Makes the layer for any [`tower_service::Service`] that is `Clone`; `key` says whose a request is, such as a closure
    /// from a request to its key.
    pub fn layer<F>(&self, key: F) -> KeyedBulkheadLayer<K, F> {
        let bulkhead = self.clone();
        KeyedBulkheadLayer { bulkhead, key }
    }

    /// Runs a future of your own when there is a place for it; as [`Bulkhead::call`](super::Bulkhead::call).
    ///
    /// # Errors
    ///
    /// As of [`Bulkhead::call`](super::Bulkhead::call), and if there is no room for another key.
    ///
    /// # Cancellation
    ///
    /// As of [`Bulkhead::call`](super::Bulkhead::call); the key counts as used until the returned future is dropped.
    #[inline]
    pub fn call<F, Fut, T, E>(&self, key: K, operation: F) -> Call<F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Call::new(self.acquire(key), operation)
    }

    /// Waits for a place; as [`Bulkhead::acquire`](super::Bulkhead::acquire).
    ///
    /// # Errors
    ///
    /// The refusal, as of [`call`](Self::call).
    ///
    /// # Cancellation
    ///
    /// Dropping the returned future leaves the queue.
    pub fn acquire(&self, key: K) -> Acquire {
        match self.lane(key) {
            Ok(lane) => Acquire::new(lane),
            Err(refusal) => Acquire::refused(refusal),
        }
    }

    /// Returns how many places of `key` are taken and how many callers wait for one; `None` if it is not in use.
    ///
    /// What has waited is counted for all keys together.
    pub fn snapshot(&self, key: &K) -> Option<Snapshot> {
        let room = self.0.rooms.peek(key, |slot| slot.room.clone())?;
        Some(room.rules.snapshot(&room.places))
    }

    /// Counts the keys that are kept now; some may not be in use.
    pub fn keys(&self) -> usize {
        self.0.rooms.len()
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<BulkheadConfig> {
        self.0.rules.config()
    }

    /// Changes the settings of all keys; as [`Bulkhead::reconfigure`](super::Bulkhead::reconfigure).
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then.
    pub fn reconfigure(&self, change: impl FnOnce(&mut BulkheadConfig)) -> Result<(), InvalidSettings> {
        let mut granted = Vec::new();
        self.0.rules.reconfigure(change, |config| {
            let places = config.concurrent as usize;
            let resize = |slot: &mut Slot<K>| granted.push(slot.room.places.resize(places, config.most_waiting()));
            self.0.rooms.for_each(resize);
        })?;
        granted.into_iter().for_each(Granted::wake);
        self.0.rules.announce(&self.0.events);
        Ok(())
    }

    /// Asks for a place of that key.
    pub(crate) fn enter<S, Req>(&self, key: K, service: &mut S, request: Req) -> Placed<S, Req>
    where
        S: Service<Req> + Clone,
    {
        match self.lane(key) {
            Ok(lane) => Placed::new(lane, service, request),
            Err(refusal) => Placed::refused(refusal),
        }
    }

    fn lane(&self, key: K) -> Result<Lane<Room>, Refusal> {
        let Shared { rules, rooms, .. } = &*self.0;
        let make = |key| {
            // Read with the key's part of the store locked: whoever changes it now comes by later.
            let config = rules.config();
            let places = Places::new(config.concurrent as usize, config.most_waiting(), 1);
            let rules = Arc::clone(rules);
            let room = Lane::only(Room {
                are_lanes_kept: false,
                rules,
                places,
            });
            Slot { key, room }
        };
        let lane = rooms.with(key, Clock::default().ticks(), make, |slot| slot.room.clone());
        lane.map_err(|Full| rules.refuse(Reason::TooManyKeys))
    }
}

impl<K: Key> Describe for KeyedBulkhead<K> {
    fn describe(&self) -> Entry {
        let concurrent = self.config().concurrent as usize;
        let mut load = Load::default();
        self.0.rooms.for_each(|slot| {
            let (in_flight, queued) = slot.room.places.look();
            load.add(&Load::new(in_flight, queued, concurrent));
        });
        let entry = self.0.rules.describe(&load);
        entry.setting("capacity", self.0.capacity).setting("keys", self.keys())
    }
}

impl<K> Clone for KeyedBulkhead<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for KeyedBulkhead<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBulkhead")
            .field("rules", &self.0.rules)
            .field("capacity", &self.0.capacity)
            .finish_non_exhaustive()
    }
}

/// Puts every call of a service into the places of its key.
pub struct KeyedBulkheadLayer<K, F> {
    bulkhead: KeyedBulkhead<K>,
    key: F,
}

impl<K, F: Clone> Clone for KeyedBulkheadLayer<K, F> {
    fn clone(&self) -> Self {
        Self {
            bulkhead: self.bulkhead.clone(),
            key: self.key.clone(),
        }
    }
}

impl<K, F> fmt::Debug for KeyedBulkheadLayer<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyedBulkheadLayer").field(&self.bulkhead).finish()
    }
}

impl<S, K, F: Clone> Layer<S> for KeyedBulkheadLayer<K, F> {
    type Service = KeyedBulkheadService<S, K, F>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedBulkheadService {
            inner,
            bulkhead: self.bulkhead.clone(),
            key: self.key.clone(),
        }
    }
}

/// The tower shell of a [`KeyedBulkhead`]; always ready, because only a request tells its key.
pub struct KeyedBulkheadService<S, K, F> {
    inner: S,
    bulkhead: KeyedBulkhead<K>,
    key: F,
}

impl<S: Clone, K, F: Clone> Clone for KeyedBulkheadService<S, K, F> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            bulkhead: self.bulkhead.clone(),
            key: self.key.clone(),
        }
    }
}

impl<S, K, F> fmt::Debug for KeyedBulkheadService<S, K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyedBulkheadService").field(&self.bulkhead).finish()
    }
}

impl<S, K, F, Req> Service<Req> for KeyedBulkheadService<S, K, F>
where
    S: Service<Req, Error: Into<BoxError>> + Clone,
    K: Key,
    F: KeyExtractor<Req, Key = K>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<Placed<S, Req>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let key = self.key.extract(&request);
        ResponseFuture::new(self.bulkhead.enter(key, &mut self.inner, request))
    }
}
