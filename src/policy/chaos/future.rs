use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::error::Faulted;
use super::switch::Injected;
use crate::base::error::BoxError;

pin_project! {
    /// The response of a service behind a [`Chaos`](super::Chaos).
    pub struct ResponseFuture<F: Future> {
        #[pin]
        injected: Injected<F>,
    }
}

impl<F: Future> ResponseFuture<F> {
    #[inline]
    pub(super) fn new(injected: Injected<F>) -> Self {
        Self { injected }
    }
}

impl<F, T, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().injected.poll(cx)) {
            Ok(end) => end.map_err(Into::into),
            Err(fault) => Err(fault.into_error()),
        })
    }
}

pin_project! {
    /// A future of the user's own behind a chaos; made by [`Chaos::call`](super::Chaos::call).
    #[must_use = "futures do nothing unless polled"]
    pub struct Call<F: Future> {
        #[pin]
        injected: Injected<F>,
    }
}

impl<F: Future> Call<F> {
    pub(super) fn new(injected: Injected<F>) -> Self {
        Self { injected }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for Call<F> {
    type Output = Result<T, Faulted<E>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.project().injected.poll(cx)) {
            Ok(end) => end.map_err(Faulted::Inner),
            Err(fault) => Err(Faulted::Injected(fault)),
        })
    }
}
