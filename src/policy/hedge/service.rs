use std::task::{Context, Poll};

use tower_service::Service;

use super::future::ResponseFuture;
use super::layer::Hedge;
use crate::base::error::BoxError;
use crate::base::outcome::Classify;
use crate::base::ready::Origin;
use crate::base::replay::Replay;
use crate::base::stripe::Striped;

/// The tower shell of a [`Hedge`]; made by its [layer](Hedge::layer).
///
/// It is always ready: each attempt waits for the inner service in the future, the second one on a clone of its own, so
/// that neither holds a place that the other one waits for.
#[derive(Clone, Debug)]
pub struct HedgeService<S, R, C> {
    inner: S,
    origin: Striped<Origin<Hedge, S>>,
    replay: R,
    classify: C,
}

impl<S: Clone, R, C> HedgeService<S, R, C> {
    pub(super) fn new(inner: S, hedge: Hedge, replay: R, classify: C) -> Self {
        Self {
            origin: Origin::new(hedge, &inner),
            inner,
            replay,
            classify,
        }
    }
}

impl<S, R, C, Req> Service<Req> for HedgeService<S, R, C>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req> + Clone,
    C: Classify<S::Response, BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, R, C, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::new(
            &mut self.inner,
            self.origin.lane(),
            self.replay.clone(),
            self.classify.clone(),
            request,
        )
    }
}
