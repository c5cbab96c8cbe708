use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::error::BulkheadFull;
use super::permit::Room;
use super::rules::Count;
use crate::base::clock::Clock;
use crate::base::deadline::{is_over, is_too_late};
use crate::base::places::Ticket;
use crate::base::refusal::Reason;
use crate::base::stripe::Lane;
use crate::base::within::{Late, Within};

/// A caller's wait for a place; dropping it leaves the queue.
pub(super) struct Wait {
    // Boxed, as its timer is large and few wait.
    within: Pin<Box<Within<Queued>>>,
    lane: Lane<Room>,
    limit: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// It was given a place when nobody waited for the result any more, and gave it back.
    TooLate,
    Ended,
}

impl Wait {
    pub(super) fn new(lane: Lane<Room>, ticket: Ticket) -> Self {
        let limit = lane.rules.config().wait;
        let queued = Queued {
            lane: lane.clone(),
            ticket: Some(ticket),
            since: Clock::default().now(),
        };
        Self {
            within: Box::pin(Within::start(Some(limit), None, || queued)),
            lane,
            limit,
            state: State::Waiting,
        }
    }

    /// Is ready when there is a place, which is the caller's then, or when there will be none.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.state == State::Waiting {
            match ready!(self.within.as_mut().poll_with(cx, Future::poll)) {
                // Nothing is begun that nobody waits for.
                Ok(()) if is_too_late(None) => {
                    self.state = State::TooLate;
                    self.lane.release();
                }
                Ok(()) => return self.end(Ok(())),
                Err(Late::Elapsed) => {
                    let waited = self.limit;
                    return self.end(Err(BulkheadFull { waited }.into()));
                }
                Err(Late::Passed) => return self.end(Err(Reason::DeadlinePassed)),
            }
        }
        // Whoever keeps the deadline ends this with it, and says why.
        if self.state == State::Ended || is_over() {
            return Poll::Pending;
        }
        self.end(Err(Reason::DeadlinePassed))
    }

    fn end(&mut self, end: Result<(), Reason>) -> Poll<Result<(), Reason>> {
        self.state = State::Ended;
        Poll::Ready(end)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.state != State::Ended {
            self.lane.rules.count(Count::Cancelled);
        }
    }
}

/// A position in the queue.
struct Queued {
    lane: Lane<Room>,
    ticket: Option<Ticket>,
    since: Instant,
}

impl Future for Queued {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let is_granted = self
            .ticket
            .is_none_or(|ticket| self.lane.places.poll(ticket, cx.waker()));
        if !is_granted {
            return Poll::Pending;
        }
        self.ticket = None;
        Poll::Ready(())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.lane.places.leave(ticket, self.lane.index());
        }
        self.lane.rules.waited(Clock::default().now() - self.since);
    }
}
