//! Every name that this crate gives to a metric, a label or a log's target.

use crate::base::refusal;

/// OpenTelemetry's `http.server.request.duration`, in seconds.
pub const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
/// OpenTelemetry's `http.server.active_requests`.
pub const ACTIVE_REQUESTS: &str = "http_server_active_requests";
/// OpenTelemetry's `http.client.request.duration`, in seconds, of every attempt at a dependency over HTTP.
pub const ATTEMPT_DURATION: &str = "http_client_request_duration_seconds";
/// How long every attempt at a dependency took that is not called over HTTP, in seconds, by `dependency` and `outcome`.
pub const DEPENDENCY_DURATION: &str = "seaworthy_dependency_duration_seconds";
/// Requests that a policy refused or ended, by `policy`, `name` and `reason`.
pub const REFUSALS: &str = "seaworthy_refusals_total";
/// 1 for the state in which something is, 0 for those in which it was, by `kind`, `name` and `state`.
pub const STATE: &str = "seaworthy_state";
/// What something has counted, by `kind`, `name` and `counter`.
pub const COUNTS: &str = "seaworthy_counts_total";
/// How long a phase of the shutdown took, in seconds, by `phase`.
pub const SHUTDOWN_PHASE: &str = "seaworthy_shutdown_phase_seconds";

/// How much of a limit is taken, from 0 to 1, by `kind` and `name`.
pub const SATURATION: &str = "seaworthy_saturation";
/// What the gauges of the inventory's entries begin with.
pub const GAUGE_PREFIX: &str = "seaworthy_";
/// Times that a series beyond the cap of its metric was asked for, by `metric`.
pub const FOLDED: &str = "seaworthy_folded_series_total";
/// What the labels of folded series say.
pub const OTHER: &str = "_other";

/// Threads that run the service's tasks.
pub const WORKERS: &str = "tokio_workers";
/// Tasks that have not ended.
pub const ALIVE_TASKS: &str = "tokio_alive_tasks";
/// Tasks that wait for any of the workers.
pub const GLOBAL_QUEUE: &str = "tokio_global_queue_depth";
/// Time for which the workers were busy, all together.
pub const BUSY: &str = "tokio_busy_seconds_total";

/// CPU time of the process, the user's and the system's.
pub const PROCESS_CPU: &str = "process_cpu_seconds_total";
/// Memory of the process that is in RAM.
pub const PROCESS_RESIDENT_MEMORY: &str = "process_resident_memory_bytes";
/// Addresses that the process uses.
pub const PROCESS_VIRTUAL_MEMORY: &str = "process_virtual_memory_bytes";
/// Files and sockets that are open.
pub const PROCESS_OPEN_FDS: &str = "process_open_fds";
/// How many of them may be.
pub const PROCESS_MAX_FDS: &str = "process_max_fds";
/// When the process started, in whole seconds since 1970.
pub const PROCESS_START_TIME: &str = "process_start_time_seconds";
/// Threads of the process.
pub const PROCESS_THREADS: &str = "process_threads";

/// Memory in use by the control group, caches of files included.
pub const CGROUP_MEMORY: &str = "cgroup_memory_usage_bytes";
/// Memory that the control group may use.
pub const CGROUP_MEMORY_LIMIT: &str = "cgroup_memory_limit_bytes";
/// Periods of the CPU quota in which something wanted to run.
pub const CGROUP_PERIODS: &str = "cgroup_cpu_periods_total";
/// Those of them in which the quota was used up.
pub const CGROUP_THROTTLED_PERIODS: &str = "cgroup_cpu_throttled_periods_total";
/// For how long nothing ran because of that.
pub const CGROUP_THROTTLED: &str = "cgroup_cpu_throttled_seconds_total";

/// Bounds of the duration's buckets in seconds, as OpenTelemetry's semantic conventions 1.44 advise.
pub const REQUEST_DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The target of a service's first and last log lines.
pub const LOG: &str = "seaworthy";
/// The target of the one log line a request.
pub const ACCESS_LOG: &str = "seaworthy::access";
/// The target of what refused a call, within the span of the call; on the level `DEBUG`, as the access log has those of
/// requests already.
pub const REFUSED_LOG: &str = refusal::TARGET;
/// The target of what the flight recorder dumps.
pub const TIMELINE_LOG: &str = "seaworthy::timeline";
/// The target of events.
pub const EVENT_LOG: &str = "seaworthy::event";
