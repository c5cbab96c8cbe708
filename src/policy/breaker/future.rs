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

impl<F: Future> Observed<F> {
    /// Polls the future; `finish` sees what it ended with, and the permit to say how.
    #[inline]
    pub(crate) fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        finish: impl FnOnce(F::Output, &mut Option<Permit>) -> T,
    ) -> Poll<Result<T, Refusal>> {
        match self.project() {
            ObservedProj::Running { future, permit } => {
                let output = ready!(future.poll(cx));
                Poll::Ready(Ok(finish(output, permit)))
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
        let classify = this.classify;
        let ended = this.observed.poll(cx, |output, permit| {
            let output = output.map_err(Into::into);
            if let Some(permit) = permit {
                permit.end(classify.classify(output.as_ref()));
            }
            output
        });
        Poll::Ready(ready!(ended).unwrap_or_else(|refusal| Err(Box::new(refusal))))
    }
}

pin_project! {
    /// A future of the user's own behind a circuit breaker; made by [`CircuitBreaker::call`](super::CircuitBreaker::call).
    #[must_use = "a call that nobody awaits counts as cancelled"]
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
        let classify = this.classify;
        let ended = this.observed.poll(cx, |output, permit| {
            if let Some(permit) = permit {
                permit.end(classify.classify(output.as_ref()));
            }
            output.map_err(Guarded::Inner)
        });
        Poll::Ready(ready!(ended).unwrap_or_else(|refusal| Err(Guarded::Refused(refusal))))
    }
}
