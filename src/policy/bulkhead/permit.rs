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

/// The places of a handle that threads share.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) rules: Rules,
    pub(super) places: Places,
}

/// Keeps the places alive that somebody asks for one of.
#[derive(Clone)]
pub(super) enum Holder {
    Striped(Lane<Room>),
    Keyed(Arc<dyn OwnRoom>),
}

/// The places of one of many keys, of one stripe.
pub(super) trait OwnRoom: Send + Sync {
    fn rules(&self) -> &Rules;
    fn places(&self) -> &Places;
}

/// How a caller fares at the door.
pub(super) enum Entrance {
    Open,
    Waiting(Wait),
    Shut(Reason),
}

impl Holder {
    pub(super) fn rules(&self) -> &Rules {
        match self {
            Self::Striped(room) => &room.rules,
            Self::Keyed(room) => room.rules(),
        }
    }

    #[inline]
    pub(super) fn places(&self) -> &Places {
        match self {
            Self::Striped(room) => &room.places,
            Self::Keyed(room) => room.places(),
        }
    }

    #[inline]
    pub(super) fn stripe(&self) -> usize {
        match self {
            Self::Striped(room) => room.index(),
            Self::Keyed(_) => 0,
        }
    }

    /// Takes a place, or a position in the queue.
    #[inline]
    pub(super) fn enter(&self) -> Entrance {
        if is_too_late(None) {
            return Entrance::Shut(Reason::DeadlinePassed);
        }
        if self.places().take(self.stripe()) {
            return Entrance::Open;
        }
        self.ask()
    }

    #[cold]
    fn ask(&self) -> Entrance {
        match self.places().ask(self.stripe()) {
            Answer::Place => Entrance::Open,
            Answer::Queued(ticket) => Entrance::Waiting(Wait::new(self.clone(), ticket)),
            Answer::Full => {
                let waited = Duration::ZERO;
                Entrance::Shut(BulkheadFull { waited }.into())
            },
        }
    }

    pub(super) fn release(&self) {
        self.places().release(self.stripe());
    }

    pub(super) fn refuse(&self, reason: impl Into<Reason>) -> Refusal {
        self.rules().refuse(reason.into())
    }
}

/// A place in a bulkhead; given back when this is dropped.
///
/// Made by [`Bulkhead::acquire`](super::Bulkhead::acquire), for work that is no single future.
#[must_use = "the place is given back when this is dropped"]
pub struct Permit {
    holder: Holder,
    is_over: bool,
}

impl Permit {
    /// Takes over a place that has been taken.
    #[inline]
    pub(super) fn new(holder: Holder) -> Self {
        Self { holder, is_over: false }
    }

    /// Counts a call that begins.
    #[inline]
    pub(super) fn begin(self) -> Self {
        self.holder.rules().count(Count::Calls);
        self
    }

    /// Has the drop count as the end of a call, and not as a caller that gave up.
    #[inline]
    pub(super) fn over_when_dropped(mut self) -> Self {
        self.is_over = true;
        self
    }

    /// Gives the place back, because the call has ended.
    #[inline]
    pub(crate) fn end(self) {
        drop(self.over_when_dropped());
    }

    /// Gives the place back for a call that is not made.
    pub(super) fn refuse(self, reason: Reason) -> Refusal {
        let refusal = self.holder.refuse(reason);
        self.end();
        refusal
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if !self.is_over {
            self.holder.rules().count(Count::Cancelled);
        }
        self.holder.release();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.holder.rules().name()).finish()
    }
}
