//! What is known of one request, and when it is told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use tracing::Span;

use super::super::body::{BodyPanicked, End, Rider};
use super::super::error_boundary::Panicked;
use super::super::grpc_code::Code;
use super::super::peer::Scheme;
use super::super::problem::status_of;
use super::super::refused::tell_refused;
use super::{RouteTemplate, span};
use crate::base::clock::Clock;
use crate::base::outcome::Outcome;
use crate::base::refusal::Refusal;
use crate::base::request::{RequestEnded, RequestSink};
use crate::base::ticks::Ticks;

/// The label of all requests without a [`RouteTemplate`].
const UNDECLARED: &str = "undeclared";

const CANCELLED: &str = "cancelled";

/// What is known of a request so far; reported once, when it is dropped if not before.
pub(super) struct Record {
    sink: Arc<dyn RequestSink>,
    pub(super) span: Span,
    start: Ticks,
    method: &'static str,
    scheme: &'static str,
    is_head: bool,
    route: Option<RouteTemplate>,
    is_declared: bool,
    status: Option<StatusCode>,
    /// How the head ends the call, if it is one of gRPC.
    code: Option<Code>,
    refusal: Option<Refusal>,
    panicked: bool,
    /// How many bytes of the body must still pass before all that the head announced has.
    announced: Option<u64>,
    told: bool,
}

impl Record {
    pub(super) fn begin<B>(sink: Arc<dyn RequestSink>, request: &Request<B>) -> Self {
        let scheme = request.extensions().get().copied().unwrap_or(Scheme::Http).label();
        let method = method_label(request.method());
        // The user's code: whatever it does, the request goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| sink.began(method, scheme)));
        let route = request.extensions().get::<RouteTemplate>().cloned();
        Self {
            span: span::of(request, method, scheme, route.as_ref().map(|route| &*route.0)),
            sink,
            start: Clock::default().ticks(),
            method,
            scheme,
            is_head: request.method() == Method::HEAD,
            is_declared: route.is_some(),
            route,
            status: None,
            code: None,
            refusal: None,
            panicked: false,
            announced: None,
            told: false,
        }
    }

    /// Runs the user's code; if that panics, the record that is left behind says so.
    pub(super) fn guard<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.panicked = true;
        let done = run();
        self.panicked = false;
        done
    }

    pub(super) fn head<B>(&mut self, response: &Response<B>) {
        self.status = Some(response.status());
        self.code = Code::told(response.headers());
        span::head(&self.span, response.status());
        if !self.is_declared {
            self.route = response.extensions().get().cloned();
            if let Some(route) = &self.route {
                span::late_route(&self.span, self.method, &route.0);
            }
        }
        self.refusal = response.extensions().get().cloned();
        self.panicked = response.extensions().get::<Panicked>().is_some();
        let length = response.headers().get(CONTENT_LENGTH);
        self.announced = length.and_then(|length| length.to_str().ok()?.parse().ok());
    }

    fn route(&self) -> &str {
        self.route.as_ref().map_or(UNDECLARED, |route| &*route.0)
    }

    /// Returns whether no body follows the head, whatever the service has given.
    pub(super) fn is_bodiless(&self) -> bool {
        let status = self.status;
        self.is_head || status == Some(StatusCode::NO_CONTENT) || status == Some(StatusCode::NOT_MODIFIED)
    }

    pub(super) fn end(&mut self, outcome: Outcome, error: Option<&str>) {
        self.told = true;
        span::end(&self.span, outcome, error);
        if let Some(refusal) = &self.refusal {
            tell_refused(refusal);
        }
        let ended = RequestEnded {
            method: self.method,
            route: self.route(),
            scheme: self.scheme,
            status: self.status.map(|status| status.as_u16()),
            outcome,
            error,
            refusal: self.refusal.as_ref(),
            took: Clock::default().ticks().since(self.start),
        };
        let _ = catch_unwind(AssertUnwindSafe(|| self.sink.ended(&ended)));
    }

    /// What the head alone says, if that is bad.
    fn head_error(&self) -> Option<String> {
        let status = self.status.filter(StatusCode::is_server_error);
        match &self.refusal {
            _ if self.panicked => Some("panic".to_owned()),
            Some(refusal) => Some(refusal.reason().label().to_owned()),
            None => {
                let status = status.as_ref().map(StatusCode::as_str);
                let code = || self.code.and_then(Code::server_error);
                status.or_else(code).map(str::to_owned)
            }
        }
    }

    /// Returns whether the head alone says that the server failed; that of an ended call of gRPC says 200 in any case.
    fn has_failed(&self) -> bool {
        let by_code = |code: Code| match &self.refusal {
            Some(refusal) => status_of(refusal).is_server_error(),
            None => code.server_error().is_some(),
        };
        self.status.is_some_and(|status| status.is_server_error()) || self.code.is_some_and(by_code)
    }
}

impl Rider for Record {
    fn piece(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.announced = self.announced.map(|left| left.saturating_sub(bytes as u64));
        Ok(())
    }

    fn ended(&mut self, end: End<'_>) {
        let failed = self.has_failed();
        let head = if failed { Outcome::Failure } else { Outcome::Success };
        match end {
            End::Failed(error) => match Refusal::find(error.as_ref()) {
                Some(refusal) => {
                    let refusal = self.refusal.insert(refusal.clone());
                    let (outcome, label) = (refusal.outcome(), refusal.reason().label());
                    self.end(outcome, Some(label));
                }
                None if error.is::<BodyPanicked>() => self.end(Outcome::Failure, Some("panic")),
                None => self.end(Outcome::Failure, Some("body")),
            },
            // A server drops a body that has given all it announced; one that has failed already has no more to tell.
            End::Dropped if self.announced != Some(0) && !failed => self.end(Outcome::Ignored, Some(CANCELLED)),
            End::Complete | End::Dropped => self.end(head, self.head_error().as_deref()),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        match (self.told, self.panicked) {
            (true, _) => {}
            (false, true) => self.end(Outcome::Failure, Some("panic")),
            (false, false) => self.end(Outcome::Ignored, Some(CANCELLED)),
        }
    }
}

pub(in crate::web) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}
