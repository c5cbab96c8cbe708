use std::fmt;
use std::task::{Context, Poll};

use tower_service::Service;

use super::future::{Limited, ResponseFuture};
use super::layer::AdaptiveLimit;
use super::permit::Permit;
use crate::base::error::BoxError;
use crate::base::outcome::Classify;
use crate::base::refusal::Refusal;

/// The tower shell of an [`AdaptiveLimit`]; made by its [layer](AdaptiveLimit::layer).
///
/// It is ready when it has a place and the inner service is ready, and also, without asking that one, when it is going
/// to refuse. It waits for no place. Called without having been ready, it takes a place that is free.
#[derive(Clone, Debug)]
pub struct AdaptiveLimitService<S, C> {
    inner: S,
    door: Door,
    classify: C,
}

impl<S, C> AdaptiveLimitService<S, C> {
    pub(super) fn new(inner: S, limit: AdaptiveLimit, classify: C) -> Self {
        let door = Door::new(limit);
        Self { inner, door, classify }
    }
}

impl<S, C, Req> Service<Req> for AdaptiveLimitService<S, C>
where
    S: Service<Req, Error: Into<BoxError>>,
    C: Classify<S::Response, BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future, C>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let inner = &mut self.inner;
        self.door.poll_ready(|| inner.poll_ready(cx))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let limited = Limited::new(self.door.pass(), || self.inner.call(request));
        ResponseFuture::new(limited, self.classify.clone())
    }
}

/// Lets callers in one by one, and holds each one's place from `poll_ready` to `call`.
pub(super) struct Door {
    limit: AdaptiveLimit,
    /// `None` before it was asked for; `Some(None)` if there was none.
    place: Option<Option<Permit>>,
}

impl Door {
    pub(super) fn new(limit: AdaptiveLimit) -> Self {
        Self { limit, place: None }
    }

    /// Is ready when the call will be refused, and otherwise when the inner service is.
    #[inline]
    pub(super) fn poll_ready<E: Into<BoxError>>(
        &mut self,
        inner: impl FnOnce() -> Poll<Result<(), E>>,
    ) -> Poll<Result<(), BoxError>> {
        if !matches!(self.place, Some(Some(_))) {
            self.place = Some(self.limit.enter());
        }
        if let Some(None) = self.place {
            return Poll::Ready(Ok(()));
        }
        inner().map_err(|error| {
            if let Some(Some(mut permit)) = self.place.take() {
                permit.release();
            }
            error.into()
        })
    }

    /// Takes the place for one call; counts the refusal if there is none.
    #[inline]
    pub(super) fn pass(&mut self) -> Result<Permit, Refusal> {
        let place = self.place.take().unwrap_or_else(|| self.limit.enter());
        place.map(Permit::begin).ok_or_else(|| self.limit.refuse())
    }
}

impl Clone for Door {
    /// The place stays behind: it is for one call.
    fn clone(&self) -> Self {
        Self::new(self.limit.clone())
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
