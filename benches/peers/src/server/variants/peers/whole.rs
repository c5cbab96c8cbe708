//! As much of a whole inbound stack as tower-http and tower have.

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use tower::ServiceBuilder;
use tower::limit::ConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultMakeSpan, TraceLayer};
use tracing::Level;

use super::{LIMIT, PLACES};
use crate::server::variants::ahoy::Ahoy;
use crate::server::variants::door::Served;
use crate::server::variants::ours::BODY;
use crate::server::variants::whole::keep_spans;

/// Request ids, spans, panics, a timeout, load shedding, a bulkhead and a body limit. The process keeps spans and
/// writes nothing, as with ours; there are no metrics, no health and no drain.
pub(in crate::server::variants) fn stack() -> impl Served {
    keep_spans();
    ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::INFO)))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LIMIT))
        .layer(CatchPanicLayer::new())
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(PLACES))
        .layer(RequestBodyLimitLayer::new(BODY as usize))
        .service(Ahoy::<Full<Bytes>>::new())
}
