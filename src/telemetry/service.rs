use std::sync::Arc;

use super::calls::Calls;
use super::logs::{self, AccessLog, Unchanged};
use super::metrics::Metrics;
use super::timeline::FlightRecorder;
use crate::base::context::SampleRatio;
use crate::base::events::{Change, Event, EventSink};
use crate::base::request::{AttemptEnded, AttemptSink, RequestEnded, RequestSink};

/// Turns what a service reports into log lines, metrics and a timeline.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recorder: FlightRecorder,
    pub(crate) access: Arc<AccessLog>,
}

impl Telemetry {
    /// Makes the telemetry of the service of that name.
    pub(crate) fn new(service: Arc<str>) -> Self {
        Self {
            metrics: Arc::new(Metrics::new()),
            access: Arc::default(),
            recorder: FlightRecorder::new(service),
        }
    }

    /// Times the calls of a dependency.
    pub(crate) fn calls(&self, dependency: &str) -> Calls {
        self.metrics.calls(dependency)
    }

    /// Logs this part of the requests that go well.
    pub(crate) fn access_ratio(mut self, ratio: SampleRatio) -> Self {
        self.access = Arc::new(AccessLog::new(ratio));
        self
    }

    /// Puts another filter of the log in force, and tells so.
    pub(crate) fn change_log_filter(&self, filter: &str) -> Result<(), Unchanged> {
        let changed = Event {
            kind: "log",
            name: "filter",
            change: Change::Settings,
        };
        logs::change_filter(filter, || self.event(&changed))
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
        // First: whoever takes the log may panic.
        self.recorder.event(event);
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
        self.recorder.request(request);
        self.access.request(request);
        self.metrics.ended(request);
    }
}
