use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::future::{Acquire, Held, HeldProj};
use super::permit::{Entrance, Room, Seat};
use crate::base::deadline::{is_over, is_too_late};
use crate::base::ready;
use crate::base::refusal::{Reason, Refusal};
use crate::base::stripe::Lane;

pin_project! {
    /// The wait for a place, for the inner service, and the call behind both.
    ///
    /// The inner service is asked when there is a place, so that nobody holds one of its places and waits for one of ours.
    #[project = PlacedProj]
    pub enum Placed<S, Req>
    where
        S: Service<Req>,
    {
        Waiting { acquire: Acquire, parts: Option<(S, Req)> },
        Held { #[pin] held: Held<ready::Call<S, Req>> },
    }
}

impl<S: Service<Req> + Clone, Req> Placed<S, Req> {
    /// Takes a place or waits for one; in that case the service moves in here, and a clone stays.
    #[inline]
    pub(super) fn new(lane: Lane<Room>, service: &mut S, request: Req) -> Self {
        if lane.enter() {
            return Self::let_in(lane, service, request);
        }
        match lane.ask(true) {
            Entrance::Open => Self::let_in(lane, service, request),
            Entrance::Shut(reason) => Self::refused(lane.refuse(reason)),
            Entrance::Waiting(wait) => {
                let clone = service.clone();
                Self::Waiting {
                    acquire: Acquire::waiting(lane, wait),
                    parts: Some((mem::replace(service, clone), request)),
                }
            }
        }
    }

    #[inline]
    fn let_in(lane: Lane<Room>, service: &mut S, request: Req) -> Self {
        let seat = Seat::new(lane).begin();
        Self::Held {
            held: Held::new(Ok(seat), || ready::Call::new(service, request)),
        }
    }
}

impl<S: Service<Req>, Req> Placed<S, Req> {
    /// Refuses the call.
    #[cold]
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::Held {
            held: Held::refused(refusal),
        }
    }
}

impl<S: Service<Req>, Req> Held<ready::Call<S, Req>> {
    /// Returns the place of a call that has not begun, if nobody waits for its answer any more.
    #[inline]
    fn comes_too_late(self: Pin<&mut Self>) -> Option<Seat> {
        match self.project() {
            // Whoever keeps the deadline ends this with it, and says why.
            HeldProj::Running { future, seat } if future.is_waiting() && is_too_late(None) && !is_over() => {
                Some(mem::take(seat))
            }
            _ => None,
        }
    }
}

impl<S: Service<Req>, Req> Future for Placed<S, Req> {
    type Output = <Held<ready::Call<S, Req>> as Future>::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                PlacedProj::Held { mut held } => {
                    let Some(seat) = held.as_mut().comes_too_late() else {
                        return held.poll(cx);
                    };
                    // What waits inside goes before its place does.
                    self.set(Self::Held {
                        held: Held::Refused { refusal: None },
                    });
                    return match seat.refuse(Reason::DeadlinePassed) {
                        Some(refusal) => Poll::Ready(Err(Box::new(refusal))),
                        None => Poll::Pending,
                    };
                }
                PlacedProj::Waiting { acquire, parts } => {
                    let admitted = ready!(acquire.poll_seat(cx));
                    let Some((service, request)) = parts.take() else {
                        return Poll::Pending;
                    };
                    let held = Held::new(admitted, || ready::Call::of(service, request));
                    self.set(Self::Held { held });
                }
            }
        }
    }
}
