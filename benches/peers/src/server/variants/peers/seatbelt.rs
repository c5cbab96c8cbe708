//! seatbelt's policies, as tower services.

use std::convert::Infallible;
use std::io::{Error, ErrorKind};

use bytes::Bytes;
use http_body_util::Full;
use seatbelt::breaker::Breaker;
use seatbelt::retry::Retry;
use seatbelt::timeout::Timeout;
use seatbelt::{RecoveryInfo, ResilienceContext};
use tick::Clock;
use tower::ServiceBuilder;

use super::{Answer, Bodiless, LIMIT, without_body};
use crate::server::variants::ahoy::Ahoy;
use crate::server::variants::door::Served;
use crate::server::variants::ours::NAME;

type Output = Result<Answer, Error>;

/// Retry, circuit breaker and timeout, in this order from outside: it has no other.
pub(in crate::server::variants) fn three() -> impl Served {
    let context: ResilienceContext<Bodiless, Output> = ResilienceContext::new(Clock::new_tokio());
    let retry = Retry::layer(NAME, &context)
        .clone_input()
        .recovery_with(|output, _| recovery(output));
    let breaker = Breaker::layer(NAME, &context)
        .recovery_with(|output, _| recovery(output))
        .rejected_input_error(|_, _| Error::other("the circuit is open"));
    let timeout = Timeout::layer(NAME, &context)
        .timeout_error(|_| ErrorKind::TimedOut.into())
        .timeout(LIMIT);
    ServiceBuilder::new()
        .map_request(without_body)
        .layer(retry)
        .layer(breaker)
        .layer(timeout)
        .map_err(|never: Infallible| match never {})
        .service(Ahoy::<Full<Bytes>>::new())
}

/// What fails on the server's side is worth another attempt.
fn recovery(output: &Output) -> RecoveryInfo {
    match output {
        Ok(answer) if !answer.status().is_server_error() => RecoveryInfo::never(),
        _ => RecoveryInfo::retry(),
    }
}
