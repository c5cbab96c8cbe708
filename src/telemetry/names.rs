//! Every name that this crate gives to a metric, a label or a log's target.

/// OpenTelemetry's `http.server.request.duration`, in seconds.
pub const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
/// OpenTelemetry's `http.server.active_requests`.
pub const ACTIVE_REQUESTS: &str = "http_server_active_requests";
/// Requests that a policy refused or ended, by `policy`, `name` and `reason`.
pub const REFUSALS: &str = "seaworthy_refusals_total";
/// 1 for the state in which something is, 0 for those in which it was, by `kind`, `name` and `state`.
pub const STATE: &str = "seaworthy_state";
/// What something has counted, by `kind`, `name` and `counter`.
pub const COUNTS: &str = "seaworthy_counts_total";
/// How long a phase of the shutdown took, in seconds, by `phase`.
pub const SHUTDOWN_PHASE: &str = "seaworthy_shutdown_phase_seconds";

/// Bounds of the duration's buckets in seconds, as OpenTelemetry's semantic conventions 1.44 advise.
pub const REQUEST_DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The target of a service's first and last log lines.
pub const LOG: &str = "seaworthy";
/// The target of the one log line a request.
pub const ACCESS_LOG: &str = "seaworthy::access";
/// The target of what the flight recorder dumps.
pub const TIMELINE_LOG: &str = "seaworthy::timeline";
/// The target of events.
pub const EVENT_LOG: &str = "seaworthy::event";
