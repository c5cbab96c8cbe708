//! Those who wait for their turn, in the order in which they came.

use std::collections::BTreeMap;
use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

use super::engine::{Arrival, Denied, MOST};
use super::quota::Terms;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::ticks::Ticks;

/// Requests that came when nothing was left, in order.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: BTreeMap<u64, Waiter>,
    weight: u64,
    /// The weight of all that have ever joined.
    joined: u64,
}

#[derive(Debug)]
struct Waiter {
    weight: NonZeroU32,
    /// The weight of all that had joined before.
    place: u64,
    since: Ticks,
    waker: Waker,
}

/// Wakers to be woken, and to be dropped, when nothing is locked any more: what they do then nobody knows.
#[derive(Debug, Default)]
pub(super) struct Wakers {
    woken: Vec<Waker>,
    dropped: Vec<Waker>,
}

impl Wakers {
    pub(super) fn add(&mut self, waker: Option<Waker>) {
        self.woken.extend(waker);
    }

    #[inline]
    pub(super) fn wake(self) {
        // Nearly always, and for each call of a keyed limit.
        if self.woken.is_empty() {
            return;
        }
        self.woken.into_iter().for_each(Waker::wake);
    }
}

/// A line, what it waits for, and by which terms; for as long as nobody else looks.
pub(super) struct Desk<'a> {
    pub(super) line: &'a mut Line,
    pub(super) arrival: &'a mut Arrival,
    pub(super) terms: Terms,
    pub(super) now: Ticks,
    /// Draws the tickets: no two are the same, also when a line has been forgotten and another has begun.
    pub(super) tickets: &'a AtomicU64,
}

/// What became of a request at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Admitted(Arrival),
    /// It has joined the line, and this is its ticket.
    Waits(u64),
    Denied(Denied),
}

/// What has become of somebody who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Admitted(Arrival),
    /// It may go at that time, or earlier if somebody ahead leaves.
    Until(Ticks),
}

impl Line {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns whom to wake when the turn of the first has changed.
    pub(super) fn first(&self) -> Option<Waker> {
        let (_, first) = self.waiting.first_key_value()?;
        Some(first.waker.clone())
    }

    fn remove(&mut self, ticket: u64) -> Option<Waiter> {
        let waiter = self.waiting.remove(&ticket)?;
        self.weight -= u64::from(waiter.weight.get());
        Some(waiter)
    }
}

impl Desk<'_> {
    /// Admits a request, or puts it at the end of the line if its turn comes by `end`.
    pub(super) fn enter(&mut self, weight: NonZeroU32, end: Ticks, wake: &mut Wakers) -> Entry {
        self.advance(wake);
        let denied = if self.line.is_empty() {
            match self.arrival.spend(weight, self.terms, self.now) {
                Ok(spent) => {
                    *self.arrival = spent;
                    return Entry::Admitted(spent);
                }
                Err(denied) => denied,
            }
        } else if weight > self.terms.burst {
            Denied::Never
        } else {
            Denied::Until(self.turn_behind(self.line.weight, weight))
        };
        match denied {
            Denied::Until(until) if until <= end => Entry::Waits(self.join(weight)),
            denied => Entry::Denied(denied),
        }
    }

    fn join(&mut self, weight: NonZeroU32) -> u64 {
        let (waker, since) = (Waker::noop().clone(), self.now);
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        let place = self.line.joined;
        self.line.weight += u64::from(weight.get());
        self.line.joined = place.wrapping_add(weight.get().into());
        let waiter = Waiter {
            weight,
            place,
            since,
            waker,
        };
        self.line.waiting.insert(ticket, waiter);
        ticket
    }

    /// Lets all go whose time has come, each as of that time: however late somebody looks, they have waited since.
    pub(super) fn advance(&mut self, wake: &mut Wakers) {
        while let Some((&ticket, first)) = self.line.waiting.first_key_value() {
            // What waits when the quota is lowered below it goes when there is as much as there ever is.
            let weight = first.weight.min(self.terms.burst);
            let due = match self.arrival.spend(weight, self.terms, first.since) {
                Err(Denied::Until(due)) => due,
                _ => first.since,
            };
            if due > self.now {
                break;
            }
            if let Ok(spent) = self.arrival.spend(weight, self.terms, due) {
                *self.arrival = spent;
            }
            wake.add(self.line.remove(ticket).map(|waiter| waiter.waker));
            // Whoever is first now may know of an earlier turn, as somebody between may have left.
            wake.add(self.line.first());
        }
    }

    /// Says what has become of somebody, and remembers whom to wake if it still waits.
    pub(super) fn standing(&mut self, ticket: u64, waker: &Waker, wake: &mut Wakers) -> Standing {
        self.advance(wake);
        let first = self.line.waiting.first_key_value().map(|(_, first)| first.place);
        let (Some(first), Some(waiter)) = (first, self.line.waiting.get_mut(&ticket)) else {
            return Standing::Admitted(*self.arrival);
        };
        if !waiter.waker.will_wake(waker) {
            wake.dropped.push(mem::replace(&mut waiter.waker, waker.clone()));
        }
        // With those between who have left, as a sum of the others would walk the line: whoever comes first is woken.
        let (weight, ahead) = (waiter.weight, waiter.place.wrapping_sub(first));
        Standing::Until(self.turn_behind(ahead, weight))
    }

    /// Lets somebody go who does not want to wait any longer; returns whether it still waited.
    pub(super) fn leave(&mut self, ticket: u64, wake: &mut Wakers) -> bool {
        let left = self.line.remove(ticket).map(|waiter| waiter.waker);
        let has_waited = left.is_some();
        wake.dropped.extend(left);
        wake.add(self.line.first());
        has_waited
    }

    /// Returns when somebody may go before whom so much goes.
    fn turn_behind(&self, ahead: u64, weight: NonZeroU32) -> Ticks {
        let ahead = ahead.saturating_mul(self.terms.interval).min(MOST);
        let arrival = Arrival(Ticks(self.arrival.0.max(self.now).0.saturating_add(ahead)));
        match arrival.spend(weight.min(self.terms.burst), self.terms, self.now) {
            Err(Denied::Until(until)) => until,
            _ => self.now,
        }
    }
}
