use crate::base::Counter;
use crate::base::sync::atomic::{AtomicU64, Ordering};

use super::{Ended, Tally};

/// How many calls failed since the last one that did not. A success on a healthy circuit writes nothing.
#[derive(Debug, Default)]
pub(crate) struct ConsecutiveWindow {
    /// The epoch in the upper half, the failures in the lower.
    run: AtomicU64,
    calls: Counter,
}

impl ConsecutiveWindow {
    #[inline]
    pub(super) fn add(&self, ended: Ended, is_current: impl FnOnce() -> bool) -> Option<Tally> {
        let mut run = self.run.load(Ordering::Acquire);
        let epoch = run >> 32;
        if !is_current() {
            return None;
        }
        self.calls.increment();
        while run >> 32 == epoch {
            let failures = run & u64::from(u32::MAX);
            let next = match ended.failed {
                true => (failures + 1).min(u64::from(u32::MAX)),
                false => 0,
            };
            if next == failures {
                break;
            }
            match self
                .run
                .compare_exchange_weak(run, epoch << 32 | next, Ordering::AcqRel, Ordering::Acquire)
            {
                Ok(_) if ended.failed => return Some(tally(next)),
                Ok(_) => break,
                Err(newer) => run = newer,
            }
        }
        None
    }

    /// Returns how many calls it has ever taken.
    pub(super) fn calls(&self) -> u64 {
        self.calls.sum()
    }

    pub(super) fn tally(&self) -> Tally {
        tally(self.run.load(Ordering::Relaxed) & u64::from(u32::MAX))
    }

    pub(super) fn clear(&self) {
        let next = |run: u64| Some(((run >> 32) + 1) << 32);
        let _ = self.run.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
    }
}

fn tally(failures: u64) -> Tally {
    Tally {
        calls: failures,
        failed: failures,
        slow: 0,
    }
}
