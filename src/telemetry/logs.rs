use std::io::{IsTerminal, stdout};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::names;
use crate::base::events::{Change, Event};
use crate::base::inventory::{Describe, Entry};
use crate::base::outcome::Outcome;
use crate::base::request::RequestEnded;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// The most lines that wait for whoever reads the log; further ones are dropped and counted.
const WAITING_LINES: usize = 8_192;

/// The longest wait for the last lines to be read, at the end of the process.
const LAST_LINES: Duration = Duration::from_millis(500);

static WRITER: Mutex<Option<WorkerGuard>> = Mutex::new(None);
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

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
    if !owns_process {
        return install_writer(filter, format, BoxMakeWriter::new(stdout), traces);
    }
    let builder = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES);
    let (writer, guard) = builder.thread_name("seaworthy-log").finish(stdout());
    let dropped = writer.error_counter();
    let installed = install_writer(filter, format, BoxMakeWriter::new(writer), traces);
    if installed {
        *WRITER.lock().unwrap_or_else(PoisonError::into_inner) = Some(guard);
        let _ = DROPPED.set(dropped);
    }
    installed
}

fn install_writer(
    filter: &str,
    format: LogFormat,
    writer: BoxMakeWriter,
    traces: Option<impl Layer<Registry> + Send + Sync>,
) -> bool {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let pretty = match format {
        LogFormat::Auto => stdout().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Pretty => true,
    };
    let lines = if pretty {
        lines.compact().with_ansi(stdout().is_terminal()).boxed()
    } else {
        let lines = lines.json().flatten_event(true);
        lines.with_current_span(true).with_span_list(false).boxed()
    };
    // Of its own, so that what the log leaves out can be traced.
    let lines = lines.with_filter(filter);
    tracing_subscriber::registry()
        .with(traces)
        .with(lines)
        .try_init()
        .is_ok()
}

/// Waits a little for the last lines to be written; what is logged later is lost.
pub(crate) fn flush() {
    let guard = WRITER.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (done, flushed) = mpsc::channel();
    // On another thread, as letting go of the writer can itself wait for whoever reads the log.
    let flush = move || {
        drop(guard);
        let _ = done.send(());
    };
    if std::thread::Builder::new().spawn(flush).is_ok() {
        let _ = flushed.recv_timeout(LAST_LINES);
    }
}

/// The log's entry in the inventory.
#[derive(Debug)]
pub(crate) struct LogEntry;

impl Describe for LogEntry {
    fn describe(&self) -> Entry {
        let dropped = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
        Entry::new("log", "log", "on").counter("dropped_lines", dropped as u64)
    }
}

/// Says what is wrong with a filter, if anything is.
pub(crate) fn is_filter(filter: &str) -> bool {
    EnvFilter::builder().parse(filter).is_ok()
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

pub(super) fn request(request: &RequestEnded<'_>) {
    let RequestEnded {
        method,
        route,
        status,
        error,
        ..
    } = *request;
    let took_ms = millis(request.took);
    let refused_by = request.refusal.map(|refusal| refusal.name());
    if request.outcome == Outcome::Failure {
        tracing::warn!(target: names::ACCESS_LOG, method, route, status, took_ms, error, refused_by, "request failed");
    } else {
        tracing::info!(target: names::ACCESS_LOG, method, route, status, took_ms, error, refused_by, "request");
    }
}

fn millis(took: Duration) -> f64 {
    took.as_micros() as f64 / 1000.0
}
