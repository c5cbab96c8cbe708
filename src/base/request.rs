//! What is told of every request that a service has answered, or not, and of every attempt at one of its own.

use std::time::Duration;

use super::outcome::Outcome;
use super::refusal::Refusal;

/// How one inbound request went.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestEnded<'a> {
    /// The method, or `_OTHER` if it is not one of HTTP's own.
    pub method: &'static str,
    /// The route's template, never the path.
    pub route: &'a str,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The response's status; `None` if the caller went away before there was one.
    pub status: Option<u16>,
    /// What the end says about the service.
    pub outcome: Outcome,
    /// Why it did not succeed: a reason, `panic`, `body`, `cancelled`, the status, or the name of gRPC's; `None` on success.
    pub error: Option<&'a str>,
    /// The refusal that became the response.
    pub refusal: Option<&'a Refusal>,
    /// From the request's head to the end of the response's body.
    pub took: Duration,
}

/// Receives the beginning and the end of every request; must not block. A panic in it is caught and dropped.
pub trait RequestSink: Send + Sync + 'static {
    /// Takes note of a request that begins.
    fn began(&self, method: &'static str, scheme: &'static str);
    /// Takes note of how it ended; called exactly once for each `began`.
    fn ended(&self, request: &RequestEnded<'_>);
}

/// How one attempt at a dependency went.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AttemptEnded<'a> {
    /// The dependency's name.
    pub dependency: &'a str,
    /// The method, or `_OTHER` if it is not one of HTTP's own.
    pub method: &'static str,
    /// The host that the request names, if it names one.
    pub server_address: Option<&'a str>,
    /// The port there.
    pub server_port: Option<u16>,
    /// The response's status; `None` if there was none.
    pub status: Option<u16>,
    /// Why it did not succeed: a refusal's reason, `transport`, `body`, `panic`, `cancelled`, or a status of 4xx or 5xx;
    /// `None` on success, also if the caller has read enough of the body.
    pub error: Option<&'a str>,
    /// From the request to the end of the response's body.
    pub took: Duration,
}

/// Receives the end of every attempt; must not block. A panic in it is caught and dropped.
pub trait AttemptSink: Send + Sync + 'static {
    /// Takes note of how it ended; called exactly once for each.
    fn ended(&self, attempt: &AttemptEnded<'_>);
}
