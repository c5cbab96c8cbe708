//! One JSON object a line.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::{self, Debug, Display};
use std::time::{Duration, UNIX_EPOCH};

use tracing::field::{Field, FieldSet, Visit};
use tracing::span::Record;
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::ids::{self, REQUEST_ID, SPAN_ID, TRACE_ID, is_own};
use super::object::{debug, float, key, number, remove, string};
use crate::base::clock::Clock;
use crate::base::context::Origin;
use crate::telemetry::timeline::render::LAST;

/// What a line says itself; a field of one of these names has `fields.` before it.
const OF_A_LINE: [&str; 7] = ["timestamp", "level", "target", REQUEST_ID, TRACE_ID, SPAN_ID, "spans"];
const OF_A_SPAN: [&str; 1] = ["name"];

/// The target of what is logged through the crate `log`; the record's own one is a field of this name.
const LOG: &str = "log";
const LOG_TARGET: &str = "log.target";

/// A longer line gives its memory back.
const KEPT: usize = 64 << 10;

thread_local!(static LINE: Cell<String> = const { Cell::new(String::new()) });

/// Writes a line.
///
/// A span's fields are text already, which is put into the line as it is.
pub(super) struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Whatever is formatted may log itself, and finds another one then.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        line.clear();
        head(&mut line, event);
        ids::each(context, |name, id| {
            number(&mut line, format_args!(",\"{name}\":\"{id}\""))
        });
        spans(&mut line, context);
        line.push_str("}\n");
        let written = writer.write_str(&line);
        if line.capacity() <= KEPT {
            let _ = LINE.try_with(|kept| kept.set(line));
        }
        written
    }
}

fn head(line: &mut String, event: &Event<'_>) {
    let metadata = event.metadata();
    let now = time(Clock::default().unix_time());
    number(
        line,
        format_args!("{{\"timestamp\":\"{now}\",\"level\":\"{}\"", metadata.level()),
    );
    let mut fields = EventFields {
        line,
        names: metadata.fields(),
        is_own: metadata.target().starts_with("seaworthy::"),
        log_target: (metadata.target() == LOG).then(String::new),
    };
    event.record(&mut fields);
    let log_target = fields.log_target.filter(|target| !target.is_empty());
    key(line, "target");
    string(line, log_target.as_deref().unwrap_or(metadata.target()));
}

/// Tells a time since 1970, as late as the format can.
fn time(since: Duration) -> impl Display {
    humantime::format_rfc3339_micros(UNIX_EPOCH + since.min(LAST))
}

/// Writes the user's own spans, from root to leaf.
fn spans<S>(line: &mut String, context: &FmtContext<'_, S, JsonFields>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let mut separator = ",\"spans\":[";
    let spans = context.event_scope().into_iter().flat_map(|scope| scope.from_root());
    for span in spans.filter(|span| !is_own(span.metadata())) {
        line.push_str(separator);
        separator = ",";
        span_of(line, &span);
    }
    if separator == "," {
        line.push(']');
    }
}

fn span_of<'a, S: LookupSpan<'a>>(line: &mut String, span: &SpanRef<'a, S>) {
    line.push_str("{\"name\":");
    string(line, span.name());
    if let Some(fields) = span.extensions().get::<FormattedFields<JsonFields>>() {
        line.push_str(&fields.fields);
    }
    line.push('}');
}

/// Returns what a field is called in an object that has names of its own.
fn renamed<'a>(name: &'a str, taken: &[&str]) -> Cow<'a, str> {
    // Another field may be called what this one becomes, and becomes something else then.
    let is_taken = taken.contains(&name.trim_start_matches("fields."));
    if is_taken {
        format!("fields.{name}").into()
    } else {
        name.into()
    }
}

fn name_of(field: &str) -> &str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Writes the fields of an event.
struct EventFields<'a> {
    line: &'a mut String,
    names: &'a FieldSet,
    is_own: bool,
    /// What it was logged as, if it came through the crate `log`.
    log_target: Option<String>,
}

impl EventFields<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut String)) {
        let name = name_of(field.name());
        let mut earlier = self.names.iter().take(field.index());
        // What this crate says of a request is said of the one that the line belongs to.
        let is_told = self.is_own && name == REQUEST_ID && Origin::with(|origin| origin.request_id.is_some());
        let is_of_log = self.log_target.is_some() && name.starts_with("log.");
        if is_told || is_of_log || earlier.any(|earlier| name_of(earlier.name()) == name) {
            return;
        }
        key(self.line, &renamed(name, &OF_A_LINE));
        value(self.line);
    }
}

/// Writes the fields of a span; of several that are recorded under one name the last counts.
struct SpanFields<'a>(&'a mut String);

impl SpanFields<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut String)) {
        let name = renamed(name_of(field.name()), &OF_A_SPAN);
        remove(self.0, &name);
        key(self.0, &name);
        value(self.0);
    }
}

macro_rules! values {
    () => {
        fn record_f64(&mut self, field: &Field, value: f64) {
            self.write(field, |text| float(text, value));
        }

        fn record_i64(&mut self, field: &Field, value: i64) {
            self.write(field, |text| number(text, format_args!("{value}")));
        }

        fn record_u64(&mut self, field: &Field, value: u64) {
            self.write(field, |text| number(text, format_args!("{value}")));
        }

        fn record_bool(&mut self, field: &Field, value: bool) {
            self.write(field, |text| number(text, format_args!("{value}")));
        }

        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.write(field, |text| debug(text, value));
        }
    };
}

impl Visit for EventFields<'_> {
    values!();

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == LOG_TARGET {
            self.log_target.iter_mut().for_each(|target| value.clone_into(target));
        }
        self.write(field, |text| string(text, value));
    }
}

impl Visit for SpanFields<'_> {
    values!();

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |text| string(text, value));
    }
}

/// Writes a span's fields as members of an object.
pub(super) struct JsonFields;

impl<'writer> FormatFields<'writer> for JsonFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut text = String::new();
        fields.record(&mut SpanFields(&mut text));
        writer.write_str(&text)
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        fields.record(&mut SpanFields(&mut current.fields));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_beyond_all_years_still_has_a_time() {
        assert_eq!(time(Duration::MAX).to_string(), "9999-12-31T23:59:59.000000Z");
        assert_eq!(
            time(Duration::from_micros(1)).to_string(),
            "1970-01-01T00:00:00.000001Z"
        );
    }
}
