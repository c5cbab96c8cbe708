//! One of a handle's limits again, because every call looks at it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::clock::nanos_of;

/// A limit that may change while calls look at it.
#[derive(Debug)]
pub(crate) struct Limit(AtomicU64);

/// As a number, no limit.
const NONE: u64 = u64::MAX;

impl Limit {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self(AtomicU64::new(number(limit)))
    }

    pub(crate) fn set(&self, limit: Option<Duration>) {
        self.0.store(number(limit), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<Duration> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos != NONE).then(|| Duration::from_nanos(nanos))
    }
}

fn number(limit: Option<Duration>) -> u64 {
    limit.map_or(NONE, nanos_of)
}
