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
        self.recorder.event(event);
        if let ("shutdown_phase", Change::Finished { took, .. }) = (event.kind, &event.change) {
            self.metrics.shutdown_phase(event.name, *took);
        }
        // Last: whoever takes the log may panic.
        logs::event(event);
    }
}

impl RequestSink for Telemetry {
    fn began(&self, method: &'static str, scheme: &'static str) {
        self.metrics.began(method, scheme);
    }

    fn ended(&self, request: &RequestEnded<'_>) {
        self.recorder.request(request);
        self.metrics.ended(request);
        // Last: whoever takes the log may panic.
        self.access.request(request);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    use super::super::Exposition;
    use super::*;
    use crate::base::inventory::Inventory;
    use crate::base::outcome::Outcome;

    struct Panicking;

    impl io::Write for Panicking {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            panic!("the log")
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_that_panics_costs_no_metric() {
        let telemetry = Telemetry::new("orders".into());
        let request = RequestEnded {
            method: "GET",
            route: "/panics",
            scheme: "http",
            status: Some(500),
            outcome: Outcome::Failure,
            error: Some("500"),
            refusal: None,
            took: Duration::from_millis(1),
        };
        let (result, took, detail) = ("done", Duration::from_secs(2), "");
        let event = Event {
            kind: "shutdown_phase",
            name: "draining",
            change: Change::Finished { result, took, detail },
        };
        let subscriber = tracing_subscriber::fmt().with_writer(|| Panicking).finish();
        tracing::subscriber::with_default(subscriber, || {
            let request = || RequestSink::ended(&telemetry, &request);
            let event = || telemetry.event(&event);
            for told in [&request as &dyn Fn(), &event] {
                assert!(catch_unwind(AssertUnwindSafe(told)).is_err(), "the log does panic");
            }
        });
        let text = telemetry.metrics.render(&Inventory::default(), Exposition::Text);
        for part in [
            "seaworthy_shutdown_phase_seconds{phase=\"draining\"} 2\n",
            "http_server_request_duration_seconds_count{",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
