//! Which request a line belongs to.

use std::fmt::{Debug, Display};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::{FmtContext, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::base::context::Origin;

pub(super) const REQUEST_ID: &str = "request_id";
pub(super) const TRACE_ID: &str = "trace_id";
pub(super) const SPAN_ID: &str = "span_id";

const ALL: [&str; 3] = [REQUEST_ID, TRACE_ID, SPAN_ID];

/// Those of a span that this crate has made, in their order.
#[derive(Default)]
struct Ids([Option<String>; 3]);

/// Tells the ids that the present work has; if it has none, those of the nearest spans round it that this crate has made.
///
/// So they are known where no span is recorded, and where a task of the user's own has only taken the span along.
pub(super) fn each<S, N>(context: &FmtContext<'_, S, N>, mut tell: impl FnMut(&'static str, &dyn Display))
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let is_known = Origin::with(|origin| {
        if let Some(id) = &origin.request_id {
            tell(REQUEST_ID, &id.as_str());
        }
        if let Some(trace) = &origin.trace {
            tell(TRACE_ID, &trace.trace_id());
            tell(SPAN_ID, &trace.span_id());
        }
        origin.request_id.is_some() || origin.trace.is_some()
    });
    if is_known {
        return;
    }
    let mut told = [false; ALL.len()];
    for span in context.event_scope().into_iter().flatten() {
        if let Some(Ids(ids)) = span.extensions().get() {
            for ((key, id), told) in ALL.iter().zip(ids).zip(&mut told) {
                if let Some(id) = id.as_ref().filter(|_| !*told) {
                    tell(key, id);
                    *told = true;
                }
            }
        }
    }
}

/// Returns whether it is a span of this crate, which stands for a request or a call made for one.
pub(super) fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("seaworthy::") && metadata.fields().field(TRACE_ID).is_some()
}

/// Keeps of the crate's own spans nothing but their ids, and passes everything else on to whoever formats it.
///
/// Their other fields are for traces: on each line they would hide what it says.
pub(super) struct OwnSpans<L>(pub(super) L);

impl<S, L> Layer<S> for OwnSpans<L>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    L: Layer<S>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if !is_own(attributes.metadata()) {
            return self.0.on_new_span(attributes, id, context);
        }
        if let Some(span) = context.span(id) {
            let mut ids = Ids::default();
            attributes.record(&mut ids);
            span.extensions_mut().insert(ids);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if !context.metadata(id).is_some_and(is_own) {
            self.0.on_record(id, values, context);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        self.0.on_event(event, context);
    }
}

impl Visit for Ids {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if let Some(index) = ALL.iter().position(|id| *id == field.name()) {
            self.0[index] = Some(format!("{value:?}"));
        }
    }
}
