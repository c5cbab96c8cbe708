//! Turns what went wrong into a response; the one place where a refusal gets its HTTP status.

use std::fmt::Display;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_core::Serialize;
use serde_core::ser::{SerializeMap, Serializer};

use super::body::Body;
use super::rate_limit_headers::{Shown, whole_seconds};
use crate::base::allowance::Allowance;
use crate::base::context::RequestId;
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
        Reason::CircuitOpen
        | Reason::BulkheadFull { .. }
        | Reason::TooManyKeys
        | Reason::Overloaded { .. }
        | Reason::Shed { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Reason::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
    }
}

/// Makes the problem that tells of a refusal; the refusal stays in the response's extensions, for telemetry.
///
/// `Retry-After` is rounded up to whole seconds and never 0. The problem's type is `about:blank`, but for two that
/// [draft-ietf-httpapi-ratelimit-headers-11](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11/)
/// defines: `https://iana.org/assignments/http-problem-types#quota-exceeded` for a rate limit, whose name is then in the
/// member `violated-policies`, and `…#temporary-reduced-capacity` where there is no place or no room.
pub fn refused(refusal: Refusal, id: Option<&RequestId>) -> Response<Body> {
    let reason = refusal.reason();
    let mut problem = Problem::new(status_of(&refusal), &reason, id);
    if let Some((kind, title)) = kind_of(reason) {
        (problem.kind, problem.title) = (kind, title);
    }
    if let Reason::RateLimited { .. } = reason {
        problem.violated = Some(Shown(refusal.name()));
    }
    let mut response = problem.response();
    let headers = response.headers_mut();
    if let Some(wait) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, whole_seconds(wait).into());
    }
    if let Some(allowance) = spent(&refusal) {
        refusal.announced().write(headers, refusal.name(), allowance);
    }
    response.extensions_mut().insert(refusal);
    response
}

/// Makes a response of `application/problem+json` (RFC 9457) whose type is `about:blank`.
///
/// The title is the status's phrase; `detail` is for the caller and must not tell about the inside. The id
/// is the member `request_id`.
pub fn problem(status: StatusCode, detail: &str, id: Option<&RequestId>) -> Response<Body> {
    Problem::new(status, &detail, id).response()
}

/// Returns the type and title of refusals that have their own.
fn kind_of(reason: Reason) -> Option<(&'static str, &'static str)> {
    match reason {
        Reason::RateLimited { .. } => Some((
            "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "Request cannot be satisfied as assigned quota has been exceeded",
        )),
        Reason::BulkheadFull { .. } | Reason::TooManyKeys | Reason::Overloaded { .. } | Reason::Shed { .. } => Some((
            "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
            "Request cannot be satisfied due to temporary server capacity constraints",
        )),
        _ => None,
    }
}

/// Returns what a rate limit that has refused has left: nothing, until the caller may come back.
fn spent(refusal: &Refusal) -> Option<Allowance> {
    let Reason::RateLimited { quota, per } = refusal.reason() else {
        return None;
    };
    Some(Allowance {
        quota,
        window: per,
        remaining: 0,
        reset: refusal.retry_after().unwrap_or(per),
    })
}

/// The members of RFC 9457, and ours.
struct Problem<'a> {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: &'a dyn Display,
    request_id: Option<&'a str>,
    violated: Option<Shown<'a>>,
}

impl<'a> Problem<'a> {
    fn new(status: StatusCode, detail: &'a dyn Display, id: Option<&'a RequestId>) -> Self {
        Self {
            status,
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Unknown"),
            detail,
            request_id: id.map(RequestId::as_str),
            violated: None,
        }
    }

    fn response(&self) -> Response<Body> {
        // Most fit; whoever refuses has no time to copy.
        let mut text = Vec::with_capacity(512);
        // Nothing here fails, and half a text would be one that nobody can read.
        if serde_json::to_writer(&mut text, self).is_err() {
            text.clear();
        }
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        // These two, three of a rate limit, and the id; the drafts that say more make it grow.
        *headers = HeaderMap::with_capacity(6);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Serialize for Problem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("detail", &Text(self.detail))?;
        if let Some(id) = self.request_id {
            members.serialize_entry("request_id", id)?;
        }
        members.serialize_entry("status", &self.status.as_u16())?;
        members.serialize_entry("title", self.title)?;
        members.serialize_entry("type", self.kind)?;
        if let Some(policy) = &self.violated {
            members.serialize_entry("violated-policies", &[Text(policy)])?;
        }
        members.end()
    }
}

