use std::io::{IsTerminal, stdout};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::base::events::{Change, Event};
use crate::base::outcome::Outcome;
use crate::base::request::RequestEnded;

use super::names;

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

/// Installs a subscriber that writes to standard output; `false` if there is one already, which then stays.
pub(crate) fn install(filter: &str, format: LogFormat) -> bool {
    let filter = EnvFilter::builder().parse_lossy(filter);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE);
    let pretty = match format {
        LogFormat::Auto => stdout().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Pretty => true,
    };
    if pretty {
        builder.compact().try_init().is_ok()
    } else {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()
            .is_ok()
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
    let RequestEnded { status, error, .. } = *request;
    let took_ms = millis(request.took);
    let refused_by = request.refusal.map(|refusal| refusal.name());
    if request.outcome == Outcome::Failure {
        tracing::warn!(target: names::ACCESS_LOG, status, took_ms, error, refused_by, "request failed");
    } else {
        tracing::info!(target: names::ACCESS_LOG, status, took_ms, error, refused_by, "request");
    }
}

fn millis(took: std::time::Duration) -> f64 {
    took.as_micros() as f64 / 1000.0
}
