//! The span of an attempt, by OpenTelemetry's conventions for HTTP clients (1.44).

use std::fmt;

use http::uri::Uri;
use http::{Request, Response};
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::super::observe::{path, version};
use crate::base::attempt::Attempt;
use crate::base::context::TraceContext;

pub(super) const CANCELLED: &str = "cancelled";

/// Makes it; without anybody who records it, it costs next to nothing.
pub(super) fn of<B>(
    request: &Request<B>,
    method: &'static str,
    dependency: &str,
    trace: Option<&TraceContext>,
) -> Span {
    let uri = request.uri();
    let before = Attempt::current().number() - 1;
    info_span!(
        "attempt",
        trace_id = trace.map(|trace| display(trace.trace_id())),
        span_id = trace.map(|trace| display(trace.span_id())),
        parent_span_id = trace.and_then(|trace| trace.parent()).map(display),
        otel.kind = "client",
        otel.name = if method == "_OTHER" { "HTTP" } else { method },
        dependency,
        http.request.method = method,
        http.request.resend_count = (before > 0).then_some(i64::from(before)),
        server.address = uri.host(),
        server.port = port(uri).map(i64::from),
        url.full = display(WithoutQuery(uri)),
        http.response.status_code = Empty,
        network.protocol.version = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

pub(super) fn head<B>(span: &Span, response: &Response<B>) {
    // Signed, as all whole numbers here: OpenTelemetry has no others.
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    span.record("network.protocol.version", version(response.version()));
}

/// Records that it is an error, and which; for a client a status of 4xx is one.
pub(super) fn error(span: &Span, error: &str) {
    span.record("error.type", error);
    span.record("otel.status_code", "ERROR");
}

/// Records that nobody waited for it any more, which is no error.
pub(super) fn cancelled(span: &Span) {
    span.record("error.type", CANCELLED);
}

/// Returns the port that a request goes to, if that is known.
pub(super) fn port(uri: &Uri) -> Option<u16> {
    let of_scheme = || match uri.scheme_str()? {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    uri.port_u16().or_else(of_scheme)
}

/// Where a request goes, without what may be a secret: a user, a password, a query.
struct WithoutQuery<'a>(&'a Uri);

impl fmt::Display for WithoutQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uri = self.0;
        if let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) {
            write!(f, "{scheme}://{host}")?;
            if let Some(port) = uri.port_u16() {
                write!(f, ":{port}")?;
            }
        }
        f.write_str(path(uri.path()))
    }
}
