use opentelemetry::trace::{
    SpanBuilder, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span};

use super::ids::{self, Given};

/// Makes spans; those of the crate itself with the ids that stand in their fields.
#[derive(Clone, Debug)]
pub(super) struct OwnIds(pub(super) SdkTracer);

impl Tracer for OwnIds {
    type Span = Span;

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> Span {
        let is_own = take(&mut builder, "target").is_some_and(|target| is_own(&target.as_str()));
        match is_own.then(|| Own::take(&mut builder)).flatten() {
            Some(own) => {
                let parent = own.parent(parent, builder.span_kind.as_ref());
                ids::with(own.given, || self.0.build_with_context(builder, &parent))
            }
            None => self.0.build_with_context(builder, parent),
        }
    }
}

/// Whether a span's target is this crate.
fn is_own(target: &str) -> bool {
    target
        .strip_prefix("seaworthy")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// What the fields of a span of the crate say.
struct Own {
    given: Given,
    parent: Option<SpanId>,
}

impl Own {
    fn take(builder: &mut SpanBuilder) -> Option<Self> {
        let [trace_id, span_id, parent] = ["trace_id", "span_id", "parent_span_id"].map(|key| take(builder, key));
        Some(Self {
            given: Given {
                trace_id: TraceId::from_hex(&trace_id?.as_str()).ok()?,
                span_id: SpanId::from_hex(&span_id?.as_str()).ok()?,
            },
            parent: parent.and_then(|parent| SpanId::from_hex(&parent.as_str()).ok()),
        })
    }

    /// Finds the parent: the span it stands in, if that is of its trace, so that spans of users between two of the crate
    /// are seen; else the one that its fields name, which is remote for a server.
    fn parent(&self, around: &Context, kind: Option<&SpanKind>) -> Context {
        let Some(parent) = self.parent else {
            return Context::new();
        };
        if around.span().span_context().trace_id() == self.given.trace_id {
            return around.clone();
        }
        let is_remote = matches!(kind, Some(SpanKind::Server));
        let state = TraceState::default();
        let parent = SpanContext::new(self.given.trace_id, parent, TraceFlags::SAMPLED, is_remote, state);
        Context::new().with_remote_span_context(parent)
    }
}

fn take(builder: &mut SpanBuilder, key: &str) -> Option<Value> {
    let attributes = builder.attributes.as_mut()?;
    let at = attributes
        .iter()
        .position(|KeyValue { key: found, .. }| found.as_str() == key)?;
    Some(attributes.remove(at).value)
}
