use std::task::{Context, Poll};

use tower_service::Service;

use super::future::{Queued, ResponseFuture};
use super::layer::LoadShed;
use crate::base::criticality::Criticality;
use crate::base::error::BoxError;

/// Says how much a request matters; any `Fn(&Req) -> Criticality` does.
pub trait Classed<Req> {
    /// Returns the class of a request.
    fn class_of(&self, request: &Req) -> Criticality;
}

impl<Req, F: Fn(&Req) -> Criticality> Classed<Req> for F {
    fn class_of(&self, request: &Req) -> Criticality {
        self(request)
    }
}

/// A request is of the [class of the task](Criticality::current) that it is sent in.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfTheTask;

impl<Req> Classed<Req> for OfTheTask {
    fn class_of(&self, _: &Req) -> Criticality {
        Criticality::current()
    }
}

/// The tower shell of a [`LoadShed`]; made by its [layer](LoadShed::layer).
///
/// It is always ready, because only a request tells its class, and waits for the inner service in its future.
#[derive(Clone, Debug)]
pub struct LoadShedService<S, F> {
    inner: S,
    shed: LoadShed,
    class: F,
}

impl<S, F> LoadShedService<S, F> {
    pub(super) fn new(inner: S, shed: LoadShed, class: F) -> Self {
        Self { inner, shed, class }
    }
}

impl<S, F, Req> Service<Req> for LoadShedService<S, F>
where
    S: Service<Req, Error: Into<BoxError>> + Clone,
    F: Classed<Req>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let admitted = self.shed.check(self.class.class_of(&request));
        ResponseFuture::new(admitted.map(|()| Queued::new(&self.shed, &mut self.inner, request)))
    }
}
