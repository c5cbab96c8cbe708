use std::sync::Arc;

use super::calls::Calls;
use super::logs;
use super::metrics::Metrics;
use crate::base::events::{Change, Event, EventSink};
use crate::base::request::{AttemptEnded, AttemptSink, RequestEnded, RequestSink};

/// Turns what a service reports into log lines and metrics.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    pub(crate) metrics: Arc<Metrics>,
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        Self {
            metrics: Arc::new(Metrics::new()),
        }
    }

    /// Times the calls of a dependency.
    pub(crate) fn calls(&self, dependency: &str) -> Calls {
        self.metrics.calls(dependency)
    }

    pub(crate) fn request_sink(&self) -> Arc<dyn RequestSink> {
        Arc::new(self.clone())
    }
}

impl AttemptSink for Telemetry {
    fn ended(&self, attempt: &AttemptEnded<'_>) {
        self.metrics.attempts.ended(attempt, &*self.metrics.recorder);
    }
}

impl EventSink for Telemetry {
    fn event(&self, event: &Event<'_>) {
        logs::event(event);
        if let ("shutdown_phase", Change::Finished { took, .. }) = (event.kind, &event.change) {
            self.metrics.shutdown_phase(event.name, *took);
        }
    }
}

impl RequestSink for Telemetry {
    fn began(&self, method: &'static str, scheme: &'static str) {
        self.metrics.began(method, scheme);
    }

    fn ended(&self, request: &RequestEnded<'_>) {
        logs::request(request);
        self.metrics.ended(request);
    }
}
