use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use super::error::Elapsed;
use super::layer::Timeout;
use crate::base::clock::{Clock, later, sleep_until};
use crate::base::error::BoxError;
use crate::base::ready;
use crate::base::refusal::{Guarded, Part, Refusal};

pin_project! {
    /// A future under a limit, which begins with the first poll that has to wait.
    pub(crate) struct Timed<F> {
        #[pin]
        future: F,
        #[pin]
        timer: Option<Sleep>,
        limit: Duration,
        timeout: Timeout,
        ended: bool,
    }

    impl<F> PinnedDrop for Timed<F> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                this.timeout.cancelled();
            }
        }
    }
}

impl<F> Timed<F> {
    pub(super) fn new(future: F, limit: Duration, timeout: Timeout) -> Self {
        Self {
            future,
            timer: None,
            limit,
            timeout,
            ended: false,
        }
    }

    pub(crate) fn timeout(&self) -> &Timeout {
        &self.timeout
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = Result<F::Output, Refusal>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            *this.ended = true;
            return Poll::Ready(Ok(output));
        }
        if this.timer.is_none() {
            let end = later(Clock::default().now(), *this.limit);
            this.timer.set(Some(sleep_until(end)));
        }
        if let Some(timer) = this.timer.as_mut().as_pin_mut() {
            // A future that uses up its task's budget on every poll would otherwise keep the timer from ever running.
            ready!(std::pin::pin!(tokio::task::unconstrained(timer)).poll(cx));
        }
        *this.ended = true;
        Poll::Ready(Err(this.timeout.refuse(Elapsed {
            limit: *this.limit,
            part: Part::Response,
        })))
    }
}

pin_project! {
    /// The response of a service under a [`Timeout`].
    pub struct ResponseFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        timed: Timed<ready::Call<S, Req>>,
    }
}

impl<S: Service<Req>, Req> ResponseFuture<S, Req> {
    pub(super) fn new(timed: Timed<ready::Call<S, Req>>) -> Self {
        Self { timed }
    }
}

impl<S: Service<Req, Error: Into<BoxError>>, Req> Future for ResponseFuture<S, Req> {
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().timed.poll(cx)) {
            Ok(response) => response.map_err(Into::into),
            Err(refusal) => Err(Box::new(refusal)),
        })
    }
}

pin_project! {
    /// A future of the user's own under a [`Timeout`]; made by [`Timeout::call`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<F> {
        #[pin]
        timed: Timed<F>,
    }
}

impl<F> Call<F> {
    pub(super) fn new(timed: Timed<F>) -> Self {
        Self { timed }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for Call<F> {
    type Output = Result<T, Guarded<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().timed.poll(cx)) {
            Ok(output) => output.map_err(Guarded::Inner),
            Err(refusal) => Err(Guarded::Refused(refusal)),
        })
    }
}
