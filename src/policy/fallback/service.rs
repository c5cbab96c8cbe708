use std::future::Future;
use std::task::{Context, Poll};

use tower_service::Service;

use super::answer::Answer;
use super::engine::End;
use super::future::{Rescue, ResponseFuture};
use super::layer::Fallback;
use crate::base::error::BoxError;
use crate::base::outcome::{Outcome, of_error};
use crate::base::refusal::Refusal;

/// The tower shell of a [`Fallback`]; made by its [layer](Fallback::layer).
///
/// It is ready when the inner service is. It is also ready when that gives an error instead which leads to the fallback:
/// the next call is answered so, and the inner service is asked again for the one after it.
#[derive(Clone, Debug)]
pub struct FallbackService<S, A> {
    inner: S,
    gate: Gate,
    answer: A,
}

impl<S, A> FallbackService<S, A> {
    pub(super) fn new(inner: S, fallback: Fallback, answer: A) -> Self {
        let gate = Gate::new(fallback);
        Self { inner, gate, answer }
    }
}

impl<S, A, Req> Service<Req> for FallbackService<S, A>
where
    S: Service<Req, Error: Into<BoxError>>,
    A: Answer<Req, BoxError, Future: Future<Output = Result<S::Response, BoxError>>> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, A, Req>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let inner = &mut self.inner;
        self.gate.poll_ready(|| inner.poll_ready(cx), of_error)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let kept = self.answer.keep(&request);
        let rescue = self.gate.start(|| self.inner.call(request));
        ResponseFuture::new(rescue, self.answer.clone(), kept)
    }
}

/// Holds an error of readiness for the call that it belongs to.
#[derive(Debug)]
pub(crate) struct Gate {
    fallback: Fallback,
    unready: Option<BoxError>,
}

impl Gate {
    pub(crate) fn new(fallback: Fallback) -> Self {
        let unready = None;
        Self { fallback, unready }
    }

    /// Is ready when the inner service is, or has failed in a way that the fallback answers.
    #[inline]
    pub(crate) fn poll_ready<E: Into<BoxError>>(
        &mut self,
        inner: impl FnOnce() -> Poll<Result<(), E>>,
        classify: impl FnOnce(&BoxError) -> Outcome,
    ) -> Poll<Result<(), BoxError>> {
        if self.unready.is_some() {
            return Poll::Ready(Ok(()));
        }
        match inner() {
            Poll::Ready(Err(error)) => Poll::Ready(self.keep(error.into(), classify)),
            other => other.map_err(Into::into),
        }
    }

    #[cold]
    fn keep(&mut self, error: BoxError, classify: impl FnOnce(&BoxError) -> Outcome) -> Result<(), BoxError> {
        let (refusal, outcome) = (Refusal::find(error.as_ref()), classify(&error));
        if !self.fallback.rules().would_use(End { refusal, outcome }) {
            return Err(error);
        }
        self.unready = Some(error);
        Ok(())
    }

    /// Begins a call of the inside, or of none if that was not ready.
    #[inline]
    pub(crate) fn start<F: Future, A: Future>(&mut self, inside: impl FnOnce() -> F) -> Rescue<F, BoxError, A> {
        Rescue::start(self.fallback.lane(), self.unready.take(), inside)
    }
}

impl Clone for Gate {
    /// The error stays behind: it is for one call, and the clone's inside has not been asked.
    fn clone(&self) -> Self {
        Self::new(self.fallback.clone())
    }
}
