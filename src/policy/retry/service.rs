use std::task::{Context, Poll};

use tower_service::Service;

use super::appraise::Appraise;
use super::future::ResponseFuture;
use super::layer::Retry;
use crate::base::error::BoxError;
use crate::base::ready::Origin;
use crate::base::replay::Replay;
use crate::base::stripe::Striped;

/// The tower shell of a [`Retry`]; made by its [layer](Retry::layer).
///
/// It is always ready: each attempt waits for the inner service in the future, on a clone of its own but for the first,
/// so that none holds a place that another one waits for.
#[derive(Clone, Debug)]
pub struct RetryService<S, R, A> {
    inner: S,
    origin: Striped<Origin<Retry, S>>,
    replay: R,
    appraise: A,
}

impl<S: Clone, R, A> RetryService<S, R, A> {
    pub(super) fn new(inner: S, retry: Retry, replay: R, appraise: A) -> Self {
        Self {
            origin: Origin::new(retry, &inner),
            inner,
            replay,
            appraise,
        }
    }
}

impl<S, R, A, Req> Service<Req> for RetryService<S, R, A>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req> + Clone,
    A: Appraise<S::Response, BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, R, A, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::new(
            &mut self.inner,
            self.origin.lane(),
            self.replay.clone(),
            self.appraise.clone(),
            request,
        )
    }
}
