//! Answers the probes of Kubernetes from what a health knows, in the forms of its API server.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use super::health_json;
use super::probe_query::ProbeQuery;
use crate::health::{Health, HealthReport, Phase, Status, TaskReport, TaskState};

#[cfg(test)]
mod tests;

const TEXT: &str = "text/plain; charset=utf-8";
const WITHHELD: &str = "reason withheld";

/// How much a probe tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The names of checks, startup tasks and heartbeats, and the state of each.
    Full,
    /// The status alone, for ports that anybody can reach.
    StatusOnly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Live,
    Ready,
    Startup,
    Health,
}

/// A response before it has a body type.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

/// One thing that a probe looks at.
struct Line<'a> {
    name: &'a str,
    failed: Option<Cow<'static, str>>,
}

/// Answers `request` if it is a probe.
pub(crate) fn probe<ReqB, ResB: From<Bytes>>(
    request: &Request<ReqB>,
    health: &Health,
    detail: Detail,
) -> Option<Response<ResB>> {
    let (endpoint, part) = Endpoint::of(request.uri().path())?;
    if part.is_some() && (detail == Detail::StatusOnly || endpoint == Endpoint::Health) {
        return None;
    }
    let method = request.method();
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n").response(false);
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(response);
    }
    let query = request.uri().query().unwrap_or_default();
    let answer = endpoint.answer(part, query, &health.report(), detail);
    Some(answer.response(*method == Method::HEAD))
}

impl Endpoint {
    /// Tells which endpoint a path is for, and the part after it; the second byte rules most other paths out.
    fn of(path: &str) -> Option<(Self, Option<&str>)> {
        let (endpoint, rest) = match path.as_bytes().get(1)? {
            b'l' => (Self::Live, path.strip_prefix("/livez")?),
            b'r' => (Self::Ready, path.strip_prefix("/readyz")?),
            b's' => (Self::Startup, path.strip_prefix("/startupz")?),
            b'h' => (Self::Health, path.strip_prefix("/healthz")?),
            _ => return None,
        };
        match rest {
            "" => Some((endpoint, None)),
            _ => Some((endpoint, Some(rest.strip_prefix('/')?))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Live => "livez",
            Self::Ready => "readyz",
            Self::Startup => "startupz",
            Self::Health => "healthz",
        }
    }

    fn answer(self, part: Option<&str>, query: &str, report: &HealthReport, detail: Detail) -> Answer {
        if self == Self::Health {
            let status = health_json::status_code(report);
            return Answer {
                status,
                content_type: health_json::CONTENT_TYPE,
                body: health_json::body(report, detail),
            };
        }
        let mut lines = self.lines(report);
        if detail == Detail::StatusOnly {
            let failed = lines.iter().any(|line| line.failed.is_some());
            return Answer::text(status_code(failed), if failed { "not ok" } else { "ok" });
        }
        if let Some(part) = part {
            lines.retain(|line| line.name == part);
            if lines.is_empty() {
                return Answer::text(StatusCode::NOT_FOUND, "no such check\n");
            }
        }
        self.text(&lines, ProbeQuery::parse(query))
    }

    fn lines(self, report: &HealthReport) -> Vec<Line<'_>> {
        match self {
            Self::Live => live(report),
            Self::Ready => ready(report),
            Self::Startup => startup(report),
            Self::Health => Vec::new(),
        }
    }

    /// Writes what the API server writes: `ok`, or a line for each if asked or if any failed.
    fn text(self, lines: &[Line<'_>], mut query: ProbeQuery<'_>) -> Answer {
        let mut body = String::new();
        let mut failed = false;
        for Line { name, failed: why } in lines {
            body += &match why {
                _ if query.take_excluded(name) => format!("[+]{name} excluded: ok\n"),
                None => format!("[+]{name} ok\n"),
                Some(why) => {
                    failed = true;
                    format!("[-]{name} failed: {why}\n")
                }
            };
        }
        query.warn(&mut body);
        let end = if failed { "failed" } else { "passed" };
        body += &format!("{} check {end}\n", self.name());
        if !failed && !query.is_verbose() {
            body = "ok".into();
        }
        Answer::text(status_code(failed), body)
    }
}

fn live(report: &HealthReport) -> Vec<Line<'_>> {
    let heartbeats = report.heartbeats.iter();
    heartbeats
        .map(|heartbeat| Line::new(&heartbeat.name, heartbeat.late_by().map(health_json::late)))
        .collect()
}

fn ready(report: &HealthReport) -> Vec<Line<'_>> {
    let withheld = |name, failed: bool| Line::new(name, failed.then_some(WITHHELD));
    let mut lines = vec![withheld("startup", !report.is_started())];
    let critical = report.checks.iter().filter(|check| check.critical);
    lines.extend(critical.map(|check| withheld(&check.name, check.status() == Status::Fail)));
    lines.push(withheld("shutdown", report.phase >= Phase::Draining));
    lines
}

fn startup(report: &HealthReport) -> Vec<Line<'_>> {
    let mut lines = vec![Line::new("start", (!report.started).then_some("not started yet"))];
    lines.extend(
        report
            .startup
            .iter()
            .map(|task| Line::new(&task.name, unfinished(task))),
    );
    lines
}

/// Says how far a task is; these numbers are all of its own that a probe shows.
fn unfinished(task: &TaskReport) -> Option<Cow<'static, str>> {
    match (task.state, task.progress) {
        (TaskState::Complete, _) => None,
        (TaskState::Failed, _) => Some(WITHHELD.into()),
        (TaskState::Running, None) => Some("running".into()),
        (TaskState::Running, Some((done, total))) => Some(format!("running, {done} of {total}").into()),
    }
}

fn status_code(failed: bool) -> StatusCode {
    if failed {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    }
}

impl<'a> Line<'a> {
    fn new(name: &'a str, failed: Option<impl Into<Cow<'static, str>>>) -> Self {
        Self {
            name,
            failed: failed.map(Into::into),
        }
    }
}

impl Answer {
    fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: TEXT,
            body: body.into(),
        }
    }

    /// Makes the response; to `HEAD` it is the same without the body.
    fn response<B: From<Bytes>>(self, head: bool) -> Response<B> {
        let length = self.body.len();
        let body = if head { Bytes::new() } else { self.body.into() };
        let mut response = Response::new(B::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CONTENT_LENGTH, length.into());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
