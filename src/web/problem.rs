//! Turns what went wrong into a response; the one place where a refusal gets its status.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::body::Body;
use super::request_id::RequestId;
use crate::base::refusal::{Part, Reason, Refusal};

/// Returns the HTTP status of a refusal.
pub fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal.reason() {
        Reason::Elapsed {
            part: Part::RequestBody | Part::RequestIdle,
            ..
        } => StatusCode::REQUEST_TIMEOUT,
        Reason::Elapsed { .. } | Reason::DeadlinePassed => StatusCode::GATEWAY_TIMEOUT,
        Reason::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Reason::CircuitOpen | Reason::BulkheadFull { .. } | Reason::TooManyKeys => StatusCode::SERVICE_UNAVAILABLE,
        Reason::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

/// Makes the response to a refusal; the refusal stays in the response's extensions, for telemetry.
///
/// `Retry-After` is rounded up to whole seconds and never 0.
pub fn refused(refusal: Refusal, id: Option<&RequestId>) -> Response<Body> {
    let mut response = problem(status_of(&refusal), &refusal.reason().to_string(), id);
    if let Some(wait) = refusal.retry_after() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, seconds.max(1).into());
    }
    response.extensions_mut().insert(refusal);
    response
}

/// Makes a response of `application/problem+json` (RFC 9457) whose type is `about:blank`.
///
/// The title is the status's phrase; `detail` is for the caller and must not tell about the inside. The id
/// is the member `request_id`.
pub fn problem(status: StatusCode, detail: &str, id: Option<&RequestId>) -> Response<Body> {
    let mut members = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Unknown"),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let Some(id) = id {
        members["request_id"] = id.as_str().into();
    }
    let mut response = Response::new(Body::from(members.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
