//! What HTTP adds to the policies, to health and to shutdown: tower layers over one [`Body`].

#[cfg(feature = "adaptive")]
mod adaptive;
mod body;
mod body_limit;
#[cfg(feature = "breaker")]
mod breaker;
#[cfg(feature = "bulkhead")]
mod bulkhead;
mod by_status;
mod caller;
mod chaos;
mod client_ip;
mod context;
mod criticality;
mod deadline;
mod error_boundary;
#[cfg(feature = "fallback")]
mod fallback;
mod fault;
#[cfg_attr(
    not(feature = "grpc"),
    allow(unreachable_pub, reason = "public by way of that feature's module")
)]
pub(crate) mod grpc_answer;
#[cfg_attr(
    not(feature = "grpc"),
    allow(unreachable_pub, reason = "public by way of that feature's module")
)]
pub(crate) mod grpc_code;
mod header_key;
mod health_json;
mod health_layer;
#[cfg(all(feature = "hedge", feature = "retry"))]
mod hedge;
mod limits;
#[cfg(feature = "load-shed")]
mod load_shed;
#[cfg(feature = "axum")]
mod matched_path;
mod observe;
#[cfg(any(feature = "hedge", feature = "retry"))]
mod observe_attempt;
mod peer;
mod probe_query;
mod probes;
mod problem;
#[cfg(feature = "app")]
mod quotas;
#[cfg(feature = "rate-limit")]
mod rate_limit;
mod rate_limit_headers;
mod refused;
#[cfg(feature = "retry")]
pub(crate) mod retry;
mod send_context;
mod service;
mod shutdown_layer;
#[cfg(feature = "timeout")]
mod timeout;

#[cfg(feature = "adaptive")]
pub use adaptive::OverloadByStatus;
pub use body::Body;
pub use body_limit::{BodyLimitFuture, BodyLimitLayer, BodyLimitService};
#[cfg(feature = "breaker")]
pub use breaker::{
    HttpCircuitBreakerFuture, HttpCircuitBreakerLayer, HttpCircuitBreakerService, HttpKeyedCircuitBreakerLayer,
    HttpKeyedCircuitBreakerService,
};
#[cfg(feature = "bulkhead")]
pub use bulkhead::{
    HttpBulkheadFuture, HttpBulkheadLayer, HttpBulkheadService, HttpKeyedBulkheadLayer, HttpKeyedBulkheadService,
    HttpPartitionedBulkheadLayer, HttpPartitionedBulkheadService,
};
pub use by_status::ByStatus;
pub use chaos::{HttpChaosFuture, HttpChaosLayer, HttpChaosService};
pub use client_ip::{ClientIp, ClientKey};
pub use context::{
    BAGGAGE, ContextFuture, ContextLayer, ContextService, IDEMPOTENCY_KEY, TRACEPARENT, TRACESTATE, X_REQUEST_ID,
};
pub use criticality::{
    CriticalityFuture, CriticalityLayer, CriticalityService, SendCriticalityLayer, SendCriticalityService,
    X_CRITICALITY,
};
pub use deadline::{GRPC_TIMEOUT, SendDeadlineLayer, SendDeadlineService, X_REQUEST_TIMEOUT_MS, caller_timeout};
pub use error_boundary::{ErrorBoundaryFuture, ErrorBoundaryLayer, ErrorBoundaryService};
#[cfg(feature = "fallback")]
pub use fallback::{Failed, HttpFallbackFuture, HttpFallbackLayer, HttpFallbackService};
pub use header_key::HeaderKey;
pub use health_layer::{HealthFuture, HealthLayer, HealthService};
pub use limits::RequestLimits;
#[cfg(feature = "load-shed")]
pub use load_shed::OfTheRequest;
#[cfg(feature = "axum")]
pub use matched_path::{MatchedPathFuture, MatchedPathLayer, MatchedPathService};
pub use observe::{ObserveFuture, ObserveLayer, ObserveService, RouteTemplate};
#[cfg(any(feature = "hedge", feature = "retry"))]
pub use observe_attempt::{ObserveAttemptFuture, ObserveAttemptLayer, ObserveAttemptService};
pub use peer::PeerAddr;
pub(crate) use peer::Scheme;
pub use problem::{problem, refused, status_of};
#[cfg(feature = "rate-limit")]
pub use rate_limit::{HttpRateLimitFuture, HttpRateLimitLayer, HttpRateLimitService};
#[cfg(feature = "retry")]
pub use retry::{HttpKept, HttpReplay, RetryByStatus, X_REQUEST_ATTEMPT};
#[cfg(feature = "reqwest")]
pub use retry::{ReqwestKept, ReqwestReplay};
pub use send_context::{SendContextLayer, SendContextService};
pub use service::HttpService;
pub use shutdown_layer::{ShutdownFuture, ShutdownLayer, ShutdownService};
#[cfg(feature = "timeout")]
pub use timeout::{HttpTimeoutFuture, HttpTimeoutLayer, HttpTimeoutService};

pub use crate::base::allowance::RateLimitHeaders;
#[cfg(feature = "app")]
pub(crate) use {
    probes::{Detail, probe},
    quotas::{Quotas, QuotasLayer},
    refused::tell_refused,
};
