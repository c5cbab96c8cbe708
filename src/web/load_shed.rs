//! The HTTP face of [`LoadShed`]: the class is the one in the request's extensions.

use http::Request;

use crate::base::criticality::Criticality;
use crate::policy::load_shed::{Classed, LoadShed, LoadShedLayer};

impl LoadShed {
    /// Makes the layer for HTTP services: a request's class is the one that a
    /// [`CriticalityLayer`](crate::web::CriticalityLayer) further out has found, or the task's.
    ///
    /// A refusal is an error; the [`ErrorBoundaryLayer`](crate::web::ErrorBoundaryLayer) makes a response with the status
    /// 503 of it.
    pub fn http_layer(&self) -> LoadShedLayer<OfTheRequest> {
        self.layer_by(OfTheRequest)
    }
}

/// A request is of the class in its extensions, or of that of the task.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfTheRequest;

impl<B> Classed<Request<B>> for OfTheRequest {
    fn class_of(&self, request: &Request<B>) -> Criticality {
        let class = request.extensions().get().copied();
        class.unwrap_or_else(Criticality::current)
    }
}
