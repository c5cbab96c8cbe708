use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicUsize, Ordering};

use hashbrown::DefaultHashBuilder;

use super::known::Known;

/// The handles of metrics, found again by what tells their series apart.
///
/// Every request looks for some: that takes no lock, no allocation and no reference count that threads share.
pub(super) struct Handles<K, H, S = DefaultHashBuilder> {
    known: Known<K, H>,
    count: AtomicUsize,
    // Unless told otherwise for names that the program has given: it need not withstand whoever chooses them.
    hasher: S,
}

/// As many are kept; what is beyond is registered each time, so that no label can make memory grow.
const MOST: usize = 10_000;

/// What is looked for, and hashes as its key does.
pub(super) trait Sought<K>: Hash {
    fn is(&self, key: &K) -> bool;
    fn to_key(&self) -> K;
}

impl<K: PartialEq, H: Clone, S: BuildHasher> Handles<K, H, S> {
    /// Works with a handle that was registered before, or registers it.
    pub(super) fn with(&self, sought: &impl Sought<K>, register: impl FnOnce(&K) -> H, work: impl FnOnce(&H)) {
        let hash = self.hasher.hash_one(sought);
        if let Some(handle) = self.known.look(hash).find(|key| sought.is(key)) {
            return work(handle);
        }
        let key = sought.to_key();
        // Two threads may register the same: the recorder gives both the same.
        let handle = register(&key);
        work(&handle);
        if self.count.fetch_add(1, Ordering::Relaxed) < MOST {
            self.known.insert(hash, key, handle);
        }
    }
}

impl<K, H, S: Default> Default for Handles<K, H, S> {
    fn default() -> Self {
        Self {
            known: Known::default(),
            count: AtomicUsize::new(0),
            hasher: S::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    impl Sought<String> for &str {
        fn is(&self, key: &String) -> bool {
            self == key
        }

        fn to_key(&self) -> String {
            (*self).to_owned()
        }
    }

    #[test]
    fn a_handle_is_registered_once_and_found_again() {
        let handles = Handles::<String, usize>::default();
        let registered = Cell::new(0);
        let register = |key: &String| {
            registered.set(registered.get() + 1);
            key.len()
        };
        for key in ["a", "bb", "a", "ccc", "bb", "a"] {
            handles.with(&key, register, |handle| assert_eq!(*handle, key.len()));
        }
        assert_eq!(registered.get(), 3);
    }
}
