use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::layer::LoadShed;
use crate::base::criticality::Criticality;
use crate::base::error::BoxError;
use crate::base::ready;
use crate::base::refusal::{Guarded, Refusal};
use crate::base::ticks::Ticks;

/// Tells how long somebody waited, when the wait ends or is given up.
struct Wait {
    shed: LoadShed,
    since: Ticks,
    got_through: bool,
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.shed.waited_since(self.since, self.got_through);
    }
}

/// What a call can still tell about the queue.
enum Finding {
    Told,
    /// It was called at once: nobody waits, unless that was to refuse it.
    Called(LoadShed),
    Waits(Wait),
}

pin_project! {
    /// A call that waits for the inner service, and how long it does.
    pub(super) struct Queued<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        call: ready::Call<S, Req>,
        finding: Finding,
    }
}

impl<S: Service<Req> + Clone, Req> Queued<S, Req> {
    #[inline]
    pub(super) fn new(shed: &LoadShed, inner: &mut S, request: Req) -> Self {
        let call = ready::Call::new(inner, request);
        let finding = if call.is_waiting() {
            let (shed, since) = (shed.clone(), shed.joins_queue());
            let got_through = false;
            Finding::Waits(Wait {
                shed,
                since,
                got_through,
            })
        } else if shed.may_have_queue() {
            Finding::Called(shed.clone())
        } else {
            Finding::Told
        };
        Self { call, finding }
    }
}

impl<S: Service<Req>, Req> Future for Queued<S, Req> {
    type Output = Result<S::Response, S::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let output = this.call.as_mut().poll(cx);
        let is_over = output.is_ready() || !this.call.is_waiting();
        if is_over && !matches!(this.finding, Finding::Told) {
            match (mem::replace(this.finding, Finding::Told), &output) {
                (Finding::Called(shed), Poll::Pending | Poll::Ready(Ok(_))) => shed.found_no_queue(),
                (Finding::Waits(mut wait), _) => wait.got_through = true,
                _ => {}
            }
        }
        output
    }
}

pin_project! {
    /// The response of a service behind a load shed.
    pub struct ResponseFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        queued: Option<Queued<S, Req>>,
        refusal: Option<Box<Refusal>>,
    }
}

impl<S: Service<Req>, Req> ResponseFuture<S, Req> {
    #[inline]
    pub(super) fn new(admitted: Result<Queued<S, Req>, Refusal>) -> Self {
        let (queued, refusal) = match admitted {
            Ok(queued) => (Some(queued), None),
            Err(refusal) => (None, Some(Box::new(refusal))),
        };
        Self { queued, refusal }
    }
}

impl<S, Req> Future for ResponseFuture<S, Req>
where
    S: Service<Req, Error: Into<BoxError>>,
{
    type Output = Result<S::Response, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match (this.queued.as_pin_mut(), this.refusal.take()) {
            (Some(queued), _) => Poll::Ready(ready!(queued.poll(cx)).map_err(Into::into)),
            (None, Some(refusal)) => Poll::Ready(Err(refusal)),
            (None, None) => Poll::Pending,
        }
    }
}

pin_project! {
    /// A future of the user's own behind a load shed; made by [`LoadShed::call`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<F, Fut> {
        shed: LoadShed,
        operation: Option<F>,
        #[pin]
        future: Option<Fut>,
    }
}

impl<F, Fut> Call<F, Fut> {
    pub(super) fn new(shed: LoadShed, operation: F) -> Self {
        Self {
            shed,
            operation: Some(operation),
            future: None,
        }
    }
}

impl<F, Fut, T, E> Future for Call<F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<T, Guarded<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(operation) = this.operation.take() {
            if let Err(refusal) = this.shed.check(Criticality::current()) {
                return Poll::Ready(Err(Guarded::Refused(refusal)));
            }
            this.future.set(Some(operation()));
        }
        let Some(future) = this.future.as_pin_mut() else {
            return Poll::Pending;
        };
        future.poll(cx).map_err(Guarded::Inner)
    }
}
