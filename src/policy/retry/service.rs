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
#[derive(Debug)]
pub struct RetryService<S, R, A> {
    inner: S,
    origin: Striped<Origin<Terms<R, A>, S>>,
}

/// By what all requests of one layer are tried again.
#[derive(Debug)]
pub(super) struct Terms<R, A> {
    pub(super) retry: Retry,
    pub(super) replay: R,
    pub(super) appraise: A,
}

impl<S: Clone, R, A> RetryService<S, R, A> {
    pub(super) fn new(inner: S, terms: Terms<R, A>) -> Self {
        Self {
            origin: Origin::new(terms, &inner),
            inner,
        }
    }
}

impl<S: Clone, R, A> Clone for RetryService<S, R, A> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            origin: self.origin.clone(),
        }
    }
}

impl<S, R, A, Req> Service<Req> for RetryService<S, R, A>
where
    S: Service<R::Sent, Error: Into<BoxError>> + Clone,
    R: Replay<Req>,
    A: Appraise<S::Response, BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, R, A, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        ResponseFuture::new(&mut self.inner, self.origin.lane(), request)
    }
}
