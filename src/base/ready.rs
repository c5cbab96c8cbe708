//! Waits for a service to be ready and calls it, as one future.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use tower_service::Service;

use super::deadline::is_over;

#[cfg(any(feature = "hedge", feature = "retry"))]
use super::{
    stripe::{self, MOST_STRIPES, Striped},
    sync::{Mutex, lock},
};

/// What further attempts are made of. A clone of the service for each call would cost every call what few need.
#[cfg(any(feature = "hedge", feature = "retry"))]
#[derive(Debug)]
pub(crate) struct Origin<H, S> {
    pub(crate) handle: H,
    service: Mutex<S>,
}

#[cfg(any(feature = "hedge", feature = "retry"))]
impl<H, S: Clone> Origin<H, S> {
    /// Keeps a clone of a service beside the handle of whoever calls it.
    pub(crate) fn new(handle: H, service: &S) -> Striped<Self> {
        let service = Mutex::new(service.clone());
        Striped::new(Self { handle, service }, stripe::count(MOST_STRIPES))
    }

    /// Returns a service of one's own.
    pub(crate) fn service(&self) -> S {
        lock(&self.service).clone()
    }
}

pin_project! {
    /// The wait for readiness and the call behind it.
    ///
    /// A service that is ready at once is called at once and not cloned. Otherwise it moves in here with whatever place
    /// in a queue it holds, and a clone stays behind.
    #[project = CallProj]
    pub enum Call<S, Req>
    where
        S: Service<Req>,
    {
        Waiting { service: S, request: Option<Req> },
        Called { #[pin] response: S::Future },
        Failed { error: Option<S::Error> },
    }
}

impl<S: Service<Req> + Clone, Req> Call<S, Req> {
    pub(crate) fn new(service: &mut S, request: Req) -> Self {
        // Whatever waker this leaves behind is replaced when the future is polled.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => Self::Called {
                response: service.call(request),
            },
            Poll::Ready(Err(error)) => Self::Failed { error: Some(error) },
            Poll::Pending => {
                let clone = service.clone();
                Self::Waiting {
                    service: mem::replace(service, clone),
                    request: Some(request),
                }
            }
        }
    }
}

impl<S: Service<Req>, Req> Call<S, Req> {
    /// Returns whether the service has not been ready yet.
    #[cfg(any(feature = "bulkhead", feature = "load-shed"))]
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting { .. })
    }

    /// Waits for a service that nobody else uses.
    #[cfg(any(feature = "bulkhead", feature = "hedge", feature = "rate-limit", feature = "retry"))]
    pub(crate) fn of(service: S, request: Req) -> Self {
        Self::Waiting {
            service,
            request: Some(request),
        }
    }
}

impl<S: Service<Req>, Req> Future for Call<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.as_mut().project() {
                CallProj::Called { response } => return response.poll(cx),
                CallProj::Failed { error } => match error.take() {
                    Some(error) => return Poll::Ready(Err(error)),
                    None => return Poll::Pending,
                },
                CallProj::Waiting { service, request } => {
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        return Poll::Ready(Err(error));
                    }
                    // Readiness may come when nobody waits for the answer any more.
                    if is_over() {
                        return Poll::Pending;
                    }
                    let Some(request) = request.take() else {
                        return Poll::Pending;
                    };
                    let response = service.call(request);
                    self.set(Self::Called { response });
                }
            }
        }
    }
}
