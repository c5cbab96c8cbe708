use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::SpanKind;
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use tokio::sync::{Notify, mpsc};

use super::counts::Counts;

/// The most spans that wait; further ones are dropped and counted. As OpenTelemetry's own.
pub(super) const WAITING: usize = 2_048;
/// The most spans that are sent at once. As OpenTelemetry's own.
pub(super) const BATCH: usize = 512;

/// Where spans wait for the exporter; putting one in never waits.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) spans: mpsc::Sender<SpanData>,
    pub(super) counts: Arc<Counts>,
    /// Wakes the exporter before its time, when a batch is full.
    pub(super) full: Arc<Notify>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, mut span: SpanData) {
        if let Some(name) = late_name(&span) {
            span.name = name.into();
        }
        Counts::add(&self.counts.ended, 1);
        if self.spans.try_send(span).is_err() {
            Counts::add(&self.counts.queue_full, 1);
        }
        if self.spans.max_capacity() - self.spans.capacity() >= BATCH {
            self.full.notify_one();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Names a request whose route was found late: `tracing-opentelemetry` renames no span that has begun, and one begins
/// with the first span inside it.
fn late_name(span: &SpanData) -> Option<String> {
    let text = |key| match span
        .attributes
        .iter()
        .find(|KeyValue { key: found, .. }| found.as_str() == key)?
    {
        KeyValue {
            value: Value::String(text),
            ..
        } => Some(text.as_str()),
        _ => None,
    };
    let is_request = span.span_kind == SpanKind::Server && !span.name.contains(' ');
    let is_named_by = |method: &&str| *method == span.name || (*method == "_OTHER" && span.name == "HTTP");
    let _ = is_request
        .then(|| text("http.request.method"))
        .flatten()
        .filter(is_named_by)?;
    text("http.route").map(|route| format!("{} {route}", span.name))
}
