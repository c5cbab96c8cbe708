use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use super::layer::Timeout;
use crate::base::error::BoxError;
use crate::base::ready;

/// The tower shell of a [`Timeout`]; made by its [layer](Timeout::layer).
///
/// It is always ready: the wait for the inner service happens in the future, under the limit.
#[derive(Clone, Debug)]
pub struct TimeoutService<S> {
    inner: S,
    timeout: Timeout,
}

impl<S> TimeoutService<S> {
    pub(super) fn new(inner: S, timeout: Timeout) -> Self {
        Self { inner, timeout }
    }
}

impl<S, Req> Service<Req> for TimeoutService<S>
where
    S: Service<Req, Error: Into<BoxError>> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let start = || ready::Call::new(&mut self.inner, request);
        ResponseFuture::new(self.timeout.timed(self.timeout.limit(), None, start))
    }
}
