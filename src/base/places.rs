//! Hands out a bounded number of places, and lets callers wait for one in the order in which they asked.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::task::Waker;

use super::stripe::Padded;
use super::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use super::sync::{Mutex, MutexGuard, lock};

/// Every place is free in one of the stripes, or taken. Whoever finds none in the own stripe, or finds that somebody
/// waits, takes the lock and looks at all stripes.
///
/// A stripe changes by read-modify-writes alone, so that whoever adds to it after it was emptied has seen all that the
/// one who emptied it did before: either those who wait find the place, or whoever gives it back finds `attention`.
#[derive(Debug)]
pub(crate) struct Places {
    stripes: Box<[Padded<AtomicUsize>]>,
    /// Whether somebody waits, or places are to be taken away: then nobody passes by the lock.
    attention: AtomicBool,
    core: Padded<Mutex<Core>>,
}

#[derive(Debug)]
struct Core {
    /// How many there should be.
    places: usize,
    /// How many there are too many: they go as they come free.
    debt: usize,
    most_waiting: usize,
    /// Whoever is not in here any more has been given a place.
    queue: BTreeMap<Ticket, Waker>,
    next: u64,
}

/// A position in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What whoever asks for a place gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Place,
    Queued(Ticket),
    Full,
}

/// Those who have been given a place and do not know it; to be told when no lock is held.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Granted(VecDeque<Waker>);

impl Granted {
    pub(crate) fn wake(mut self) {
        self.wake_all();
    }

    fn wake_all(&mut self) {
        while let Some(waker) = self.0.pop_front() {
            waker.wake();
        }
    }
}

impl Drop for Granted {
    /// Those too that stand behind one whose waker panics.
    fn drop(&mut self) {
        self.wake_all();
    }
}

impl Places {
    pub(crate) fn new(places: usize, most_waiting: usize, stripes: usize) -> Self {
        let core = Core {
            places,
            debt: 0,
            most_waiting,
            queue: BTreeMap::new(),
            next: 0,
        };
        let new = Self {
            stripes: (0..stripes).map(|_| Padded(AtomicUsize::new(0))).collect(),
            attention: AtomicBool::new(false),
            core: Padded(Mutex::new(core)),
        };
        new.spread(places, 0);
        new
    }

    /// Takes a place if the stripe has one and nobody waits.
    #[inline]
    pub(crate) fn take(&self, stripe: usize) -> bool {
        if self.attention.load(Ordering::Relaxed) {
            return false;
        }
        let free = &self.stripes[stripe];
        let mut found = free.load(Ordering::Relaxed);
        while let Some(less) = found.checked_sub(1) {
            match free.compare_exchange_weak(found, less, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => found = other,
            }
        }
        false
    }

    /// Takes a place from any stripe, or a position in the queue; those who wait already come first.
    ///
    /// Nobody is woken here: what is free and not for this one is so for a moment, as whoever gave it back is about to
    /// attend to it. A waker that panics would take the answer along.
    #[cold]
    pub(crate) fn ask(&self, stripe: usize, may_wait: bool) -> Answer {
        let mut core = lock(&self.core);
        let mut free = self.gather();
        let answer = if free > 0 && !core.is_owed() {
            free -= 1;
            Answer::Place
        } else if may_wait && core.queue.len() < core.most_waiting {
            Answer::Queued(core.enqueue())
        } else {
            Answer::Full
        };
        self.leave_open(core, free, stripe);
        answer
    }

    /// Gives a place back, to whoever waits first if anybody does.
    #[inline]
    pub(crate) fn release(&self, stripe: usize) {
        self.stripes[stripe].fetch_add(1, Ordering::AcqRel);
        if self.attention.load(Ordering::Relaxed) {
            self.attend(stripe);
        }
    }

    #[cold]
    fn attend(&self, stripe: usize) {
        let mut core = lock(&self.core);
        let (free, granted) = core.settle(self.gather());
        self.leave_open(core, free, stripe);
        granted.wake();
    }

