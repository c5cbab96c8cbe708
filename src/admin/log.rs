//! `/log`: which lines are logged, and how that is changed.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;

use super::routes::text;
use super::token::{Denied, Gate, Token};
use crate::base::clock::timeout;
use crate::telemetry::{Telemetry, Unchanged, log_filter};
use crate::web::Body;

pub(super) const PATH: &str = "/log";

/// The longest filter, in bytes.
const LONGEST: usize = 1024;

/// The longest wait for one that has been announced.
const PATIENCE: Duration = Duration::from_secs(5);

const NOT_OURS: &str = "the log is written by a tracing subscriber that was there before this service was bound: wrap its \
                        filter in `tracing_subscriber::reload` and change it there, or set none and let the service do so\n";

/// Changes the filter.
#[derive(Clone, Debug)]
pub(super) struct LogPage {
    telemetry: Telemetry,
    gate: Gate,
}

/// Why a body is not taken.
enum Unread {
    TooLong,
    TooSlow,
    Broken,
}

/// Answers with the filter in force.
pub(super) fn in_force() -> Response<Body> {
    match log_filter() {
        Some(filter) => text(StatusCode::OK, filter.text() + "\n"),
        None => text(StatusCode::CONFLICT, NOT_OURS.into()),
    }
}

pub(super) fn is_change(request: &Request<Body>) -> bool {
    request.method() == Method::PUT && request.uri().path() == PATH
}

impl LogPage {
    pub(super) fn new(telemetry: Telemetry, token: Option<Token>) -> Self {
        Self {
            telemetry,
            gate: Gate::new(token),
        }
    }

    /// Puts the filter that is the request's body in force.
    pub(super) async fn change(self, request: Request<Body>) -> Response<Body> {
        if let Err(denied) = self.gate.check(request.headers()) {
            return refused(&denied);
        }
        if log_filter().is_none() {
            return in_force();
        }
        let read = timeout(PATIENCE, read(request)).await;
        let filter = match read.unwrap_or(Err(Unread::TooSlow)) {
            Ok(filter) => filter,
            Err(unread) => return not_taken(&unread),
        };
        let filter = str::from_utf8(&filter).map_or("", str::trim);
        if filter.is_empty() {
            return text(StatusCode::BAD_REQUEST, "the body is to be a filter\n".into());
        }
        match self.telemetry.change_log_filter(filter) {
            Ok(()) | Err(Unchanged::NotOurs) => in_force(),
            Err(Unchanged::Invalid(why)) => {
                let why = format!("{filter:?} is no filter: {why}\n");
                text(StatusCode::BAD_REQUEST, why)
            }
        }
    }
}

async fn read(request: Request<Body>) -> Result<Vec<u8>, Unread> {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > LONGEST as u64) {
        return Err(Unread::TooLong);
    }
    let (mut body, mut read) = (request.into_body(), Vec::new());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        read.extend(frame.into_data().unwrap_or_default());
        if read.len() > LONGEST {
            return Err(Unread::TooLong);
        }
    }
    Ok(read)
}

fn refused(denied: &Denied) -> Response<Body> {
    match denied {
        Denied::Closed => {
            let why = "nothing can be changed here: set `admin.token` (SEAWORTHY_ADMIN__TOKEN) and send it as \
                       `Authorization: Bearer <token>`\n";
            text(StatusCode::FORBIDDEN, why.into())
        }
        Denied::Unauthorized => {
            let why = "this takes the token of the setting `admin.token`, as `Authorization: Bearer <token>`\n";
            let mut response = text(StatusCode::UNAUTHORIZED, why.into());
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
            response
        }
        Denied::TooMany(wait) => {
            let why = "too many wrong tokens, and this is another one: wait before the next\n";
            let mut response = text(StatusCode::TOO_MANY_REQUESTS, why.into());
            let seconds = HeaderValue::from(wait.as_secs() + 1);
            response.headers_mut().insert(RETRY_AFTER, seconds);
            response
        }
    }
}

fn not_taken(unread: &Unread) -> Response<Body> {
    let (status, why) = match unread {
        Unread::TooLong => (StatusCode::PAYLOAD_TOO_LARGE, "a filter has at most 1024 bytes\n"),
        Unread::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the filter has not come within 5 s\n"),
        Unread::Broken => (StatusCode::BAD_REQUEST, "the filter has not come whole\n"),
    };
    text(status, why.into())
}
