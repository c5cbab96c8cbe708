use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::engine::{Answer, Places};
use super::error::BulkheadFull;
use super::rules::{Count, Rules};
use super::wait::Wait;
use crate::base::deadline::is_too_late;
use crate::base::refusal::{Reason, Refusal};
use crate::base::stripe::Lane;

/// Places, and what applies to whoever asks for one.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) rules: Arc<Rules>,
    pub(super) places: Places,
}

/// How a caller fares who found no place at once.
pub(super) enum Entrance {
    Open,
    Waiting(Box<Wait>),
    Shut(Reason),
}

impl Lane<Room> {
    /// Takes a place if that takes no more than a look.
    #[inline]
    pub(super) fn enter(&self) -> bool {
        !is_too_late(None) && self.places.take(self.index())
    }

    /// Takes a place from wherever there is one, or a position in the queue for whoever may wait.
    #[cold]
    pub(super) fn ask(&self, may_wait: bool) -> Entrance {
        if is_too_late(None) {
            return Entrance::Shut(Reason::DeadlinePassed);
        }
        match self.places.ask(self.index(), may_wait) {
            Answer::Place => Entrance::Open,
            Answer::Queued(ticket) => Entrance::Waiting(Box::new(Wait::new(self.clone(), ticket))),
            Answer::Full => {
                let waited = Duration::ZERO;
                Entrance::Shut(BulkheadFull { waited }.into())
            }
        }
    }

    #[inline]
    pub(super) fn release(&self) {
        self.places.release(self.index());
    }

    pub(super) fn refuse(&self, reason: Reason) -> Refusal {
        self.rules.refuse(reason)
    }
}

/// The place of a call, until the call has ended. Dropping it before that counts as cancelled.
#[derive(Default)]
pub struct Seat(Option<Lane<Room>>);

impl Seat {
    /// Takes over a place that has been taken.
    #[inline]
    pub(super) fn new(lane: Lane<Room>) -> Self {
        Self(Some(lane))
    }

    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        self.0.is_some()
    }

    /// Counts a call that begins.
    #[inline]
    pub(super) fn begin(self) -> Self {
        if let Some(lane) = &self.0 {
            lane.rules.count(Count::Calls);
        }
        self
    }

    /// Gives the place back, because the call is not made, and says why.
    #[cold]
    pub(super) fn refuse(mut self, reason: Reason) -> Option<Refusal> {
        let refusal = self.0.as_ref().map(|lane| lane.refuse(reason));
        self.end();
        refusal
    }

    /// Gives the place back, because the call has ended or is not made.
    #[inline]
    pub(crate) fn end(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.release();
        }
    }
}

impl Drop for Seat {
    #[inline]
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.rules.count(Count::Cancelled);
            lane.release();
        }
    }
}

/// A place in a bulkhead; given back when this is dropped.
///
/// Made by [`Bulkhead::acquire`](super::Bulkhead::acquire), for work that is no single future.
#[must_use = "the place is given back when this is dropped"]
pub struct Permit(Seat);

impl Permit {
    pub(super) fn new(seat: Seat) -> Self {
        Self(seat)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.0.as_ref().map(|lane| lane.rules.name());
        f.debug_tuple("Permit").field(&name.unwrap_or_default()).finish()
    }
}
