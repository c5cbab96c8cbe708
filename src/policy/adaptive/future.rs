use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::limiter::Limiter;
use super::permit::{self, Permit};
use crate::base::error::BoxError;
use crate::base::outcome::Classify;
use crate::base::refusal::{Guarded, Refusal};
use crate::base::stripe::Lane;

pin_project! {
    /// A future that was let in to its place, or was not.
    #[project = LimitedProj]
    pub(super) enum Limited<F> {
        // In this order, so that what is dropped has gone before its place is given to somebody else.
        Running { #[pin] future: F, permit: Permit },
        Refused { refusal: Option<Box<Refusal>> },
    }
}

impl<F> Limited<F> {
    /// Makes the future only if the call was let in.
    #[inline]
    pub(super) fn new(admitted: Result<Permit, Refusal>, future: impl FnOnce() -> F) -> Self {
        match admitted {
            Ok(permit) => Self::Running {
                future: future(),
                permit,
            },
            Err(refusal) => Self::Refused {
                refusal: Some(Box::new(refusal)),
            },
        }
    }
}

impl<F: Future> Limited<F> {
    /// Polls the future; `finish` sees what it ended with, and the permit to say how.
    #[inline]
    pub(super) fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        finish: impl FnOnce(F::Output, &mut Permit) -> T,
    ) -> Poll<Result<T, Box<Refusal>>> {
        match self.project() {
            LimitedProj::Running { future, permit } => {
                let output = ready!(future.poll(cx));
                Poll::Ready(Ok(finish(output, permit)))
            }
            LimitedProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal)),
                None => Poll::Pending,
            },
        }
    }
}

pin_project! {
    /// The response of a service under an adaptive limit.
    pub struct ResponseFuture<F, C> {
        #[pin]
        limited: Limited<F>,
        classify: C,
    }
}

impl<F, C> ResponseFuture<F, C> {
    #[inline]
    pub(super) fn new(limited: Limited<F>, classify: C) -> Self {
        Self { limited, classify }
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
    C: Classify<T, BoxError>,
{
    type Output = Result<T, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let classify = this.classify;
        let ended = this.limited.poll(cx, |output, permit| {
            let output = output.map_err(Into::into);
            permit.end(classify.classify(output.as_ref()));
            output
        });
        // Not by `?`, which would box the box.
        Poll::Ready(ready!(ended).unwrap_or_else(|refusal| Err(refusal)))
    }
}

pin_project! {
    /// A future of the user's own under an adaptive limit; made by
    /// [`AdaptiveLimit::call`](super::AdaptiveLimit::call).
    #[must_use = "futures do nothing unless polled"]
    #[project = CallProj]
    pub struct Call<F, Fut, C> {
        lane: Option<Lane<Limiter>>,
        operation: Option<F>,
        #[pin]
        limited: Option<Limited<Fut>>,
        classify: C,
    }
}

impl<F, Fut, C> Call<F, Fut, C> {
    pub(super) fn new(lane: Lane<Limiter>, operation: F, classify: C) -> Self {
        Self {
            lane: Some(lane),
            operation: Some(operation),
            limited: None,
            classify,
        }
    }
}

impl<F, Fut, C, T, E> Future for Call<F, Fut, C>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, Guarded<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let (Some(lane), Some(operation)) = (this.lane.take(), this.operation.take()) {
            let admitted = permit::enter(lane).map(Permit::begin).map_err(|lane| lane.refuse());
            this.limited.set(Some(Limited::new(admitted, operation)));
        }
        let Some(limited) = this.limited.as_pin_mut() else {
            return Poll::Pending;
        };
        let classify = this.classify;
        let ended = limited.poll(cx, |output, permit| {
            permit.end(classify.classify(output.as_ref()));
            output.map_err(Guarded::Inner)
        });
        Poll::Ready(ready!(ended).unwrap_or_else(|refusal| Err(Guarded::Refused(*refusal))))
    }
}
