use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::config::BulkheadConfig;
use super::future::{Acquire, Call};
use super::keyed::{Key, KeyedBulkhead};
use super::permit::{self, Room};
use super::rules::Rules;
use super::service::BulkheadService;
use super::snapshot::Snapshot;
use crate::base::error::InvalidSettings;
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::places::{Granted, Places};
use crate::base::refusal::{Reason, Refusal};
use crate::base::stripe::{self, Lane, MOST_STRIPES, Striped};

/// Caps how many calls are under way at once.
///
/// A cheap handle: clones and everything made from them share the same places; two handles share nothing, not even if
/// they have the same name.
#[derive(Clone, Debug)]
pub struct Bulkhead(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    room: Striped<Room>,
    // Not in the room, which a thread may keep for longer than anybody has a handle.
    events: Events,
}

impl Bulkhead {
    /// Starts a bulkhead with the defaults; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> BulkheadBuilder {
        BulkheadBuilder {
            name: SmolStr::new(name),
            config: BulkheadConfig::default(),
            events: Events::default(),
        }
    }

    pub(super) fn new(name: SmolStr, config: BulkheadConfig, events: Events) -> Result<Self, InvalidSettings> {
        let stripes = stripe::count(MOST_STRIPES);
        let places = Places::new(config.concurrent as usize, config.most_waiting(), stripes);
        let room = Room {
            are_lanes_kept: true,
            rules: Arc::new(Rules::new(name, config)?),
            places,
        };
        let room = Striped::new(room, stripes);
        Ok(Self(Arc::new(Shared { room, events })))
    }

    /// Makes the layer for any [`tower_service::Service`].
    pub fn layer(&self) -> BulkheadLayer {
        BulkheadLayer(self.clone())
    }

    /// Runs a future of your own when there is a place for it.
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`](crate::Guarded::Refused) without `operation` having been called: no place came free in time,
    /// nobody else may wait, or the caller's [deadline](crate::deadline::Deadline) has passed.
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the future's own error.
    ///
    /// # Cancellation
    ///
    /// Nothing happens before the first poll. Dropping the returned future leaves the queue, or drops yours and gives its
    /// place back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use seaworthy::bulkhead::Bulkhead;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let ledger = Bulkhead::builder("ledger").concurrent(2).build().unwrap();
    /// let answer = ledger.call(|| async { Ok::<_, std::io::Error>(ledger.snapshot().in_flight) }).await;
    /// assert_eq!(answer.unwrap(), 1);
    /// assert_eq!(ledger.snapshot().in_flight, 0);
    /// # }
    /// ```
    #[inline]
    pub fn call<F, Fut, T, E>(&self, operation: F) -> Call<F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Call::new(self.acquire(), operation)
    }

    /// Waits for a place, and gives it to you for as long as you keep the [`Permit`](super::Permit).
    ///
    /// For work that is no single future: a connection, a session, something that is handed to a thread.
    ///
    /// # Errors
    ///
    /// The refusal, as of [`call`](Self::call).
    ///
    /// # Cancellation
    ///
    /// Dropping the returned future leaves the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// # use seaworthy::bulkhead::Bulkhead;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let sessions = Bulkhead::builder("sessions").concurrent(1).queue(0).build().unwrap();
    /// let permit = sessions.acquire().await.unwrap();
    /// assert!(sessions.acquire().await.is_err());
    /// drop(permit);
    /// assert!(sessions.acquire().await.is_ok());
    /// # }
    /// ```
    #[inline]
    pub fn acquire(&self) -> Acquire {
        Acquire::new(self.lane())
    }

    /// Returns how many places are taken, how many callers wait, and for how long they have.
    pub fn snapshot(&self) -> Snapshot {
        self.0.room.rules.snapshot(&self.0.room.places)
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<BulkheadConfig> {
        self.0.room.rules.config()
    }

    /// Changes the settings of every layer of this handle.
    ///
    /// With more places those who wait are let in at once; with fewer, calls under way go on, and nobody is let in until
    /// enough of them have ended. Those who wait already keep their position and the time they had.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not change
    /// the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut BulkheadConfig)) -> Result<(), InvalidSettings> {
        let mut granted = Granted::default();
        self.0.room.rules.reconfigure(change, |config| {
            let places = config.concurrent as usize;
            granted = self.0.room.places.resize(places, config.most_waiting());
        })?;
        granted.wake();
        self.0.room.rules.announce(&self.0.events);
        Ok(())
    }

    #[inline]
    pub(super) fn lane(&self) -> Lane<Room> {
        permit::lane(&self.0.room)
    }

    pub(super) fn refuse(&self, reason: Reason) -> Refusal {
        self.0.room.rules.refuse(reason)
    }
}

impl Describe for Bulkhead {
    fn describe(&self) -> Entry {
        self.0.room.rules.describe(&self.snapshot().load())
    }
}

/// Builds a [`Bulkhead`].
#[derive(Clone, Debug)]
#[must_use]
pub struct BulkheadBuilder {
    name: SmolStr,
    config: BulkheadConfig,
    events: Events,
}

impl BulkheadBuilder {
    /// How many calls may be under way at once, from 1 to 1,000,000. Default 64.
    pub fn concurrent(mut self, calls: u32) -> Self {
        self.config.concurrent = calls;
        self
    }

    /// How many callers may wait for a place, from 0 to 1,000,000. Default 64.
    pub fn queue(mut self, callers: u32) -> Self {
        self.config.queue = callers;
        self
    }

    /// How long each of them may wait, from 1 ms to 24 h; zero if nobody may. Default 100 ms.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.config.wait = wait;
        self
    }

    /// Sends a [settings event](crate::events::Change::Settings) to `sink` whenever the settings change.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes a handle with places of their own for each key instead, for at most `capacity` keys at once, from 2 to
    /// 1,000,000.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range.
    pub fn build_keyed<K: Key>(self, capacity: usize) -> Result<KeyedBulkhead<K>, InvalidSettings> {
        KeyedBulkhead::new(self.name, self.config, self.events, capacity)
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range.
    pub fn build(self) -> Result<Bulkhead, InvalidSettings> {
        Bulkhead::new(self.name, self.config, self.events)
    }
}

/// Puts every call of a service into a [`Bulkhead`].
#[derive(Clone, Debug)]
pub struct BulkheadLayer(Bulkhead);

impl<S> Layer<S> for BulkheadLayer {
    type Service = BulkheadService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BulkheadService::new(inner, self.0.clone())
    }
}
