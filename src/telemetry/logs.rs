use std::io::stdout;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::dispatcher::has_been_set;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_log::{AsLog, LogTracer};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use self::access::millis;
use self::filter::InvalidFilter;
use self::look::{Look, lines};
use super::aside::aside;
use super::names;
use crate::base::events::{Change, Event};
use crate::base::inventory::{Describe, Entry};

mod access;
mod filter;
mod ids;
mod json;
mod look;
mod object;
mod pretty;
#[cfg(test)]
mod tests;

pub(crate) use access::AccessLog;
pub(crate) use filter::LogFilter;
pub(crate) use look::LogFormat;

/// The most lines that wait for whoever reads the log; further ones are dropped and counted.
const WAITING_LINES: usize = 8_192;

/// The longest wait for the last lines to be read, at the end of the process.
const LAST_LINES: Duration = Duration::from_millis(500);

static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static LOG: OnceLock<Log> = OnceLock::new();

/// The log of this process, if its subscriber is ours.
struct Log {
    filter: LogFilter,
    look: Look,
    dropped: Option<ErrorCounter>,
}

/// Installs a subscriber that writes to standard output, and the layer for traces beside it; `false` if there is one
/// already, which then stays.
///
/// If we own the process a thread of its own writes, so that a log which nobody reads does not stop the service;
/// whoever ends the process must [`flush`] it then.
pub(crate) fn install(
    filter: &str,
    format: LogFormat,
    owns_process: bool,
    traces: Option<impl Layer<Registry> + Send + Sync>,
) -> bool {
    // What is no filter has been refused with the other settings.
    let Ok(filter) = LogFilter::parse(filter) else {
        return false;
    };
    let (writer, guard, dropped) = if owns_process {
        let builder = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(WAITING_LINES);
        let (writer, guard) = builder.thread_name("seaworthy-log").finish(stdout());
        let dropped = writer.error_counter();
        (BoxMakeWriter::new(writer), Some(guard), Some(dropped))
    } else {
        (BoxMakeWriter::new(stdout), None, None)
    };
    let look = Look::of(format);
    let registry = tracing_subscriber::registry();
    let installed = match traces {
        // Of its own, so that what the log leaves out can be traced.
        Some(traces) => {
            let log = lines(look, writer).with_filter(filter.clone());
            set_global_default(registry.with(traces).with(log))
        }
        // Of all, so that what it leaves out costs nothing.
        None => set_global_default(registry.with(filter.clone()).with(lines(look, writer))),
    };
    if installed.is_ok() {
        *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = guard;
        let _ = LOG.set(Log { filter, look, dropped });
        // Whoever takes what is logged through the crate `log` already goes on to.
        let _ = LogTracer::builder()
            .with_max_level(LevelFilter::current().as_log())
            .init();
    }
    installed.is_ok()
}

/// Why the filter has not changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unchanged {
    /// Another subscriber writes the log.
    NotOurs,
    /// What was asked for is no filter.
    Invalid(InvalidFilter),
}

/// Returns the filter in force, if our subscriber writes the log.
pub(crate) fn log_filter() -> Option<&'static LogFilter> {
    LOG.get().map(|log| &log.filter)
}

/// Puts another filter in force, and has `tell` tell of it while there is somebody to be told.
pub(super) fn change_filter(text: &str, tell: impl FnOnce()) -> Result<(), Unchanged> {
    let filter = log_filter().ok_or(Unchanged::NotOurs)?;
    LogFilter::parse(text).map_err(Unchanged::Invalid)?;
    // The one filter or the other may leave out what is told of the change.
    if tracing::enabled!(target: names::EVENT_LOG, tracing::Level::INFO) {
        tell();
        filter.change(text).map_err(Unchanged::Invalid)
    } else {
        filter.change(text).map_err(Unchanged::Invalid)?;
        tell();
        Ok(())
    }
}

/// Waits a little for the last lines to be written; what is logged later is lost.
pub(crate) fn flush() {
    let guard = WRITER.lock().unwrap_or_else(PoisonError::into_inner).take();
    // On another thread, as letting go of the writer can itself wait for whoever reads the log.
    aside(LAST_LINES, move || drop(guard));
}

/// The log's entry in the inventory.
#[derive(Debug)]
pub(crate) struct LogEntry(pub(crate) Arc<AccessLog>);

impl Describe for LogEntry {
    fn describe(&self) -> Entry {
        let log = LOG.get();
        let state = match log {
            Some(_) => "on",
            None if has_been_set() => "not_ours",
            None => "not_yet",
        };
        let entry = Entry::new("log", "log", state);
        let entry = match log {
            Some(log) => entry
                .setting("filter", log.filter.text())
                .setting("format", log.look.label()),
            None => entry,
        };
        let dropped = log.and_then(|log| log.dropped.as_ref());
        let dropped = dropped.map_or(0, ErrorCounter::dropped_lines);
        entry
            .setting("access_ratio", self.0.ratio.get())
            .counter("dropped_lines", dropped as u64)
            .counter("access_lines_left_out", self.0.left_out())
    }
}

/// Returns whether a text is a filter.
pub(crate) fn is_filter(filter: &str) -> bool {
    LogFilter::parse(filter).is_ok()
}

pub(super) fn event(event: &Event<'_>) {
    let Event { kind, change, .. } = event;
    let name = said(event.name);
    match change {
        Change::State { from, to, detail } => {
            let detail = said(detail);
            tracing::info!(target: names::EVENT_LOG, kind, name, from, to, detail, "state changed");
        }
        Change::Finished { result, took, detail } => {
            let (took_ms, detail) = (millis(*took), said(detail));
            tracing::info!(target: names::EVENT_LOG, kind, name, result, took_ms, detail, "finished");
        }
        Change::Settings => tracing::info!(target: names::EVENT_LOG, kind, name, "settings changed"),
    }
}

/// Leaves a field out that would say nothing.
fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
