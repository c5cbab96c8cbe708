//! State for each of many keys, bounded however many keys there are.

use std::hash::{BuildHasher, Hash, RandomState};
use std::mem;
use std::time::Duration;

use hashbrown::HashTable;

use super::stripe::Padded;
use super::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use super::sync::{Mutex, lock};
use super::ticks::Ticks;

/// What is kept for one key.
pub(crate) trait Kept {
    /// What it is kept for.
    type Key: Hash + Eq;

    fn key(&self) -> &Self::Key;

    /// Returns how much would be lost if it were forgotten: 0 is nothing at all, [`IN_USE`] must not be.
    fn worth(&self, now: Ticks) -> u64;
}

/// The worth of what must not be forgotten.
pub(crate) const IN_USE: u64 = u64::MAX;

/// What happens to a new key when there is room for no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtCapacity {
    /// The less worthy half of those it would be kept with is forgotten.
    Forget,
    /// It is not taken.
    Refuse,
}

/// There is no room for another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Keeps something for each key, for as many keys as it has room for.
///
/// What is worth nothing goes when the room is needed, and otherwise at the latest one sweep later. Whoever brings a new
/// key pays for the look at the others: each such look is followed by as many new keys as an eighth of those looked at.
pub(crate) struct KeyedStore<V> {
    shards: Box<[Padded<Mutex<Shard<V>>>]>,
    hasher: RandomState,
    /// The most keys of a shard.
    most: usize,
    at_capacity: AtCapacity,
    sweeps: Sweeps,
}

struct Shard<V> {
    kept: HashTable<V>,
    /// New keys that came since it was looked at last.
    newcomers: usize,
}

/// When to look at which shard next, those too that nobody uses.
struct Sweeps {
    /// The time from one shard to the next.
    step: Duration,
    due: AtomicU64,
    next: AtomicUsize,
}

impl<V: Kept> KeyedStore<V> {
    /// Makes a store of at most `capacity` keys, at least one; each shard is swept once in `sweep`.
    pub(crate) fn new(capacity: usize, sweep: Duration, at_capacity: AtCapacity) -> Self {
        // Small stores stay whole, as keys do not fall evenly on shards; large ones are locked for a few microseconds.
        let shards = 1 << (capacity / 256).clamp(1, 64).ilog2();
        let shard = || Shard {
            kept: HashTable::new(),
            newcomers: 0,
        };
        Self {
            shards: (0..shards).map(|_| Padded(Mutex::new(shard()))).collect(),
            hasher: RandomState::new(),
            most: (capacity / shards).max(1),
            at_capacity,
            sweeps: Sweeps {
                step: sweep / u32::try_from(shards).unwrap_or(1),
                due: AtomicU64::new(0),
                next: AtomicUsize::new(0),
            },
        }
    }

    /// Runs `work` with what is kept for `key`, made anew if there is nothing.
    pub(crate) fn with<T>(
        &self,
        key: V::Key,
        now: Ticks,
        make: impl FnOnce(V::Key) -> V,
        work: impl FnOnce(&mut V) -> T,
    ) -> Result<T, Full> {
        self.sweep(now);
        let hash = self.hasher.hash_one(&key);
        let mut shard = lock(self.shard(hash));
        if let Some(kept) = shard.find(hash, &key) {
            return Ok(work(kept));
        }
        self.make_room(&mut shard, now)?;
        let mut entry = shard.kept.insert_unique(hash, make(key), |kept| self.hash(kept));
        Ok(work(entry.get_mut()))
    }

    /// Runs `work` with what is kept for `key`, if there is something.
    pub(crate) fn peek<T>(&self, key: &V::Key, work: impl FnOnce(&mut V) -> T) -> Option<T> {
        let hash = self.hasher.hash_one(key);
        let mut shard = lock(self.shard(hash));
        shard.find(hash, key).map(work)
    }

    /// Runs `work` with all that is kept, shard by shard.
    pub(crate) fn for_each(&self, mut work: impl FnMut(&mut V)) {
        for shard in &self.shards {
            lock(shard).kept.iter_mut().for_each(&mut work);
        }
    }