    /// Returns whether whoever has the ticket has been given a place; wakes it when that happens, if not.
    pub(crate) fn poll(&self, ticket: Ticket, waker: &Waker) -> bool {
        let waker = waker.clone();
        // What a waker does when it is dropped nobody knows, so it is not dropped under the lock.
        let old = {
            let mut core = lock(&self.core);
            core.queue.get_mut(&ticket).map(|known| mem::replace(known, waker))
        };
        old.is_none()
    }

    /// Leaves the queue; a place that has been given goes on to the next.
    pub(crate) fn leave(&self, ticket: Ticket, stripe: usize) {
        let waker = {
            let mut core = lock(&self.core);
            let waker = core.queue.remove(&ticket);
            if waker.is_some() {
                self.leave_open(core, 0, stripe);
            }
            waker
        };
        if waker.is_none() {
            self.release(stripe);
        }
    }

    /// Changes how many places there are, and how many may wait.
    pub(crate) fn resize(&self, places: usize, most_waiting: usize) -> Granted {
        let mut core = lock(&self.core);
        let mut free = self.gather();
        core.most_waiting = most_waiting;
        let more = places.saturating_sub(core.places);
        let kept = more.min(core.debt);
        core.debt = core.debt - kept + core.places.saturating_sub(places);
        core.places = places;
        free += more - kept;
        let (free, granted) = core.settle(free);
        self.leave_open(core, free, 0);
        granted
    }

    /// Returns how many places are taken, and how many callers wait; the first may be out of date when it is told.
    pub(crate) fn look(&self) -> (usize, usize) {
        let core = lock(&self.core);
        let free = self.stripes.iter().map(|stripe| stripe.load(Ordering::Relaxed));
        let taken = (core.places + core.debt).saturating_sub(free.sum());
        (taken, core.queue.len())
    }

    /// Returns how many of so many places are taken, as cheaply as can be said.
    #[cfg(feature = "adaptive")]
    pub(crate) fn taken_of(&self, places: usize) -> usize {
        let is_disturbed = || self.attention.load(Ordering::Acquire);
        let before = is_disturbed();
        let free: usize = self.stripes.iter().map(|stripe| stripe.load(Ordering::Acquire)).sum();
        // Whoever has the lock has emptied the stripes, of which some were seen before that and others after it.
        if before || free == 0 || is_disturbed() {
            return self.look().0;
        }
        places.saturating_sub(free)
    }

    /// Empties all stripes, and has everybody who comes then wait for the lock, which is held.
    fn gather(&self) -> usize {
        self.attention.store(true, Ordering::Relaxed);
        let stripes = self.stripes.iter();
        stripes.map(|stripe| stripe.swap(0, Ordering::AcqRel)).sum()
    }

    /// Puts back what is free, gives the lock back, and lets others pass by it if they may.
    fn leave_open(&self, core: MutexGuard<'_, Core>, free: usize, stripe: usize) {
        self.spread(free, stripe);
        self.attention.store(core.is_owed(), Ordering::Release);
    }

    /// Puts as many places into each stripe, those that are left over into the given one and its neighbours.
    fn spread(&self, free: usize, stripe: usize) {
        let stripes = self.stripes.len();
        let (each, rest) = (free / stripes, free % stripes);
        for step in 0..stripes.min(free) {
            let share = each + usize::from(step < rest);
            self.stripes[(stripe + step) % stripes].fetch_add(share, Ordering::AcqRel);
        }
    }
}

impl Core {
    /// Takes away what is too much, and gives places to those who wait; returns how many are left.
    fn settle(&mut self, free: usize) -> (usize, Granted) {
        let gone = free.min(self.debt);
        self.debt -= gone;
        let mut free = free - gone;
        let mut granted = Granted::default();
        while free > 0
            && let Some((_, waker)) = self.queue.pop_first()
        {
            free -= 1;
            granted.0.push_back(waker);
        }
        (free, granted)
    }

    /// Returns whether the next place that comes free is somebody's, or goes.
    fn is_owed(&self) -> bool {
        !self.queue.is_empty() || self.debt > 0
    }

    fn enqueue(&mut self) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.queue.insert(ticket, Waker::noop().clone());
        ticket
    }
}
