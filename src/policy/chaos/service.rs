use std::task::{Context, Poll};

use tower_service::Service;

use super::error::InjectedFault;
use super::future::ResponseFuture;
use super::layer::Chaos;
use super::switch::{Injected, Plan};
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;

/// The tower shell of a [`Chaos`]; made by its [layer](Chaos::layer).
///
/// It is ready when the inner service is, and also, without asking it, when it is going to inject what keeps the call
/// from it.
#[derive(Clone, Debug)]
pub struct ChaosService<S> {
    inner: S,
    door: Door,
}

impl<S> ChaosService<S> {
    pub(super) fn new(inner: S, chaos: Chaos) -> Self {
        let door = Door::new(chaos, false);
        Self { inner, door }
    }
}

impl<S, Req> Service<Req> for ChaosService<S>
where
    S: Service<Req, Error: Into<BoxError>>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let inner = &mut self.inner;
        self.door.poll_ready(|| inner.poll_ready(cx)).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let (injected, _) = self.door.pass(None, || self.inner.call(request));
        ResponseFuture::new(injected)
    }
}

/// Draws what is done to a call when it asks whether it may come.
#[derive(Debug)]
pub(crate) struct Door {
    chaos: Chaos,
    plan: Option<Plan>,
    /// Whether a connection breaks only after a response's head.
    has_head: bool,
}

impl Door {
    pub(crate) fn new(chaos: Chaos, has_head: bool) -> Self {
        let plan = None;
        Self { chaos, plan, has_head }
    }

    /// Is ready when the inside will not be called, and otherwise when that is.
    #[inline]
    pub(crate) fn poll_ready<E>(&mut self, inner: impl FnOnce() -> Poll<Result<(), E>>) -> Poll<Result<(), E>> {
        let plan = *self.plan.get_or_insert_with(|| self.chaos.draw());
        if !plan.asks(self.has_head) {
            return Poll::Ready(Ok(()));
        }
        inner()
    }

    /// Begins a call as it was drawn, if that is still in force.
    ///
    /// Returns also what its response's body is to break off with; `given` is the deadline that came with the request.
    #[inline]
    pub(crate) fn pass<F: Future>(
        &mut self,
        given: Option<Deadline>,
        inside: impl FnOnce() -> F,
    ) -> (Injected<F>, Option<InjectedFault>) {
        let plan = match self.plan.take() {
            // Long ago, perhaps; and the inside has been asked, so that nothing needs to be done.
            Some(plan) if plan.asks(self.has_head) => self.chaos.confirm(plan),
            Some(plan) => plan,
            None => self.chaos.draw(),
        };
        let shared = self.chaos.shared();
        let injected = Injected::start(&shared.injector, &shared.name, plan, self.has_head, given, inside);
        (injected, plan.cut(&shared.name))
    }
}

impl Clone for Door {
    /// What was drawn stays behind: it is for one call.
    fn clone(&self) -> Self {
        Self::new(self.chaos.clone(), self.has_head)
    }
}
