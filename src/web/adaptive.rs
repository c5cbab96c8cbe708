//! The HTTP face of [`AdaptiveLimit`].

use http::{Response, StatusCode};

use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome};
use crate::base::refusal::Refusal;
use crate::policy::adaptive::{AdaptiveLimit, AdaptiveLimitLayer, OnlyTimeouts};
use crate::web::grpc_code::Code;

impl AdaptiveLimit {
    /// Makes the layer for HTTP services: [`OverloadByStatus`] says what a response's head means.
    ///
    /// A call ends with the head: how long a body takes is up to whoever reads it, and a stream that stays open for hours
    /// says nothing about how many calls can be answered. Where bodies need a bound, too, a bulkhead has one. A refusal
    /// is an error; the [`ErrorBoundaryLayer`](crate::web::ErrorBoundaryLayer) makes a response with the status 503 of it.
    pub fn http_layer(&self) -> AdaptiveLimitLayer<OverloadByStatus> {
        self.layer().classify(OverloadByStatus)
    }
}

/// Takes 429, 503, 504 and timeouts for signs of too much load, and other errors, whosever they are, for nothing.
///
/// In the head of a gRPC response the codes `ResourceExhausted`, `Unavailable` and `DeadlineExceeded` are such signs.
///
/// What is refused because of how it is asked is refused at once, and says nothing about how long calls take. A
/// [`Refusal`] says itself what it means, as an error or in a response's extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct OverloadByStatus;

impl<B> Classify<Response<B>, BoxError> for OverloadByStatus {
    fn classify(&self, end: Result<&Response<B>, &BoxError>) -> Outcome {
        let response = match end {
            Ok(response) => response,
            Err(error) => return Classify::<(), _>::classify(&OnlyTimeouts, Err(error)),
        };
        if let Some(refusal) = response.extensions().get::<Refusal>() {
            return refusal.outcome();
        }
        // A gRPC call that has failed is under a 200, too, and ends at once.
        match Code::told(response.headers()) {
            Some(Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded) => return Outcome::Failure,
            Some(Code::Ok) | None => {}
            Some(_) => return Outcome::Ignored,
        }
        match response.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                Outcome::Failure
            }
            status if status.is_client_error() || status.is_server_error() => Outcome::Ignored,
            _ => Outcome::Success,
        }
    }
}
