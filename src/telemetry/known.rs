use std::fmt;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use hashbrown::HashTable;

/// Handles of metrics by what tells their series apart; found without a lock, an allocation or a count that threads share.
///
/// Whoever inserts copies one of [`PARTS`] parts, so that ten thousand cost milliseconds in all.
pub(super) struct Known<K, H>([ArcSwap<Table<K, H>>; PARTS]);

const PARTS: usize = 64;

type Table<K, H> = HashTable<Arc<Entry<K, H>>>;

struct Entry<K, H> {
    hash: u64,
    key: K,
    handle: H,
}

/// What is known at one moment, of those with a hash.
pub(super) struct Look<K, H> {
    hash: u64,
    table: Guard<Arc<Table<K, H>>>,
}

impl<K, H> Known<K, H> {
    #[inline]
    pub(super) fn look(&self, hash: u64) -> Look<K, H> {
        let table = self.part(hash).load();
        Look { hash, table }
    }

    /// Inserts a handle, unless there is one under its key.
    pub(super) fn insert(&self, hash: u64, key: K, handle: H)
    where
        K: PartialEq,
    {
        let entry = Arc::new(Entry { hash, key, handle });
        self.part(hash).rcu(|table| {
            let mut table = Table::clone(table);
            if table.find(hash, |known| known.key == entry.key).is_none() {
                table.insert_unique(hash, Arc::clone(&entry), |entry| entry.hash);
            }
            table
        });
    }

    #[inline]
    fn part(&self, hash: u64) -> &ArcSwap<Table<K, H>> {
        // The table itself goes by the lowest bits and the highest seven.
        &self.0[(hash >> 32) as usize % PARTS]
    }
}

impl<K, H> Look<K, H> {
    #[inline]
    pub(super) fn find(&self, is_it: impl Fn(&K) -> bool) -> Option<&H> {
        let entry = self.table.find(self.hash, |entry| is_it(&entry.key))?;
        Some(&entry.handle)
    }
}

impl<K, H> Default for Known<K, H> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| ArcSwap::from_pointee(HashTable::new())))
    }
}

impl<K, H> fmt::Debug for Known<K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known")
    }
}
