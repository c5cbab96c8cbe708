use std::fmt;
use std::mem;
use std::task::{Context, Poll, ready};

use tower_service::Service;

use super::future::{Held, ResponseFuture};
use super::layer::Bulkhead;
use super::permit::{Entrance, Room, Seat};
use super::wait::Wait;
use crate::base::deadline::is_too_late;
use crate::base::error::BoxError;
use crate::base::refusal::{Reason, Refusal};
use crate::base::stripe::Lane;

/// The tower shell of a [`Bulkhead`]; made by its [layer](Bulkhead::layer).
///
/// It is ready when it has a place and the inner service is ready, and also, without asking that one, when it is going
/// to refuse. While it waits for a place it keeps its position in the queue; dropping it gives up either. Called without
/// having been ready, it takes a place that is free, and waits for none.
#[derive(Clone, Debug)]
pub struct BulkheadService<S> {
    inner: S,
    door: Door,
}

impl<S> BulkheadService<S> {
    pub(super) fn new(inner: S, bulkhead: Bulkhead) -> Self {
        let door = Door::new(bulkhead);
        Self { inner, door }
    }
}

impl<S, Req> Service<Req> for BulkheadService<S>
where
    S: Service<Req, Error: Into<BoxError>>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<Held<S::Future>>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let inner = &mut self.inner;
        self.door.poll_ready(cx, |cx| inner.poll_ready(cx))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::new(Held::new(self.door.pass(), || self.inner.call(request)))
    }
}

/// Lets callers in one by one, and holds each one's place from `poll_ready` to `call`.
pub(crate) struct Door {
    bulkhead: Bulkhead,
    seat: Seat,
    without: Without,
}

/// Where a caller stands who has no place.
enum Without {
    Unknown,
    Waiting(Lane<Room>, Box<Wait>),
    Refused(Reason),
}

impl Door {
    pub(crate) fn new(bulkhead: Bulkhead) -> Self {
        Self {
            bulkhead,
            seat: Seat::default(),
            without: Without::Unknown,
        }
    }

    /// Is ready when the call will be refused, and otherwise when there is a place and the inner service is ready.
    #[inline]
    pub(crate) fn poll_ready<E: Into<BoxError>>(
        &mut self,
        cx: &mut Context<'_>,
        inner: impl FnOnce(&mut Context<'_>) -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), BoxError>> {
        if !self.seat.is_taken() {
            ready!(self.enter(cx));
            if !self.seat.is_taken() {
                return Poll::Ready(Ok(()));
            }
        }
        inner(cx).map_err(|error| {
            self.seat.end();
            error.into()
        })
    }

    /// Is ready when there is a place, or when there will be none.
    #[inline]
    fn enter(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.without {
            Without::Unknown => {
                let lane = self.bulkhead.lane();
                if lane.enter() {
                    self.seat = Seat::new(lane);
                    return Poll::Ready(());
                }
                self.ask(lane, true);
            }
            Without::Refused(reason) => self.ask_again(reason),
            Without::Waiting(..) => {}
        }
        self.wait(cx)
    }

    #[cold]
    fn ask(&mut self, lane: Lane<Room>, may_wait: bool) {
        self.without = match lane.ask(may_wait) {
            Entrance::Open => {
                self.seat = Seat::new(lane);
                Without::Unknown
            }
            Entrance::Waiting(wait) => Without::Waiting(lane, wait),
            Entrance::Shut(reason) => Without::Refused(reason),
        }
    }

    /// Asks for whoever comes after a refusal that nobody was told; nobody waits a second time.
    #[cold]
    fn ask_again(&mut self, before: Reason) {
        let is_full = |reason| matches!(reason, Reason::BulkheadFull { .. });
        self.ask(self.bulkhead.lane(), !is_full(before));
        if let Without::Refused(reason) = &mut self.without
            && is_full(before)
            && is_full(*reason)
        {
            *reason = before;
        }
    }

    #[cold]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Without::Waiting(lane, wait) = &mut self.without {
            match ready!(wait.poll(cx)) {
                Ok(()) => {
                    self.seat = Seat::new(lane.clone());
                    self.without = Without::Unknown;
                }
                Err(reason) => {
                    self.without = Without::Refused(reason);
                    // The deadline was that of somebody else, who has gone.
                    if reason == Reason::DeadlinePassed && !is_too_late(None) {
                        self.ask_again(reason);
                        return self.wait(cx);
                    }
                }
            }
        }
        Poll::Ready(())
    }

    /// Takes the place for one call; counts the refusal if there is none.
    #[inline]
    pub(crate) fn pass(&mut self) -> Result<Seat, Refusal> {
        if !self.seat.is_taken() {
            self.come_unready();
        }
        // Whoever asked in time may not have come before it was too late.
        if self.seat.is_taken() && !is_too_late(None) {
            return Ok(mem::take(&mut self.seat).begin());
        }
        Err(self.turn_away())
    }

    /// Takes a place that is free for a caller who did not ask, or did not wait for the answer.
    #[cold]
    fn come_unready(&mut self) {
        if !matches!(self.without, Without::Refused(_)) {
            // The position in the queue goes first: a place that is given to it is this one's then, if nobody waits.
            self.without = Without::Unknown;
            self.ask(self.bulkhead.lane(), false);
        }
    }

    #[cold]
    fn turn_away(&mut self) -> Refusal {
        let reason = match mem::replace(&mut self.without, Without::Unknown) {
            Without::Refused(reason) => reason,
            Without::Unknown | Without::Waiting(..) => Reason::DeadlinePassed,
        };
        self.seat.end();
        self.bulkhead.refuse(reason)
    }
}

impl Clone for Door {
    /// The place, or the position in the queue, stays behind: it is for one call.
    fn clone(&self) -> Self {
        Self::new(self.bulkhead.clone())
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_place = self.seat.is_taken();
        f.debug_struct("Door")
            .field("bulkhead", &self.bulkhead)
            .field("has_place", &has_place)
            .finish_non_exhaustive()
    }
}
