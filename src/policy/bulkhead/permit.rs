use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::error::BulkheadFull;
use super::rules::{Count, Rules};
use super::wait::Wait;
use crate::base::deadline::is_too_late;
use crate::base::places::{Answer, Places};
use crate::base::refusal::{Reason, Refusal};
use crate::base::stripe::{Lane, Striped};

/// Places, and what applies to whoever asks for one.
///
/// Nothing of the user's is in here: a thread keeps it until its next call, after the last handle has gone, too.
#[derive(Debug)]
pub(super) struct Room {
    /// Whether threads keep lanes: a key is in use as long as anybody has one.
    pub(super) are_lanes_kept: bool,
    pub(super) rules: Arc<Rules>,
    pub(super) places: Places,
}

/// How a caller fares who found no place at once.
pub(super) enum Entrance {
    Open,
    Waiting(Box<Wait>),
    Shut(Reason),
}

// What a call costs is its atomic additions, half of which are those to a lane's reference count. A thread that makes
// one call after the other needs none: each leaves its lane to the next.
thread_local!(static LEFT: Cell<Option<Lane<Room>>> = const { Cell::new(None) });

/// Returns this thread's lane.
#[inline]
pub(super) fn lane(rooms: &Striped<Room>) -> Lane<Room> {
    rooms.lane_or(LEFT.try_with(Cell::take).ok().flatten())
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

    /// Gives the place back, and leaves the lane to the next call of this thread.
    #[inline]
    fn give_back(self) {
        self.release();
        if self.are_lanes_kept {
            // A thread that ends keeps nothing.
            let _ = LEFT.try_with(|left| left.set(Some(self)));
        }
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
            lane.give_back();
        }
    }
}

impl Drop for Seat {
    #[inline]
    fn drop(&mut self) {
        if let Some(lane) = self.0.take() {
            lane.rules.count(Count::Cancelled);
            lane.give_back();
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
