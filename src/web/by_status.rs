use http::{Extensions, Response, StatusCode};

use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome, of_error};
use crate::base::refusal::Refusal;

/// Takes a status of 5xx and every error for a failure, all else for a success.
///
/// A [`Refusal`] says itself what it means, as an error or in a response's extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByStatus;

impl<B> Classify<Response<B>, BoxError> for ByStatus {
    fn classify(&self, end: Result<&Response<B>, &BoxError>) -> Outcome {
        of_end(end.map(|response| (response.status(), response.extensions())))
    }
}

#[cfg(feature = "reqwest")]
impl Classify<reqwest::Response, BoxError> for ByStatus {
    fn classify(&self, end: Result<&reqwest::Response, &BoxError>) -> Outcome {
        of_end(end.map(|response| (response.status(), response.extensions())))
    }
}

fn of_end(end: Result<(StatusCode, &Extensions), &BoxError>) -> Outcome {
    match end {
        Err(error) => of_error(error),
        Ok((status, extensions)) => match extensions.get::<Refusal>() {
            Some(refusal) => refusal.outcome(),
            None if status.is_server_error() => Outcome::Failure,
            None => Outcome::Success,
        },
    }
}
