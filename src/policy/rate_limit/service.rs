use std::task::{Context, Poll};

use tower_service::Service;

use super::future::{Gated, ResponseFuture};
use super::layer::Ask;
use crate::base::error::BoxError;

/// The tower shell of a rate limit; made by a [`RateLimitLayer`](super::RateLimitLayer).
///
/// It is always ready: what is given when somebody is ready, and used later or never, is taken from those who come in
/// between. A request that waits for its turn holds no place inside.
#[derive(Clone, Debug)]
pub struct RateLimitService<S, A> {
    inner: S,
    ask: A,
}

impl<S, A> RateLimitService<S, A> {
    pub(super) fn new(inner: S, ask: A) -> Self {
        Self { inner, ask }
    }
}

impl<S, A, Req> Service<Req> for RateLimitService<S, A>
where
    S: Service<Req, Error: Into<BoxError>> + Clone,
    A: Ask<Req>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let entrance = self.ask.ask(&request);
        ResponseFuture::new(Gated::of_service(entrance, &mut self.inner, request))
    }
}
