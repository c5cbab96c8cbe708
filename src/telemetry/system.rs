//! What the process, its container and its runtime say of themselves, read when somebody scrapes.

use tokio::runtime::RuntimeMetrics;

use super::exposition::{COUNTER, GAUGE};
use super::names;
use super::process;
use crate::base::cgroup::Usage;

/// One number, under a name without labels.
///
/// Not through the facade: a counter of seconds has fractions there is no room for in its counters.
pub(super) struct Signal {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) help: &'static str,
    pub(super) value: f64,
}

/// Reads all that can be read on this system.
pub(super) fn signals(runtime: Option<&RuntimeMetrics>) -> Vec<Signal> {
    let mut signals = runtime.map_or_else(Vec::new, of_runtime);
    signals.extend(process::signals());
    signals.extend(of_container(&Usage::of_this_process()));
    signals
}

pub(super) fn counter(name: &'static str, value: f64, help: &'static str) -> Signal {
    Signal {
        name,
        kind: COUNTER,
        help,
        value,
    }
}

pub(super) fn gauge(name: &'static str, value: f64, help: &'static str) -> Signal {
    Signal {
        name,
        kind: GAUGE,
        help,
        value,
    }
}

fn of_runtime(runtime: &RuntimeMetrics) -> Vec<Signal> {
    let workers = runtime.num_workers();
    let busy = |worker| runtime.worker_total_busy_duration(worker).as_secs_f64();
    vec![
        gauge(names::WORKERS, workers as f64, "Threads that run the service's tasks."),
        gauge(
            names::ALIVE_TASKS,
            runtime.num_alive_tasks() as f64,
            "Tasks that have begun or wait to begin, and have not ended.",
        ),
        gauge(
            names::GLOBAL_QUEUE,
            runtime.global_queue_depth() as f64,
            "Tasks that could run and wait for any of the workers.",
        ),
        counter(
            names::BUSY,
            (0..workers).map(busy).sum(),
            "Time for which the workers were busy, all together.",
        ),
    ]
}

fn of_container(usage: &Usage) -> Vec<Signal> {
    let memory = usage.memory.map(|bytes| {
        gauge(
            names::CGROUP_MEMORY,
            bytes as f64,
            "Memory in use by the control group, caches of files included.",
        )
    });
    let limit = usage.memory_limit.map(|bytes| {
        gauge(
            names::CGROUP_MEMORY_LIMIT,
            bytes as f64,
            "Memory that the control group may use.",
        )
    });
    let throttling = usage.throttling.iter().flat_map(|throttling| {
        [
            counter(
                names::CGROUP_PERIODS,
                throttling.periods as f64,
                "Periods of the CPU quota in which something wanted to run.",
            ),
            counter(
                names::CGROUP_THROTTLED_PERIODS,
                throttling.throttled_periods as f64,
                "Periods whose CPU quota was used up.",
            ),
            counter(
                names::CGROUP_THROTTLED,
                throttling.throttled.as_secs_f64(),
                "Time for which the control group had no CPU because its quota was used up.",
            ),
        ]
    });
    memory.into_iter().chain(limit).chain(throttling).collect()
}
