//! Answers in the caller's own protocol where no service answers; the one place that decides which that is.

use http::{Request, Response, StatusCode};

use super::body::Body;
use super::grpc_answer::{self, is_grpc};
use super::grpc_code::Code;
use super::problem::{problem, refused};
use crate::base::context::RequestId;
use crate::base::refusal::Refusal;

/// What must be known of a request to answer it in the service's place.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    id: Option<RequestId>,
    speaks_grpc: bool,
}

impl Caller {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            id: request.extensions().get().cloned(),
            speaks_grpc: is_grpc(request.headers()),
        }
    }

    /// Returns the request's id, if it has one.
    pub(super) fn id(&self) -> Option<&str> {
        self.id.as_ref().map(RequestId::as_str)
    }

    /// Answers with a refusal, which stays in the response's extensions.
    pub(super) fn refused(&self, refusal: Refusal) -> Response<Body> {
        if self.speaks_grpc {
            grpc_answer::refused(refusal, self.id.as_ref())
        } else {
            refused(refusal, self.id.as_ref())
        }
    }

    /// Answers that the service failed; `detail` must not tell about the inside.
    pub(super) fn failed(&self, detail: &str) -> Response<Body> {
        if self.speaks_grpc {
            grpc_answer::ended(Code::Internal, detail, self.id.as_ref())
        } else {
            problem(StatusCode::INTERNAL_SERVER_ERROR, detail, self.id.as_ref())
        }
    }
}
