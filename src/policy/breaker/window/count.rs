use crate::base::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::base::sync::{Mutex, lock};

use super::{Ended, Tally};

/// The last N calls, exactly: a ring of their outcomes.
///
/// A call that ends as the one N calls ago did changes nothing, and takes no lock; that is nearly every call.
#[derive(Debug)]
pub(crate) struct CountWindow {
    /// The laps in the upper half, the next slot in the lower; from N on, a lap that nobody has counted yet.
    cursor: AtomicU64,
    /// Which slots count: those that bear this number. Changed under the lock only.
    epoch: AtomicU32,
    slots: Box<[AtomicU32]>,
    tally: Mutex<Tally>,
}

impl CountWindow {
    pub(super) fn new(calls: u32) -> Self {
        Self {
            cursor: AtomicU64::new(0),
            epoch: AtomicU32::new(1),
            slots: (0..calls).map(|_| AtomicU32::new(0)).collect(),
            tally: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn add(&self, ended: Ended, is_current: impl FnOnce() -> bool) -> Option<Tally> {
        // Before the generation is looked at: a window that is cleared afterwards has another epoch.
        let epoch = self.epoch.load(Ordering::Acquire);
        if !is_current() {
            return None;
        }
        let slot = &self.slots[self.next_slot()];
        let new = pack(epoch, ended);
        if slot.load(Ordering::Relaxed) == new && ended.is_healthy() {
            return None;
        }
        self.put(slot, new, epoch, ended)
    }

    #[cold]
    fn put(&self, slot: &AtomicU32, new: u32, epoch: u32, ended: Ended) -> Option<Tally> {
        let mut tally = lock(&self.tally);
        if self.epoch.load(Ordering::Relaxed) != epoch {
            return None;
        }
        let old = slot.swap(new, Ordering::Relaxed);
        if let Some(old) = unpack(epoch, old) {
            tally.remove(old);
        }
        tally.add(ended);
        (!ended.is_healthy()).then_some(*tally)
    }

    /// Claims a slot; threads that claim at the same time get one after the other.
    #[inline]
    fn next_slot(&self) -> usize {
        let calls = self.slots.len() as u64;
        let claimed = place(self.cursor.fetch_add(1, Ordering::Relaxed));
        if claimed < calls - 1 {
            return claimed as usize;
        }
        // A division here for each call would cost as much as all else.
        let lap = |cursor: u64| {
            let laps = place(cursor) / calls;
            (laps > 0).then(|| (cursor - laps * calls).wrapping_add(laps << 32))
        };
        let _ = self.cursor.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lap);
        (claimed % calls) as usize
    }

    /// Returns how many calls it has ever taken.
    pub(super) fn calls(&self) -> u64 {
        let cursor = self.cursor.load(Ordering::Relaxed);
        (cursor >> 32) * self.slots.len() as u64 + place(cursor)
    }

    pub(super) fn tally(&self) -> Tally {
        *lock(&self.tally)
    }

    pub(super) fn clear(&self) {
        let mut tally = lock(&self.tally);
        // 30 bits beside the outcome; 0 is what no slot that counts bears.
        let next = (self.epoch.load(Ordering::Relaxed) + 1) & (u32::MAX >> 2);
        self.epoch.store(next.max(1), Ordering::Release);
        *tally = Tally::default();
    }
}

fn place(cursor: u64) -> u64 {
    cursor & u64::from(u32::MAX)
}

fn pack(epoch: u32, ended: Ended) -> u32 {
    epoch << 2 | u32::from(ended.slow) << 1 | u32::from(ended.failed)
}

fn unpack(epoch: u32, slot: u32) -> Option<Ended> {
    (slot >> 2 == epoch).then_some(Ended {
        failed: slot & 1 != 0,
        slow: slot & 2 != 0,
    })
}
