use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use http::uri::Authority;
use http::{Request, Response, StatusCode};
use tracing::Span;

use super::super::body::{Body, End, Rider};
use super::super::observe::method_label;
use super::super::refused::tell_refused;
use super::ObserveAttemptLayer;
use super::span::{self, CANCELLED};
use crate::base::clock::Clock;
use crate::base::context::TraceContext;
use crate::base::error::BoxError;
use crate::base::refusal::Refusal;
use crate::base::request::{AttemptEnded, AttemptSink};
use crate::base::ticks::Ticks;

/// What is known of an attempt so far; told once, when it is dropped if not before.
pub(super) struct Record {
    sink: Arc<dyn AttemptSink>,
    dependency: Arc<str>,
    pub(super) span: Span,
    start: Ticks,
    method: &'static str,
    server: Option<Authority>,
    port: Option<u16>,
    status: Option<StatusCode>,
    panicked: bool,
    told: bool,
}

impl Record {
    pub(super) fn begin<B>(layer: &ObserveAttemptLayer, request: &Request<B>, trace: Option<&TraceContext>) -> Self {
        let method = method_label(request.method());
        Self {
            sink: Arc::clone(&layer.sink),
            dependency: Arc::clone(&layer.dependency),
            span: span::of(request, method, &layer.dependency, trace),
            start: Clock::default().ticks(),
            method,
            server: request.uri().authority().cloned(),
            port: span::port(request.uri()),
            status: None,
            panicked: false,
            told: false,
        }
    }

    /// Runs the client; if that panics, the record that is left behind says so.
    pub(super) fn guard<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.panicked = true;
        let done = run();
        self.panicked = false;
        done
    }

    /// Takes note of the head; goes on with the body, if there is one to be waited for.
    pub(super) fn head(mut self, mut response: Response<Body>) -> Response<Body> {
        self.status = Some(response.status());
        span::head(&self.span, &response);
        if response.body().is_stream() {
            response.body_mut().add_rider(self);
        } else {
            self.end(None);
        }
        response
    }

    pub(super) fn failed(mut self, error: &BoxError) {
        self.broke(error, "transport");
    }

    fn broke(&mut self, error: &BoxError, otherwise: &str) {
        match Refusal::find(error.as_ref()) {
            Some(refusal) => {
                tell_refused(refusal);
                self.end(Some(refusal.reason().label()));
            }
            None => self.end(Some(otherwise)),
        }
    }

    /// Tells how it ended: by this error, or by what the status says.
    fn end(&mut self, error: Option<&str>) {
        let bad = |status: &StatusCode| status.is_client_error() || status.is_server_error();
        let status = self.status.filter(bad);
        let error = error.or(status.as_ref().map(StatusCode::as_str));
        if let Some(error) = error {
            span::error(&self.span, error);
        }
        self.tell(error);
    }

    fn tell(&mut self, error: Option<&str>) {
        self.told = true;
        let ended = AttemptEnded {
            dependency: &self.dependency,
            method: self.method,
            server_address: self.server.as_ref().map(Authority::host),
            server_port: self.port,
            status: self.status.map(|status| status.as_u16()),
            error,
            took: Clock::default().ticks().since(self.start),
        };
        // The user's code: whatever it does, the call goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| self.sink.ended(&ended)));
    }
}

impl Rider for Record {
    fn ended(&mut self, end: End<'_>) {
        let span = self.span.clone();
        let _entered = span.enter();
        match end {
            End::Failed(error) => self.broke(error, "body"),
            // Whoever has read enough may stop reading.
            End::Complete | End::Dropped => self.end(None),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        match (self.told, self.panicked) {
            (true, _) => {}
            (false, true) => self.end(Some("panic")),
            (false, false) => {
                span::cancelled(&self.span);
                self.tell(Some(CANCELLED));
            }
        }
    }
}
