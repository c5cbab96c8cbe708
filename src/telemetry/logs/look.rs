//! How log lines look.

use std::io::{IsTerminal, stdout};

use tracing::Subscriber;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, fmt};

use super::ids::OwnSpans;
use super::json::{JsonFields, JsonLines};
use super::pretty::PrettyLines;

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

/// How they do look, once it is known where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Json,
    Pretty { is_coloured: bool },
}

impl Look {
    pub(super) fn of(format: LogFormat) -> Self {
        let is_terminal = stdout().is_terminal();
        let is_pretty = format == LogFormat::Pretty || (format == LogFormat::Auto && is_terminal);
        if is_pretty {
            Self::Pretty {
                is_coloured: is_terminal,
            }
        } else {
            Self::Json
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pretty { .. } => "pretty",
        }
    }
}

/// Makes the layer that writes lines of a look.
pub(super) fn lines<S>(look: Look, writer: BoxMakeWriter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer().with_writer(writer);
    match look {
        Look::Json => OwnSpans(lines.fmt_fields(JsonFields).event_format(JsonLines)).boxed(),
        Look::Pretty { is_coloured } => {
            let lines = lines.with_ansi(is_coloured);
            OwnSpans(lines.event_format(PrettyLines::new(is_coloured))).boxed()
        }
    }
}
