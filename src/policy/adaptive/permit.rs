use std::cell::Cell;

use super::limiter::{Count, Limiter};
use crate::base::outcome::Outcome;
use crate::base::stripe::{Lane, Striped};
use crate::base::ticks::Ticks;

// As in a bulkhead: each call leaves its lane to the thread's next one, which saves both a reference count.
thread_local!(static LEFT: Cell<Option<Lane<Limiter>>> = const { Cell::new(None) });

/// Returns this thread's lane.
#[inline]
pub(super) fn lane(limiter: &Striped<Limiter>) -> Lane<Limiter> {
    limiter.lane_or(LEFT.try_with(Cell::take).ok().flatten())
}

/// Takes a place, if there is one.
#[inline]
pub(super) fn enter(lane: Lane<Limiter>) -> Result<Permit, Lane<Limiter>> {
    if lane.enter(lane.index()) {
        let (lane, started) = (Some(lane), Ticks::NEVER);
        return Ok(Permit { lane, started });
    }
    Err(lane)
}

/// The place of a call, until that has ended. Dropping it before counts as cancelled.
pub(super) struct Permit {
    lane: Option<Lane<Limiter>>,
    /// [`Ticks::NEVER`] until the call begins.
    started: Ticks,
}

impl Permit {
    /// Counts a call that begins.
    #[inline]
    pub(super) fn begin(mut self) -> Self {
        if let Some(lane) = &self.lane {
            lane.count(Count::Calls);
            self.started = lane.now();
        }
        self
    }

    /// Says how the call ended; what is said later means nothing.
    #[inline]
    pub(super) fn end(&mut self, outcome: Outcome) {
        if let Some(lane) = self.lane.take() {
            lane.release(lane.index());
            lane.ended(self.started, outcome);
            leave(lane);
        }
    }

    /// Gives the place back, because there is no call.
    pub(super) fn release(&mut self) {
        if let Some(lane) = self.lane.take() {
            lane.release(lane.index());
            leave(lane);
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            lane.release(lane.index());
            let started = (self.started != Ticks::NEVER).then_some(self.started);
            lane.cancelled(started);
            leave(lane);
        }
    }
}

#[inline]
fn leave(lane: Lane<Limiter>) {
    // A thread that ends keeps nothing.
    let _ = LEFT.try_with(|left| left.set(Some(lane)));
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