    /// Counts the keys.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).kept.len()).sum()
    }

    fn hash(&self, kept: &V) -> u64 {
        self.hasher.hash_one(kept.key())
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<V>> {
        // The table uses the highest and the lowest bits.
        &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)]
    }

    /// Makes room for a new key.
    fn make_room(&self, shard: &mut Shard<V>, now: Ticks) -> Result<(), Full> {
        shard.newcomers += 1;
        if shard.kept.len() < self.most {
            shard.tidy(self.most, |kept| self.hash(kept));
            return Ok(());
        }
        if shard.newcomers > self.most / 8 {
            shard.newcomers = 0;
            shard.forget_worthless(now);
            // All that is left is worth something. A few places are not enough: the next look is some new keys away.
            let crowded = shard.kept.len() > self.most - self.most.div_ceil(8);
            if crowded && self.at_capacity == AtCapacity::Forget {
                shard.forget_half(now);
            }
        }
        shard.tidy(self.most, |kept| self.hash(kept));
        if shard.kept.len() < self.most {
            Ok(())
        } else {
            Err(Full)
        }
    }

    /// Looks at the shards whose turn has come; at all of them after a long silence.
    fn sweep(&self, now: Ticks) {
        let Sweeps { step, due, next } = &self.sweeps;
        let was_due = due.load(Ordering::Relaxed);
        if now.0 < was_due {
            return;
        }
        let mine = due.compare_exchange(was_due, now.after(*step).0, Ordering::Relaxed, Ordering::Relaxed);
        if mine.is_err() || was_due == 0 {
            return;
        }
        let missed = now.since(Ticks(was_due)).as_nanos() / step.as_nanos().max(1);
        let turns = usize::try_from(missed).unwrap_or(usize::MAX).saturating_add(1);
        for _ in 0..turns.min(self.shards.len()) {
            let turn = next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
            lock(&self.shards[turn]).forget_worthless(now);
        }
    }
}

impl<V: Kept> Shard<V> {
    fn find(&mut self, hash: u64, key: &V::Key) -> Option<&mut V> {
        self.kept.find_mut(hash, |kept| kept.key() == key)
    }

    /// Makes a place in the table. What is forgotten leaves marks in it, for which it would grow beyond need.
    fn tidy(&mut self, most: usize, hash: impl Fn(&V) -> u64) {
        if self.kept.len() < self.kept.capacity() {
            return;
        }
        let room = (self.kept.len() * 2).clamp(4, most.max(4));
        let old = mem::replace(&mut self.kept, HashTable::with_capacity(room));
        for kept in old {
            self.kept.insert_unique(hash(&kept), kept, &hash);
        }
    }

    fn forget_worthless(&mut self, now: Ticks) {
        self.kept.retain(|kept| kept.worth(now) > 0);
    }

