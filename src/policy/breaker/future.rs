use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::permit::Permit;
use crate::base::error::BoxError;
use crate::base::outcome::Classify;
use crate::base::refusal::{Guarded, Refusal};

pin_project! {
    /// A future that was let through with its permit, or was not.
    #[project = ObservedProj]
    pub(crate) enum Observed<F> {
        Running { #[pin] future: F, permit: Option<Permit> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F> Observed<F> {
    /// Makes the future only if the call was let in.
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

impl<F: Future> Future for Observed<F> {
    /// What the future ended with, and the permit to say how.
    type Output = Result<(F::Output, Option<Permit>), Refusal>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            ObservedProj::Running { future, permit } => {
                let output = ready!(future.poll(cx));
                Poll::Ready(Ok((output, permit.take())))
            }
            ObservedProj::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Err(refusal)),
                None => Poll::Pending,
            },
        }
    }
}

pin_project! {
    /// The response of a service behind a circuit breaker.
    pub struct ResponseFuture<F, C> {
        #[pin]
        observed: Observed<F>,
        classify: C,
    }
}

impl<F, C> ResponseFuture<F, C> {
    pub(super) fn new(observed: Observed<F>, classify: C) -> Self {
        Self { observed, classify }
    }
}

impl<F, C, T, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
    C: Classify<T, BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (output, permit) = match ready!(this.observed.poll(cx)) {
            Ok(ended) => ended,
            Err(refusal) => return Poll::Ready(Err(Box::new(refusal))),
        };
        let output = output.map_err(Into::into);
        if let Some(permit) = permit {
            permit.end(this.classify.classify(output.as_ref()));
        }
        Poll::Ready(output)
    }
}

pin_project! {
    /// A future of the user's own behind a circuit breaker; made by [`CircuitBreaker::call`](super::CircuitBreaker::call).
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<F, C> {
        #[pin]
        observed: Observed<F>,
        classify: C,
    }
}

impl<F, C> Call<F, C> {
    pub(super) fn new(observed: Observed<F>, classify: C) -> Self {
        Self { observed, classify }
    }
}

impl<F, C, T, E> Future for Call<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, Guarded<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (output, permit) = match ready!(this.observed.poll(cx)) {
            Ok(ended) => ended,
            Err(refusal) => return Poll::Ready(Err(Guarded::Refused(refusal))),
        };
        if let Some(permit) = permit {
            permit.end(this.classify.classify(output.as_ref()));
        }
        Poll::Ready(output.map_err(Guarded::Inner))
    }
}
