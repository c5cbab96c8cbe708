//! Lines for people.

use std::fmt::{self, Write};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Compact, DefaultFields, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent};
use tracing_subscriber::registry::LookupSpan;

use super::ids;

/// tracing's compact form, and then the ids of the request.
pub(super) struct PrettyLines {
    compact: Format<Compact>,
    is_coloured: bool,
}

impl PrettyLines {
    pub(super) fn new(is_coloured: bool) -> Self {
        Self {
            compact: Format::default().with_ansi(is_coloured).compact(),
            is_coloured,
        }
    }
}

impl<S> FormatEvent<S, DefaultFields> for PrettyLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, DefaultFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.compact.format_event(context, Writer::new(&mut line), event)?;
        line.truncate(line.trim_end_matches('\n').len());
        let (dim, bright) = if self.is_coloured {
            ("\u{1b}[2m", "\u{1b}[0m")
        } else {
            ("", "")
        };
        let mut end = Ok(());
        ids::each(context, |name, id| {
            end = end.and(write!(line, " {dim}{name}={id}{bright}"));
        });
        end?;
        writeln!(writer, "{line}")
    }
}
