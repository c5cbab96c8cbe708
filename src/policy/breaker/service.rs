use std::task::{Context, Poll};

use tower_service::Service;

use super::engine::Ticket;
use super::error::CircuitOpen;
use super::future::{Observed, ResponseFuture};
use super::layer::CircuitBreaker;
use super::permit::Permit;
use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome};
use crate::base::refusal::Refusal;

/// The tower shell of a [`CircuitBreaker`]; made by its [layer](CircuitBreaker::layer).
///
/// It is ready when the inner service is, and also, without asking it, when it is going to refuse.
#[derive(Clone, Debug)]
pub struct CircuitBreakerService<S, C> {
    inner: S,
    door: Door,
    classify: C,
}

impl<S, C> CircuitBreakerService<S, C> {
    pub(super) fn new(inner: S, breaker: CircuitBreaker, classify: C) -> Self {
        let door = Door::new(breaker);
        Self { inner, door, classify }
    }
}

impl<S, C, Req> Service<Req> for CircuitBreakerService<S, C>
where
    S: Service<Req, Error: Into<BoxError>>,
    C: Classify<S::Response, BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let (inner, classify) = (&mut self.inner, &self.classify);
        self.door
            .poll_ready(|| inner.poll_ready(cx), |error| classify.classify(Err(error)))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let observed = Observed::new(self.door.pass(), || self.inner.call(request));
        ResponseFuture::new(observed, self.classify.clone())
    }
}

/// Lets callers in one by one, and holds each one's place from `poll_ready` to `call`.
#[derive(Debug)]
pub(crate) struct Door {
    breaker: CircuitBreaker,
    verdict: Option<Result<Ticket, CircuitOpen>>,
}

impl Door {
    pub(crate) fn new(breaker: CircuitBreaker) -> Self {
        Self { breaker, verdict: None }
    }

    /// Is ready when the call will be refused, and otherwise when the inner service is.
    #[inline]
    pub(crate) fn poll_ready<E: Into<BoxError>>(
        &mut self,
        inner: impl FnOnce() -> Poll<Result<(), E>>,
        classify: impl FnOnce(&BoxError) -> Outcome,
    ) -> Poll<Result<(), BoxError>> {
        if !matches!(self.verdict, Some(Ok(_))) {
            self.verdict = Some(self.breaker.enter());
        }
        if let Some(Err(_)) = self.verdict {
            return Poll::Ready(Ok(()));
        }
        inner().map_err(|error| {
            let error = error.into();
            if let Some(mut permit) = self.give_up() {
                permit.end(classify(&error));
            }
            error
        })
    }

    /// Takes the permit for one call; counts the refusal if there is none.
    #[inline]
    pub(crate) fn pass(&mut self) -> Result<Permit, Refusal> {
        let verdict = self.verdict.take().unwrap_or_else(|| self.breaker.enter());
        self.breaker.admit(verdict)
    }

    fn give_up(&mut self) -> Option<Permit> {
        let ticket = self.verdict.take()?.ok()?;
        Some(self.breaker.permit(ticket))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // A permit that is dropped counts as cancelled.
        drop(self.give_up());
    }
}

impl Clone for Door {
    /// The place stays behind: it is for one call.
    fn clone(&self) -> Self {
        Self::new(self.breaker.clone())
    }
}
