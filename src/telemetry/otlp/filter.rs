use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

use super::super::names;
use super::export::exports;
use crate::base::context::{Origin, TraceContext};

/// Lets spans and events through that are to be exported; asks before anything is made of them.
pub(super) struct Exported;

impl<S> Filter<S> for Exported {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        is_wanted(metadata) && !exports() && is_sampled()
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_wanted(metadata) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }
}

/// What is less than INFO is noise of whoever is below, but for refusals, which say why a call ended as it did; and the
/// line of a request says no more than its span.
fn is_wanted(metadata: &Metadata<'_>) -> bool {
    match metadata.target() {
        names::ACCESS_LOG => false,
        names::REFUSED_LOG => true,
        _ => *metadata.level() <= Level::INFO,
    }
}

/// Work of a trace that is not sampled costs no more than this; what belongs to no request is sampled by ratio later.
fn is_sampled() -> bool {
    Origin::with(|origin| origin.trace.as_ref().is_none_or(TraceContext::is_sampled))
}
