use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics::{Gauge, Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::runtime::{Handle, RuntimeMetrics};

use super::attempts::Attempts;
use super::calls::{self, Calls};
use super::exposition::Exposition;
use super::guard::Guard;
use super::handles::{Handles, Sought};
use super::names;
use super::publish::Publisher;
use super::system;
use crate::base::inventory::Inventory;
use crate::base::request::RequestEnded;
use crate::base::sync::{Mutex, lock};

pub(super) const METADATA: Metadata<'static> = Metadata::new("seaworthy", Level::INFO, None);

/// The metrics of one service: a Prometheus recorder of its own, so that two services live in one process.
pub(crate) struct Metrics {
    pub(super) recorder: Arc<Guard<PrometheusRecorder>>,
    handle: PrometheusHandle,
    publisher: Publisher,
    runtime: OnceLock<RuntimeMetrics>,
    durations: Handles<Series<Box<str>>, Histogram>,
    active: Handles<Active, Gauge>,
    pub(super) attempts: Attempts,
    calls: Mutex<Vec<Calls>>,
}

/// What tells one duration's series from another; every part is of a bounded set.
#[derive(PartialEq, Hash)]
struct Series<T> {
    method: &'static str,
    scheme: &'static str,
    route: T,
    status: Option<u16>,
    error: Option<T>,
}

impl Sought<Series<Box<str>>> for Series<&str> {
    fn is(&self, key: &Series<Box<str>>) -> bool {
        self.method == key.method
            && self.scheme == key.scheme
            && self.route == &*key.route
            && self.status == key.status
            && self.error == key.error.as_deref()
    }

    fn to_key(&self) -> Series<Box<str>> {
        Series {
            method: self.method,
            scheme: self.scheme,
            route: self.route.into(),
            status: self.status,
            error: self.error.map(Into::into),
        }
    }
}

/// What tells one gauge of requests under way from another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Active {
    method: &'static str,
    scheme: &'static str,
}

impl Sought<Self> for Active {
    fn is(&self, key: &Self) -> bool {
        self == key
    }

    fn to_key(&self) -> Self {
        self.clone()
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let durations = [names::REQUEST_DURATION, names::ATTEMPT_DURATION];
        let builder = durations.iter().try_fold(PrometheusBuilder::new(), |builder, name| {
            builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), &names::REQUEST_DURATION_BUCKETS)
        });
        // Fails only for an empty list of buckets, and without buckets a summary is still right.
        let builder = builder.unwrap_or_default();
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        let recorder = Arc::new(Guard::new(recorder));
        describe(&*recorder);
        Self {
            handle,
            recorder,
            runtime: OnceLock::new(),
            publisher: Publisher::default(),
            durations: Handles::default(),
            active: Handles::default(),
            attempts: Attempts::default(),
            calls: Mutex::default(),
        }
    }

    /// Offers the recorder to the `metrics` macros of this process; `false` if another is installed already.
    pub(crate) fn install(&self) -> bool {
        metrics::set_global_recorder(Arc::clone(&self.recorder)).is_ok()
    }

    /// Notes which runtime serves.
    pub(crate) fn runs_on(&self, runtime: &Handle) {
        self.runtime.get_or_init(|| runtime.metrics());
    }

    /// Renders everything, with the inventory and the system's signals as they are now.
    pub(crate) fn render(&self, inventory: &Inventory, exposition: Exposition) -> String {
        self.publisher.publish(inventory, &*self.recorder);
        let rendered = self.handle.render() + &calls::render(&lock(&self.calls));
        exposition.write(&rendered, &system::signals(self.runtime.get()))
    }

    /// Times the calls of a dependency.
    pub(super) fn calls(&self, dependency: &str) -> Calls {
        let calls = Calls::new(dependency);
        lock(&self.calls).push(calls.clone());
        calls
    }

    /// Empties the recorder's sample buffers; must run now and then even if nobody scrapes.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    pub(crate) fn shutdown_phase(&self, phase: &str, took: Duration) {
        let key = Key::from_parts(names::SHUTDOWN_PHASE, vec![Label::new("phase", phase.to_owned())]);
        self.recorder.register_gauge(&key, &METADATA).set(took.as_secs_f64());
    }

    pub(super) fn began(&self, method: &'static str, scheme: &'static str) {
        self.active(Active { method, scheme }, |active| active.increment(1.0));
    }

    pub(super) fn ended(&self, request: &RequestEnded<'_>) {
        let RequestEnded { method, scheme, .. } = *request;
        self.active(Active { method, scheme }, |active| active.decrement(1.0));
        self.record(request);
        if let Some(refusal) = request.refusal {
            let labels = vec![
                Label::from_static_parts("policy", refusal.policy()),
                Label::new("name", refusal.name().to_owned()),
                Label::from_static_parts("reason", refusal.reason().label()),
            ];
            self.recorder
                .register_counter(&Key::from_parts(names::REFUSALS, labels), &METADATA)
                .increment(1);
        }
    }

    fn active(&self, series: Active, change: impl FnOnce(&Gauge)) {
        let register = |Active { method, scheme }: &Active| {
            let labels = vec![
                Label::from_static_parts("http_request_method", method),
                Label::from_static_parts("url_scheme", scheme),
            ];
            self.recorder
                .register_gauge(&Key::from_parts(names::ACTIVE_REQUESTS, labels), &METADATA)
        };
        self.active.with(&series, register, change);
    }

    fn record(&self, request: &RequestEnded<'_>) {
        let series = Series {
            method: request.method,
            scheme: request.scheme,
            route: request.route,
            status: request.status,
            error: request.error,
        };
        let register = |series: &Series<Box<str>>| {
            let mut labels = vec![
                Label::from_static_parts("http_request_method", series.method),
                Label::from_static_parts("url_scheme", series.scheme),
                Label::new("http_route", String::from(&*series.route)),
            ];
            if let Some(status) = series.status {
                labels.push(Label::new("http_response_status_code", status.to_string()));
            }
            if let Some(error) = &series.error {
                labels.push(Label::new("error_type", String::from(&**error)));
            }
            self.recorder
                .register_histogram(&Key::from_parts(names::REQUEST_DURATION, labels), &METADATA)
        };
        let took = request.took.as_secs_f64();
        self.durations.with(&series, register, |duration| duration.record(took));
    }
}

fn describe(recorder: &dyn Recorder) {
    let text = "Time from a request's head to the end of its response's body.";
    recorder.describe_histogram(names::REQUEST_DURATION.into(), Some(Unit::Seconds), text.into());
    let text = "Time from an attempt at a dependency over HTTP to the end of its response's body.";
    recorder.describe_histogram(names::ATTEMPT_DURATION.into(), Some(Unit::Seconds), text.into());
    let text = "Requests that are being answered.";
    recorder.describe_gauge(names::ACTIVE_REQUESTS.into(), None, text.into());
    let text = "Requests that a policy refused or ended.";
    recorder.describe_counter(names::REFUSALS.into(), None, text.into());
    let text = "1 for the state in which something is, 0 for those in which it was.";
    recorder.describe_gauge(names::STATE.into(), None, text.into());
    let text = "What something has counted since it was made.";
    recorder.describe_counter(names::COUNTS.into(), None, text.into());
    let text = "How much of a limit is taken, from 0 to 1.";
    recorder.describe_gauge(names::SATURATION.into(), None, text.into());
    let text = "How long a phase of the shutdown took.";
    recorder.describe_gauge(names::SHUTDOWN_PHASE.into(), Some(Unit::Seconds), text.into());
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}
