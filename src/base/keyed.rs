//! State for each of many keys, bounded however many keys there are.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::stripe::{self, Padded};
use super::sync::atomic::{AtomicU64, Ordering};
use super::sync::{Mutex, lock};
use super::ticks::Ticks;

/// Keeps one shared value for each key, for as many keys as it has room for.
///
/// Keys live in two generations. One that is used moves to the young generation; when that has half of the keys, or is
/// as old as the idle time, the old generation is forgotten and the young one takes its place. So about the half of the
/// room that was used last stays (keys do not fall evenly on shards), and a key that nobody uses goes after one to two
/// idle times.
pub(crate) struct KeyedStore<K, V> {
    shards: Box<[Locked<K, V>]>,
    hasher: RandomState,
    /// The most keys of one generation of a shard.
    most: usize,
    idle: Duration,
    /// When to look at all shards next, those that nobody uses too.
    sweep: AtomicU64,
}

type Locked<K, V> = Padded<Mutex<Shard<K, V>>>;

struct Shard<K, V> {
    young: Keys<K, V>,
    old: Keys<K, V>,
}

type Keys<K, V> = HashSet<ByKey<K, V>, RandomState>;

/// A value with the key it belongs to.
pub(crate) struct Keyed<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
}

struct ByKey<K, V>(Arc<Keyed<K, V>>);

impl<K: Hash + Eq, V> KeyedStore<K, V> {
    /// Makes a store of at most `capacity` keys, at least two.
    pub(crate) fn new(capacity: usize, idle: Duration) -> Self {
        // Small stores stay whole: keys do not fall evenly on shards.
        let shards = stripe::count(16).min((capacity / 256).max(1).next_power_of_two());
        let hasher = RandomState::new();
        let shard = || Shard {
            young: HashSet::with_hasher(hasher.clone()),
            old: HashSet::with_hasher(hasher.clone()),
        };
        Self {
            shards: (0..shards).map(|_| Padded(Mutex::new(shard()))).collect(),
            most: (capacity / shards / 2).max(1),
            hasher,
            idle,
            sweep: AtomicU64::new(0),
        }
    }

    /// Returns the value of `key`, made anew if there is none.
    pub(crate) fn get_or_insert(&self, key: K, now: Ticks, make: impl FnOnce() -> V) -> Arc<Keyed<K, V>> {
        self.sweep(now);
        let mut shard = lock(self.shard(&key));
        if let Some(found) = shard.young.get(&key) {
            return Arc::clone(&found.0);
        }
        let entry = shard
            .old
            .take(&key)
            .unwrap_or_else(|| ByKey(Arc::new(Keyed { key, value: make() })));
        let value = Arc::clone(&entry.0);
        let is_full = shard.young.len() >= self.most;
        let forgotten = is_full.then(|| self.turn(&mut shard));
        shard.young.insert(entry);
        // Many keys' values are not to be dropped while others wait.
        drop(shard);
        drop(forgotten);
        value
    }

    /// Returns the value of `key` if there is one; that is no use of it.
    pub(crate) fn peek(&self, key: &K) -> Option<Arc<Keyed<K, V>>> {
        let shard = lock(self.shard(key));
        let found = shard.young.get(key).or_else(|| shard.old.get(key))?;
        Some(Arc::clone(&found.0))
    }

    /// Counts the keys.
    pub(crate) fn len(&self) -> usize {
        let shards = self.shards.iter().map(|shard| lock(shard));
        shards.map(|shard| shard.young.len() + shard.old.len()).sum()
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K, V>> {
        // The map below uses the lower bits.
        let hash = self.hasher.hash_one(key) >> 32;
        &self.shards[hash as usize & (self.shards.len() - 1)]
    }

    /// Lets a generation of each shard go once an idle time, and both after a silence as long.
    fn sweep(&self, now: Ticks) {
        let due = self.sweep.load(Ordering::Relaxed);
        let next = now.after(self.idle).0;
        let mine = || {
            self.sweep
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        if now.0 < due || mine().is_err() {
            return;
        }
        let silent = due > 0 && now >= Ticks(due).after(self.idle);
        let turns = if silent { 2 } else { 1 };
        for shard in &self.shards {
            let mut shard = lock(shard);
            let forgotten: Vec<_> = (0..turns).map(|_| self.turn(&mut shard)).collect();
            drop(shard);
            drop(forgotten);
        }
    }

    fn turn(&self, shard: &mut Shard<K, V>) -> Keys<K, V> {
        let empty = HashSet::with_hasher(self.hasher.clone());
        let young = mem::replace(&mut shard.young, empty);
        mem::replace(&mut shard.old, young)
    }
}

impl<K, V> Borrow<K> for ByKey<K, V> {
    fn borrow(&self) -> &K {
        &self.0.key
    }
}

impl<K: Hash, V> Hash for ByKey<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.hash(state);
    }
}

impl<K: PartialEq, V> PartialEq for ByKey<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0.key == other.0.key
    }
}

impl<K: Eq, V> Eq for ByKey<K, V> {}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(10);

    fn touch(store: &KeyedStore<u32, u32>, key: u32, seconds: u64) -> u32 {
        let now = Ticks::default().after(Duration::from_secs(seconds));
        store.get_or_insert(key, now, || key).value
    }

    #[test]
    fn a_flood_of_keys_stays_within_the_room() {
        for capacity in [2, 100, 5000] {
            let store = KeyedStore::new(capacity, IDLE);
            for key in 0..100_000 {
                touch(&store, key, 0);
            }
            assert!(store.len() <= capacity, "{} of {capacity}", store.len());
        }
    }

    #[test]
    fn a_key_in_use_survives_a_flood_of_others() {
        let store = KeyedStore::new(100, IDLE);
        let kept = store.get_or_insert(7, Ticks::default(), || 7);
        for key in 100..100_000 {
            touch(&store, key, 0);
            if key % 40 == 0 {
                touch(&store, 7, 0);
            }
        }
        assert!(Arc::ptr_eq(&kept, &store.peek(&7).unwrap()));
    }

    #[test]
    fn a_key_that_nobody_uses_goes_after_at_most_two_idle_times() {
        let store = KeyedStore::new(100, IDLE);
        touch(&store, 1, 20);
        touch(&store, 2, 29);
        assert!(store.peek(&1).is_some());
        touch(&store, 2, 40);
        assert!(store.peek(&1).is_none());
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn a_key_stays_for_an_idle_time_and_keys_use_the_room_of_all_shards() {
        let store = KeyedStore::new(5000, IDLE);
        for key in 0..3500 {
            touch(&store, key, 25);
        }
        assert_eq!(store.len(), 3500);
        touch(&store, 1, 36);
        assert!(store.peek(&3499).is_some(), "eleven seconds, of ten to twenty");
        touch(&store, 1, 46);
        assert!(store.peek(&3499).is_none());
    }

    #[test]
    fn a_key_goes_although_nobody_uses_its_shard() {
        let store = KeyedStore::new(5000, IDLE);
        for key in 0..100 {
            touch(&store, key, 10);
        }
        touch(&store, 100, 20);
        touch(&store, 100, 30);
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn after_a_long_silence_everything_is_idle() {
        let store = KeyedStore::new(100, IDLE);
        touch(&store, 1, 20);
        touch(&store, 2, 31);
        touch(&store, 3, 100);
        assert_eq!(store.len(), 1);
    }
}
