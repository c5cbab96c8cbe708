use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::permit::{Entrance, Permit, Room, Seat};
use super::wait::Wait;
use crate::base::error::BoxError;
use crate::base::refusal::{Guarded, Refusal};
use crate::base::stripe::Lane;

/// The wait for a place; made by [`Bulkhead::acquire`](super::Bulkhead::acquire).
#[must_use = "futures do nothing unless polled"]
pub struct Acquire {
    lane: Option<Lane<Room>>,
    wait: Option<Box<Wait>>,
    refused: Option<Box<Refusal>>,
}

impl Acquire {
    #[inline]
    pub(super) fn new(lane: Lane<Room>) -> Self {
        let lane = Some(lane);
        let (wait, refused) = (None, None);
        Self { lane, wait, refused }
    }

    /// Is refused without having asked.
    #[cold]
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self {
            lane: None,
            wait: None,
            refused: Some(Box::new(refusal)),
        }
    }

    /// Takes over a wait that has begun.
    pub(super) fn waiting(lane: Lane<Room>, wait: Box<Wait>) -> Self {
        let mut acquire = Self::new(lane);
        acquire.wait = Some(wait);
        acquire
    }

    /// Waits for the place of one call.
    #[inline]
    pub(super) fn poll_seat(&mut self, cx: &mut Context<'_>) -> Poll<Result<Seat, Refusal>> {
        match self.lane.take() {
            Some(lane) if self.wait.is_none() && lane.enter() => Poll::Ready(Ok(Seat::new(lane).begin())),
            Some(lane) => self.wait(lane, cx),
            None => match self.refused.take() {
                Some(refusal) => Poll::Ready(Err(*refusal)),
                None => Poll::Pending,
            },
        }
    }

    #[cold]
    fn wait(&mut self, lane: Lane<Room>, cx: &mut Context<'_>) -> Poll<Result<Seat, Refusal>> {
        let end = match &mut self.wait {
            Some(wait) => wait.poll(cx),
            None => match lane.ask(true) {
                Entrance::Open => Poll::Ready(Ok(())),
                Entrance::Waiting(wait) => self.wait.insert(wait).poll(cx),
                Entrance::Shut(reason) => Poll::Ready(Err(reason)),
            },
        };
        let Poll::Ready(end) = end else {
            self.lane = Some(lane);
            return Poll::Pending;
        };
        self.wait = None;
        Poll::Ready(match end {
            Ok(()) => Ok(Seat::new(lane).begin()),
            Err(reason) => Err(lane.refuse(reason)),
        })
    }
}

impl Future for Acquire {
    type Output = Result<Permit, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_seat(cx).map_ok(Permit::new)
    }
}

pin_project! {
    /// A future that was let in to its place, or was not.
    #[project = HeldProj]
    pub enum Held<F> {
        // In this order, so that what is dropped has gone before its place is given to somebody else.
        Running { #[pin] future: F, seat: Seat },
        Refused { refusal: Option<Box<Refusal>> },
    }
}

impl<F> Held<F> {
    /// Makes the future only if the call was let in.
    #[inline]
    pub(crate) fn new(admitted: Result<Seat, Refusal>, future: impl FnOnce() -> F) -> Self {
        match admitted {
            Ok(seat) => Self::Running { future: future(), seat },
            Err(refusal) => Self::refused(refusal),
        }
    }

    #[cold]
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self::Refused {
            refusal: Some(Box::new(refusal)),
        }
    }
}

impl<F: Future> Future for Held<F> {
    /// What the future ended with, and its place, which is not given back yet.
    type Output = Result<(F::Output, Seat), Box<Refusal>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            HeldProj::Running { future, seat } => {
                let output = ready!(future.poll(cx));
                Poll::Ready(Ok((output, mem::take(seat))))
            }
            HeldProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal)),
                None => Poll::Pending,
            },
        }
    }
}

pin_project! {
    /// The response of a service in a bulkhead.
    pub struct ResponseFuture<A> {
        #[pin]
        held: A,
    }
}

impl<A> ResponseFuture<A> {
    #[inline]
    pub(super) fn new(held: A) -> Self {
        Self { held }
    }
}

impl<A, T, E> Future for ResponseFuture<A>
where
    A: Future<Output = Result<(Result<T, E>, Seat), Box<Refusal>>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().held.poll(cx)) {
            Ok((output, mut seat)) => {
                seat.end();
                output.map_err(Into::into)
            }
            Err(refusal) => Err(refusal),
        })
    }
}

pin_project! {
    /// A future of the user's own in a bulkhead; made by [`Bulkhead::call`](super::Bulkhead::call).
    #[must_use = "futures do nothing unless polled"]
    #[project = CallProj]
    pub struct Call<F, Fut> {
        operation: Option<F>,
        acquire: Acquire,
        // Before the place, as it has to be gone when that is given to somebody else.
        #[pin]
        future: Option<Fut>,
        seat: Seat,
    }
}

impl<F, Fut> Call<F, Fut> {
    #[inline]
    pub(super) fn new(acquire: Acquire, operation: F) -> Self {
        Self {
            operation: Some(operation),
            acquire,
            future: None,
            seat: Seat::default(),
        }
    }
}

impl<F, Fut, T, E> Future for Call<F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Guarded<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.operation.is_some() {
            match ready!(this.acquire.poll_seat(cx)) {
                Ok(seat) => *this.seat = seat,
                Err(refusal) => return Poll::Ready(Err(Guarded::Refused(refusal))),
            }
        }
        if let Some(operation) = this.operation.take() {
            this.future.set(Some(operation()));
        }
        let Some(future) = this.future.as_pin_mut() else {
            return Poll::Pending;
        };
        let output = ready!(future.poll(cx));
        this.seat.end();
        Poll::Ready(output.map_err(Guarded::Inner))
    }
}
