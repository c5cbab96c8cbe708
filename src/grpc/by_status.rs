use http::Response;

use crate::base::error::BoxError;
use crate::base::outcome::{Classify, Outcome, of_error};
use crate::base::refusal::Refusal;
use crate::web::grpc_code::Code;

/// Takes the codes that blame the server, and every error, for a failure, all else for a success.
///
/// The codes are `Unknown`, `DeadlineExceeded`, `Unimplemented`, `Internal`, `Unavailable` and `DataLoss`, which are what
/// OpenTelemetry takes for errors of a server (*Semantic conventions for gRPC*). They count in the head of a response,
/// where a call is that fails before its first message; what stands in the trailers is not seen.
///
/// A [`Refusal`] says itself what it means, as an error or in a response's extensions.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByGrpcStatus;

impl<B> Classify<Response<B>, BoxError> for ByGrpcStatus {
    fn classify(&self, end: Result<&Response<B>, &BoxError>) -> Outcome {
        match end {
            Err(error) => of_error(error),
            Ok(response) => match response.extensions().get::<Refusal>() {
                Some(refusal) => refusal.outcome(),
                None => of_code(Code::of_head(response.status(), response.headers())),
            },
        }
    }
}

fn of_code(code: Option<Code>) -> Outcome {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    match code {
        Some(Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss) => Outcome::Failure,
        _ => Outcome::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blames_the_server_is_a_failure_and_what_blames_the_caller_is_not() {
        for code in 0..=16 {
            let response = Response::builder().header("grpc-status", code.to_string());
            let response = response.body(()).unwrap();
            let expected = if [2, 4, 12, 13, 14, 15].contains(&code) {
                Outcome::Failure
            } else {
                Outcome::Success
            };
            assert_eq!(ByGrpcStatus.classify(Ok(&response)), expected, "{code}");
        }
        let begun = Response::new(());
        assert_eq!(ByGrpcStatus.classify(Ok(&begun)), Outcome::Success);
        let broken = Err::<&Response<()>, _>(&"broken".into());
        assert_eq!(ByGrpcStatus.classify(broken), Outcome::Failure);
    }
}
