//! What one limit has given, and who waits for more.

use std::num::NonZeroU32;
use std::task::Waker;

use super::engine::Arrival;
use super::line::{Desk, Entry, Line, Standing, Wakers};
use super::quota::Terms;
use super::rules::Rules;
use crate::base::keyed::IN_USE;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Mutex, lock};
use crate::base::ticks::Ticks;

/// Counts from many threads at once, without a lock while nobody waits.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// The next [`Arrival`], with a count of [changes](CHANGES); with [`BUSY`], only whoever holds the line changes it.
    arrival: AtomicU64,
    line: Mutex<Line>,
}

const BUSY: u64 = 1 << 63;

/// Changes of the quota, counted round: whoever has read the arrival before one, and the quota after it, finds out by this,
/// though further changes have made the arrival what it was.
const CHANGES: u64 = 0b111 << 60;
const CHANGE: u64 = 1 << 60;

/// The rest is the arrival itself: 36 years.
const TIME: u64 = CHANGE - 1;

impl Meter {
    /// Admits a request, or puts it in line if its turn comes in time.
    #[inline]
    pub(super) fn enter(&self, rules: &Rules, weight: NonZeroU32, now: Ticks, patient: bool) -> Entry {
        let mut was = self.arrival.load(Ordering::Acquire);
        while was & BUSY == 0 {
            match Arrival(Ticks(was & TIME)).spend(weight, rules.terms(), now) {
                Ok(spent) => match self.replace(was, spent) {
                    Ok(_) => return Entry::Admitted(spent),
                    Err(is) => was = is,
                },
                Err(denied) if !patient || rules.patience(now).is_none() => return Entry::Denied(denied),
                Err(_) => break,
            }
        }
        self.enter_line(rules, weight, now, patient)
    }

    #[inline]
    fn replace(&self, was: u64, arrival: Arrival) -> Result<u64, u64> {
        let is = was & CHANGES | arrival.0.0.min(TIME);
        self.arrival
            .compare_exchange_weak(was, is, Ordering::AcqRel, Ordering::Acquire)
    }

    #[cold]
    fn enter_line(&self, rules: &Rules, weight: NonZeroU32, now: Ticks, patient: bool) -> Entry {
        let end = end_of_patience(rules, now, patient);
        self.alone(rules, now, |desk, wake| desk.enter(weight, end, wake))
    }

    /// Says what has become of somebody who waits.
    pub(super) fn standing(&self, rules: &Rules, ticket: u64, now: Ticks, waker: &Waker) -> Standing {
        self.alone(rules, now, |desk, wake| desk.standing(ticket, waker, wake))
    }

    /// Lets somebody go who does not want to wait any longer; returns whether it still waited.
    pub(super) fn leave(&self, rules: &Rules, ticket: u64, now: Ticks) -> bool {
        self.alone(rules, now, |desk, wake| desk.leave(ticket, wake))
    }