    /// Forgets half of the keys, of the least worth, but none in use.
    fn forget_half(&mut self, now: Ticks) {
        let mut worths: Vec<u64> = self.kept.iter().map(|kept| kept.worth(now)).collect();
        let half = worths.len().div_ceil(2);
        let (_, most, _) = worths.select_nth_unstable(half - 1);
        let most = (*most).min(IN_USE - 1);
        let mut left = half;
        self.kept.retain(|kept| {
            let goes = left > 0 && kept.worth(now) <= most;
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(all(test, not(seaworthy_loom)))]
mod tests {
    use super::*;

    const SWEEP: Duration = Duration::from_secs(10);

    struct Guest {
        key: u32,
        until: Ticks,
    }

    impl Kept for Guest {
        type Key = u32;

        fn key(&self) -> &u32 {
            &self.key
        }

        fn worth(&self, now: Ticks) -> u64 {
            match self.until {
                Ticks::NEVER => IN_USE,
                until => until.0.saturating_sub(now.0),
            }
        }
    }

    fn at(seconds: u64) -> Ticks {
        Ticks::default().after(Duration::from_secs(seconds))
    }

    fn bring(store: &KeyedStore<Guest>, key: u32, now: Ticks, until: Ticks) -> Result<(), Full> {
        store.with(key, now, |key| Guest { key, until }, |guest| guest.until = until)
    }

    fn has(store: &KeyedStore<Guest>, key: u32) -> bool {
        store.peek(&key, |_| ()).is_some()
    }

    #[test]
    fn a_flood_of_keys_stays_within_the_room_and_the_worthy_half_survives_it() {
        for capacity in [2, 100, 5000] {
            let store = KeyedStore::new(capacity, SWEEP, AtCapacity::Forget);
            bring(&store, 7, at(0), at(99)).unwrap();
            for key in 100..100_000 {
                bring(&store, key, at(0), at(1)).unwrap();
            }
            assert!(store.len() <= capacity, "{} of {capacity}", store.len());
            assert!(has(&store, 7));
        }
    }

    #[test]
    fn only_half_goes_even_if_all_are_worth_the_same() {
        let store = KeyedStore::new(100, SWEEP, AtCapacity::Forget);
        for key in 0..=100 {
            bring(&store, key, at(0), at(1)).unwrap();
        }
        assert_eq!(store.len(), 51);
    }

    #[test]
    fn what_is_in_use_is_never_forgotten() {
        for at_capacity in [AtCapacity::Forget, AtCapacity::Refuse] {
            let store = KeyedStore::new(100, SWEEP, at_capacity);
            for key in 0..100 {
                bring(&store, key, at(0), Ticks::NEVER).unwrap();
            }
            assert_eq!(bring(&store, 100, at(1000), at(2000)), Err(Full));
            assert_eq!(store.len(), 100);
        }
    }

    #[test]
    fn what_is_worth_nothing_makes_room_for_a_new_key() {
        let store = KeyedStore::new(100, SWEEP, AtCapacity::Refuse);
        for key in 0..100 {
            bring(&store, key, at(0), at(5 + u64::from(key % 2))).unwrap();
        }
        assert_eq!(bring(&store, 100, at(4), at(9)), Err(Full));
        let later: Vec<_> = (100..120).map(|key| bring(&store, key, at(5), at(9))).collect();
        assert!(
            later.iter().filter(|taken| taken.is_err()).count() <= 100 / 8,
            "{later:?}"
        );
        assert_eq!(later.last(), Some(&Ok(())));
        assert!(!has(&store, 0) && has(&store, 1));
    }

    #[test]
    fn the_other_keys_are_looked_at_once_in_an_eighth_of_their_number() {
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        struct Counted(u32);
        impl Kept for Counted {
            type Key = u32;

            fn key(&self) -> &u32 {
                &self.0
            }

            fn worth(&self, _: Ticks) -> u64 {
                LOOKS.fetch_add(1, Ordering::Relaxed);
                1
            }
        }
        let store = KeyedStore::new(1000, SWEEP, AtCapacity::Refuse);
        for key in 0..100_000 {
            let _ = store.with(key, at(0), Counted, |_| ());
        }
        let looks = LOOKS.load(Ordering::Relaxed);
        assert!((100_000..1_000_000).contains(&looks), "{looks}");
    }

    #[test]
    fn the_other_keys_are_not_looked_at_for_each_newcomer_although_nearly_all_are_in_use() {
        static LOOKS: AtomicUsize = AtomicUsize::new(0);
        struct Busy(u32);
        impl Kept for Busy {
            type Key = u32;

            fn key(&self) -> &u32 {
                &self.0
            }

            fn worth(&self, _: Ticks) -> u64 {
                LOOKS.fetch_add(1, Ordering::Relaxed);
                if self.0 == 7 { 1 } else { IN_USE }
            }
        }
        let store = KeyedStore::new(1000, SWEEP, AtCapacity::Forget);
        for key in 0..10_000 {
            let _ = store.with(key, at(0), Busy, |_| ());
        }
        let looks = LOOKS.load(Ordering::Relaxed);
        assert!((1000..500_000).contains(&looks), "{looks}");
        assert_eq!(store.len(), 1000);
    }

    #[test]
    fn what_is_worth_nothing_goes_although_nobody_needs_its_room_or_uses_its_shard() {
        for capacity in [100, 5000] {
            let store = KeyedStore::new(capacity, SWEEP, AtCapacity::Forget);
            for key in 0..50 {
                bring(&store, key, at(10), at(12)).unwrap();
            }
            bring(&store, 100, at(15), at(100)).unwrap();
            assert!(store.len() > 1);
            bring(&store, 100, at(35), at(100)).unwrap();
            assert_eq!(store.len(), 1);
        }
    }

    #[test]
    fn keys_use_the_room_of_all_shards() {
        let store = KeyedStore::new(5000, SWEEP, AtCapacity::Refuse);
        let taken = (0..4500).filter(|key| bring(&store, *key, at(0), at(1)).is_ok());
        assert!(taken.count() > 4300);
    }
}
