use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::permit::{Entrance, Holder, Permit};
use super::wait::Wait;
use crate::base::error::BoxError;
use crate::base::refusal::{Guarded, Refusal};

pin_project! {
    /// The wait for a place; made by [`Bulkhead::acquire`](super::Bulkhead::acquire).
    #[must_use = "futures do nothing unless polled"]
    pub struct Acquire {
        holder: Option<Holder>,
        wait: Option<Wait>,
    }
}

impl Acquire {
    pub(super) fn new(holder: Holder) -> Self {
        let (holder, wait) = (Some(holder), None);
        Self { holder, wait }
    }

    /// Takes over a wait that has begun.
    pub(super) fn waiting(holder: Holder, wait: Wait) -> Self {
        let (holder, wait) = (Some(holder), Some(wait));
        Self { holder, wait }
    }

    fn admit(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Refusal>> {
        let Some(holder) = &self.holder else {
            return Poll::Pending;
        };
        if self.wait.is_none() {
            match holder.enter() {
                Entrance::Open => {}
                Entrance::Waiting(wait) => self.wait = Some(wait),
                Entrance::Shut(reason) => return Poll::Ready(Err(holder.refuse(reason))),
            }
        }
        let end = match &mut self.wait {
            Some(wait) => ready!(wait.poll(cx)),
            None => Ok(()),
        };
        self.wait = None;
        let Some(holder) = self.holder.take() else {
            return Poll::Pending;
        };
        Poll::Ready(match end {
            Ok(()) => Ok(Permit::new(holder).begin()),
            Err(reason) => Err(holder.refuse(reason)),
        })
    }

    /// Waits for the place of one call.
    pub(super) fn poll_call(&mut self, cx: &mut Context<'_>) -> Poll<Result<Permit, Refusal>> {
        self.admit(cx)
    }
}

impl Future for Acquire {
    type Output = Result<Permit, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.admit(cx).map_ok(Permit::over_when_dropped)
    }
}

pin_project! {
    /// A future that was let in with its permit, or was not.
    #[project = HeldProj]
    pub enum Held<F> {
        // In this order, so that what is dropped has gone before its place is given to somebody else.
        Running { #[pin] future: F, permit: Option<Permit> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F> Held<F> {
    /// Makes the future only if the call was let in.
    #[inline]
    pub(crate) fn new(admitted: Result<Permit, Refusal>, future: impl FnOnce() -> F) -> Self {
        match admitted {
            Ok(permit) => Self::Running {
                future: future(),
                permit: Some(permit),
            },
            Err(refusal) => Self::Refused { refusal: Some(refusal) },
        }
    }
}

impl<F: Future> Future for Held<F> {
    /// What the future ended with, and the permit, which is not given back yet.
    type Output = Result<(F::Output, Option<Permit>), Refusal>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            HeldProj::Running { future, permit } => {
                let output = ready!(future.poll(cx));
                Poll::Ready(Ok((output, permit.take())))
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
    A: Future<Output = Result<(Result<T, E>, Option<Permit>), Refusal>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().held.poll(cx)) {
            Ok((output, permit)) => {
                permit.map(Permit::end);
                output.map_err(Into::into)
            }
            Err(refusal) => Err(Box::new(refusal)),
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
        #[pin]
        held: Option<Held<Fut>>,
    }
}

impl<F, Fut> Call<F, Fut> {
    pub(super) fn new(holder: Holder, operation: F) -> Self {
        Self {
            operation: Some(operation),
            acquire: Acquire::new(holder),
            held: None,
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
        if let Some(operation) = this.operation.take() {
            match this.acquire.poll_call(cx) {
                Poll::Ready(admitted) => this.held.set(Some(Held::new(admitted, operation))),
                Poll::Pending => {
                    *this.operation = Some(operation);
                    return Poll::Pending;
                }
            }
        }
        let Some(held) = this.held.as_pin_mut() else {
            return Poll::Pending;
        };
        Poll::Ready(match ready!(held.poll(cx)) {
            Ok((output, permit)) => {
                permit.map(Permit::end);
                output.map_err(Guarded::Inner)
            }
            Err(refusal) => Err(Guarded::Refused(refusal)),
        })
    }
}