    /// Counts by other terms from now on, which `put_in_force` puts in force: what has been spent stays spent.
    pub(super) fn retune(&self, rules: &Rules, now: Ticks, put_in_force: &dyn Fn()) -> Wakers {
        let retune = |desk: &mut Desk<'_>, wake: &mut Wakers| {
            desk.advance(wake);
            put_in_force();
            let (old, new) = (desk.terms.interval, rules.terms().interval);
            *desk.arrival = desk.arrival.at_interval(old, new, now);
            wake.add(desk.line.first());
        };
        self.locked(rules, now, retune).1
    }

    /// Returns what is left, and how many wait.
    pub(super) fn look(&self) -> (Arrival, usize) {
        let line = lock(&self.line);
        let arrival = self.arrival.load(Ordering::Acquire) & TIME;
        (Arrival(Ticks(arrival)), line.len())
    }

    /// Does something while nobody else changes anything, and wakes whom that concerns.
    fn alone<T>(&self, rules: &Rules, now: Ticks, work: impl FnOnce(&mut Desk<'_>, &mut Wakers) -> T) -> T {
        let (done, wake) = self.locked(rules, now, work);
        wake.wake();
        done
    }

    fn locked<T>(&self, rules: &Rules, now: Ticks, work: impl FnOnce(&mut Desk<'_>, &mut Wakers) -> T) -> (T, Wakers) {
        let mut wake = Wakers::default();
        let mut line = lock(&self.line);
        let was = self.arrival.fetch_or(BUSY, Ordering::AcqRel);
        let mut arrival = Arrival(Ticks(was & TIME));
        let terms = rules.terms();
        let mut desk = Desk {
            line: &mut line,
            arrival: &mut arrival,
            terms,
            now,
            tickets: &rules.tickets,
        };
        let done = work(&mut desk, &mut wake);
        let busy = if line.is_empty() { 0 } else { BUSY };
        let changed = if rules.terms() == terms { 0 } else { CHANGE };
        let changes = was.wrapping_add(changed) & CHANGES;
        self.arrival
            .store(busy | changes | arrival.0.0.min(TIME), Ordering::Release);
        (done, wake)
    }
}

/// Returns until when a request may wait; the beginning of time if not at all.
fn end_of_patience(rules: &Rules, now: Ticks, patient: bool) -> Ticks {
    let end = if patient { rules.patience(now) } else { None };
    end.unwrap_or_default()
}

/// Counts for one of many keys, under its shard's lock.
#[derive(Debug)]
pub(super) struct KeyMeter {
    arrival: Arrival,
    /// At which interval that is counted: it may have changed since.
    interval: u64,
    /// Few keys have anybody who waits.
    line: Option<Box<Line>>,
}

impl KeyMeter {
    pub(super) fn new(interval: u64) -> Self {
        let arrival = Arrival::default();
        Self {
            arrival,
            interval,
            line: None,
        }
    }

    /// As [`Meter::enter`].
    #[inline]
    pub(super) fn enter(
        &mut self,
        rules: &Rules,
        weight: NonZeroU32,
        now: Ticks,
        patient: bool,
        wake: &mut Wakers,
    ) -> Entry {
        if self.line.is_none() {
            let terms = self.retune(rules, now);
            let denied = match self.arrival.spend(weight, terms, now) {
                Ok(spent) => {
                    self.arrival = spent;
                    return Entry::Admitted(spent);
                }
                Err(denied) => denied,
            };
            if !patient || rules.patience(now).is_none() {
                return Entry::Denied(denied);
            }
        }
        let end = end_of_patience(rules, now, patient);
        self.alone(rules, now, |desk| desk.enter(weight, end, wake))
    }

    pub(super) fn standing(
        &mut self,
        rules: &Rules,
        ticket: u64,
        now: Ticks,
        waker: &Waker,
        wake: &mut Wakers,
    ) -> Standing {
        self.alone(rules, now, |desk| desk.standing(ticket, waker, wake))
    }

    pub(super) fn leave(&mut self, rules: &Rules, ticket: u64, now: Ticks, wake: &mut Wakers) -> bool {
        self.alone(rules, now, |desk| desk.leave(ticket, wake))
    }

    /// Returns what is left, and how many wait.
    pub(super) fn look(&self, rules: &Rules, now: Ticks) -> (Arrival, usize) {
        let arrival = self.arrival.at_interval(self.interval, rules.terms().interval, now);
        (arrival, self.line.as_ref().map_or(0, |line| line.len()))
    }

    /// Returns how long until this is like one of a new key, in nanoseconds; [`IN_USE`] if somebody waits.
    pub(super) fn worth(&self, now: Ticks) -> u64 {
        let ahead = self.arrival.0.0.saturating_sub(now.0);
        if self.line.is_none() { ahead } else { IN_USE }
    }

    /// As [`Meter::retune`], when other terms have just been put in force.
    pub(super) fn change(&mut self, rules: &Rules, now: Ticks, wake: &mut Wakers) {
        if self.line.is_some() {
            let interval = self.interval;
            let burst = rules.terms().burst;
            self.at(Terms { interval, burst }, rules, now, |desk| desk.advance(wake));
        }
        self.retune(rules, now);
        wake.add(self.line.as_ref().and_then(|line| line.first()));
    }

    fn retune(&mut self, rules: &Rules, now: Ticks) -> Terms {
        let terms = rules.terms();
        if terms.interval != self.interval {
            self.arrival = self.arrival.at_interval(self.interval, terms.interval, now);
            self.interval = terms.interval;
        }
        terms
    }

    fn alone<T>(&mut self, rules: &Rules, now: Ticks, work: impl FnOnce(&mut Desk<'_>) -> T) -> T {
        let terms = self.retune(rules, now);
        self.at(terms, rules, now, work)
    }

    fn at<T>(&mut self, terms: Terms, rules: &Rules, now: Ticks, work: impl FnOnce(&mut Desk<'_>) -> T) -> T {
        let mut line = self.line.take().unwrap_or_default();
        let mut desk = Desk {
            line: &mut line,
            arrival: &mut self.arrival,
            terms,
            now,
            tickets: &rules.tickets,
        };
        let done = work(&mut desk);
        self.line = (!line.is_empty()).then_some(line);
        done
    }
}
