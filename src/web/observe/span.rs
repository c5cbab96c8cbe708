//! The span of a request, by OpenTelemetry's conventions for HTTP servers (1.44).

use std::fmt;

use http::{Request, StatusCode, Version};
use tracing::field::{Empty, display};
use tracing::{Span, info_span};

use crate::base::context::Origin;
use crate::base::outcome::Outcome;

/// As much of a path is told.
const PATH: usize = 256;

/// Makes it; without anybody who records it, it costs next to nothing.
pub(super) fn of<B>(request: &Request<B>, method: &'static str, scheme: &'static str, route: Option<&str>) -> Span {
    // Not while it is borrowed: whoever takes the span may be anybody's code.
    let (id, trace) = Origin::with(|origin| (origin.request_id.clone(), origin.trace.clone()));
    let trace = trace.as_ref();
    info_span!(
        "request",
        request_id = id.as_ref().map(|id| id.as_str()),
        trace_id = trace.map(|trace| display(trace.trace_id())),
        span_id = trace.map(|trace| display(trace.span_id())),
        parent_span_id = trace.and_then(|trace| trace.parent()).map(display),
        otel.kind = "server",
        otel.name = display(Name { method, route }),
        http.request.method = method,
        http.request.method_original = original(request, method),
        http.route = route,
        url.path = path(request.uri().path()),
        url.scheme = scheme,
        network.protocol.version = version(request.version()),
        http.response.status_code = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// Records the status of the response.
pub(super) fn head(span: &Span, status: StatusCode) {
    // Looking for a field costs as much where nobody records it.
    if !span.is_disabled() {
        // Signed: that is the only whole number that OpenTelemetry has.
        span.record("http.response.status_code", i64::from(status.as_u16()));
    }
}

/// Records how it ended.
pub(super) fn end(span: &Span, outcome: Outcome, error: Option<&str>) {
    if let Some(error) = error {
        span.record("error.type", error);
    }
    if outcome == Outcome::Failure {
        span.record("otel.status_code", "ERROR");
    }
}

/// Records the template of an endpoint that was found late.
pub(super) fn late_route(span: &Span, method: &'static str, route: &str) {
    span.record("http.route", route);
    let route = Some(route);
    span.record("otel.name", display(Name { method, route }));
}

/// What a span is called in a trace.
struct Name<'a> {
    method: &'static str,
    route: Option<&'a str>,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.method == "_OTHER" { "HTTP" } else { self.method })?;
        self.route.map_or(Ok(()), |route| write!(f, " {route}"))
    }
}

fn original<'a, B>(request: &'a Request<B>, label: &str) -> Option<&'a str> {
    let method = request.method().as_str();
    (method != label).then(|| method.get(..32).unwrap_or(method))
}

/// Cuts a path, which the caller wrote: before a character, of which there may be some that are not ASCII.
pub(in crate::web) fn path(path: &str) -> &str {
    let end = (0..=PATH.min(path.len())).rfind(|end| path.is_char_boundary(*end));
    &path[..end.unwrap_or(0)]
}

pub(in crate::web) fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}
