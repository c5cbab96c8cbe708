use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower_service::Service;

use super::error::Elapsed;
use super::layer::Shared;
use crate::base::deadline::Deadline;
use crate::base::error::BoxError;
use crate::base::ready;
use crate::base::refusal::{Guarded, Part, Reason, Refusal};
use crate::base::stripe::Lane;
use crate::base::within::{Late, Within};

pin_project! {
    /// A future under a limit, and under the deadline that it finds.
    pub(crate) struct Timed<F> {
        #[pin]
        within: Within<F>,
        limit: Duration,
        shared: Lane<Shared>,
        ended: bool,
    }

    impl<F> PinnedDrop for Timed<F> {
        fn drop(this: Pin<&mut Self>) {
            if !this.ended {
                this.shared.cancelled();
            }
        }
    }
}

impl<F> Timed<F> {
    #[inline]
    pub(super) fn start(
        shared: Lane<Shared>,
        limit: Duration,
        given: Option<Deadline>,
        start: impl FnOnce() -> F,
    ) -> Self {
        Self {
            within: Within::start(Some(limit), given, start),
            limit,
            shared,
            ended: false,
        }
    }

    #[cfg(feature = "http")]
    pub(crate) fn shared(&self) -> &Lane<Shared> {
        &self.shared
    }
}

impl<F: Future> Future for Timed<F> {
    type Output = Result<F::Output, Refusal>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let ended = ready!(this.within.poll_with(cx, |future, cx| future.poll(cx)));
        *this.ended = true;
        Poll::Ready(ended.map_err(|late| {
            let (limit, part) = (*this.limit, Part::Response);
            this.shared.refuse(match late {
                Late::Elapsed => Elapsed { limit, part }.into(),
                Late::Passed => Reason::DeadlinePassed,
            })
        }))
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
    #[inline]
    pub(super) fn new(timed: Timed<ready::Call<S, Req>>) -> Self {
        Self { timed }
    }
}

impl<S: Service<Req, Error: Into<BoxError>>, Req> Future for ResponseFuture<S, Req> {
    type Output = Result<S::Response, BoxError>;

    #[inline]
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
    #[inline]
    pub(super) fn new(timed: Timed<F>) -> Self {
        Self { timed }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for Call<F> {
    type Output = Result<T, Guarded<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().timed.poll(cx)) {
            Ok(output) => output.map_err(Guarded::Inner),
            Err(refusal) => Err(Guarded::Refused(refusal)),
        })
    }
}