/// What shows itself, as a string.
struct Text<'a>(&'a dyn Display);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt;

    use super::*;
    use crate::base::allowance::RateLimitHeaders;

    /// Returns all that a caller sees: the status, the headers, the body.
    async fn seen(refusal: Refusal) -> String {
        let (head, body) = refused(refusal, None).into_parts();
        let lines = head
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
        let mut lines: Vec<_> = lines.collect();
        lines.sort();
        let body = body.collect().await.unwrap().to_bytes();
        format!(
            "{}\n{}\n{}",
            head.status,
            lines.concat(),
            String::from_utf8_lossy(&body)
        )
    }

    fn rate_limited(wait: Option<Duration>) -> Refusal {
        let per = Duration::from_secs(60);
        Refusal::new("rate_limit", "orders".into(), Reason::RateLimited { quota: 100, per }).retry_in(wait)
    }

    #[tokio::test]
    async fn a_refused_caller_reads_what_is_left_in_the_words_of_each_draft() {
        for (how, told) in [
            (RateLimitHeaders::Off, ""),
            (
                RateLimitHeaders::Draft6,
                "ratelimit-limit: 100\nratelimit-policy: 100;w=60\nratelimit-remaining: 0\nratelimit-reset: 2\n",
            ),
            (
                RateLimitHeaders::Draft7,
                "ratelimit-policy: 100;w=60\nratelimit: limit=100, remaining=0, reset=2\n",
            ),
            (
                RateLimitHeaders::Draft11,
                "ratelimit-policy: \"orders\";q=100;w=60\nratelimit: \"orders\";r=0;t=2\n",
            ),
        ] {
            let refusal = rate_limited(Some(Duration::from_millis(1001))).announce(how);
            let expected = [
                "429 Too Many Requests\ncache-control: no-store\ncontent-type: application/problem+json\n",
                told,
                "retry-after: 2\n\n",
                r#"{"detail":"more than 100 requests in 60s","status":429,"#,
                r#""title":"Request cannot be satisfied as assigned quota has been exceeded","#,
                r#""type":"https://iana.org/assignments/http-problem-types#quota-exceeded","#,
                r#""violated-policies":["orders"]}"#,
            ];
            assert_eq!(seen(refusal).await, expected.concat(), "{how:?}");
        }
    }

    #[tokio::test]
    async fn what_is_left_comes_back_no_later_than_the_caller_may() {
        for (wait, seconds) in [
            (Some(Duration::ZERO), 1),
            (Some(Duration::from_millis(999)), 1),
            (Some(Duration::from_millis(1001)), 2),
            (None, 60),
        ] {
            let response = refused(rate_limited(wait).announce(RateLimitHeaders::Draft11), None);
            let headers = response.headers();
            assert_eq!(headers["ratelimit"], format!("\"orders\";r=0;t={seconds}"));
            let retry_after = headers.get(RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(retry_after, wait.map(|_| seconds.to_string()));
        }
    }

    #[tokio::test]
    async fn no_room_is_a_matter_of_capacity_and_an_open_circuit_is_not() {
        let full = Reason::BulkheadFull { waited: Duration::ZERO };
        for (reason, kind) in [
            (full, "http-problem-types#temporary-reduced-capacity\"}"),
            (Reason::TooManyKeys, "http-problem-types#temporary-reduced-capacity\"}"),
            (Reason::CircuitOpen, "\"Service Unavailable\",\"type\":\"about:blank\"}"),
        ] {
            let refusal = Refusal::new("x", "orders".into(), reason).announce(RateLimitHeaders::Draft11);
            let seen = seen(refusal).await;
            assert!(seen.starts_with("503 "), "{seen}");
            assert!(seen.ends_with(kind), "{seen}");
            assert!(
                !seen.contains("ratelimit"),
                "only a rate limit has something left: {seen}"
            );
        }
    }
}
