use metrics_process::collector::collect;

use super::names;
use super::system::{Signal, counter, gauge};

/// Reads what Prometheus' clients tell of a process, under the names that all of them use.
pub(super) fn signals() -> Vec<Signal> {
    let read = collect();
    let cpu = read.cpu_seconds_total.map(|seconds| {
        counter(
            names::PROCESS_CPU,
            seconds,
            "Total user and system CPU time spent in seconds.",
        )
    });
    let gauges = [
        (
            names::PROCESS_RESIDENT_MEMORY,
            read.resident_memory_bytes,
            "Resident memory size in bytes.",
        ),
        (
            names::PROCESS_VIRTUAL_MEMORY,
            read.virtual_memory_bytes,
            "Virtual memory size in bytes.",
        ),
        (
            names::PROCESS_OPEN_FDS,
            read.open_fds,
            "Number of open file descriptors.",
        ),
        (
            names::PROCESS_MAX_FDS,
            limit(read.max_fds),
            "Maximum number of open file descriptors.",
        ),
        (
            names::PROCESS_START_TIME,
            read.start_time_seconds,
            "Start time of the process since unix epoch in seconds.",
        ),
        (
            names::PROCESS_THREADS,
            read.threads,
            "Number of OS threads in the process.",
        ),
    ];
    let gauges = gauges
        .into_iter()
        .filter_map(|(name, value, help)| Some(gauge(name, value? as f64, help)));
    cpu.into_iter().chain(gauges).collect()
}

/// Returns how many files the process has open, and how many it may.
pub(crate) fn open_files() -> Option<(u64, u64)> {
    let read = collect();
    Some((read.open_fds?, limit(read.max_fds)?))
}

/// The collector says 0 for what has no limit.
fn limit(most: Option<u64>) -> Option<u64> {
    most.filter(|most| *most > 0)
}
