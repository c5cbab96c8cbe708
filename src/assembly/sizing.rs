//! What a service may hold and do at once by default, from what its container may.

use std::fs;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

use tokio::runtime::Handle;

use super::settings::Places;
use crate::base::cgroup::Limits;
use crate::base::inventory::{Describe, Entry};
use crate::server::ServerConfig;

#[cfg(test)]
mod tests;

/// The most bytes of a request's body by default.
pub(super) const BODY_LIMIT: u64 = 2 << 20;

/// With one worker, a section that blocks it stalls everything; a second one costs nothing while it has nothing to do.
/// Go's runtime goes no lower for a quota either (`GOMAXPROCS`, since 1.25).
const LEAST_WORKERS: usize = 2;

/// The floor of connections and places, however small the container is: with less, a service refuses what it could well
/// do. So many connections hold 13 MiB at most; so many bodies of the largest size, of both classes, 256 MiB, which is
/// more than an eighth each below 1 GiB: whoever gets nothing but such bodies there lowers the body limit.
const LEAST: usize = 64;

/// By Little's law, as many requests are under way as come in a second, times how long they take: here the thousand for
/// which a CPU suffices that spends a millisecond on each, which take a quarter of a second with all that they wait for.
const PLACES_PER_CPU: f64 = 256.0;

/// From 16 CPUs on the formula says less and less of one process: an adaptive limit finds out what is too much.
const MOST_PLACES: usize = 4096;

/// Connections may fill half of the memory at their worst, and an eighth each the bodies of critical requests and of
/// others: what is left is the service's own, TLS's and, for sockets, the system's.
const SHARE_OF_CONNECTIONS: u64 = 2;
const SHARE_OF_BODIES: u64 = 8;

/// Defaults that go by the size of the container.
///
/// | default | is the least of | at least |
/// |---|---|---|
/// | `worker_threads` | whole CPUs | 2 |
/// | `max_connections` | 10,000; memory / 2 / 208 KiB | 64 |
/// | `max_connections_per_address` | `max_connections` / 2 | 32 |
/// | `places`, of critical requests and of others each | 4,096; CPUs × 256; memory / 8 / 2 MiB | 64 |
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sizing {
    /// What the control groups say.
    limits: Limits,
    /// How many CPUs' time there is.
    pub(super) cpus: f64,
    /// How many bytes there are, if that is known.
    memory: Option<u64>,
    pub(super) worker_threads: usize,
    pub(super) max_connections: usize,
    pub(super) max_connections_per_address: usize,
    pub(super) places: u32,
}

impl Sizing {
    /// Reads what this process may have, and what this machine has.
    pub(super) fn detect() -> Self {
        let whole = available_parallelism().map_or(1, usize::from);
        let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Self::within(Limits::of_this_process(), whole, memory_of(&machine))
    }

    /// Derives the defaults from the container's limits and from what the machine has for it.
    ///
    /// `whole` is the standard library's answer, which knows affinity and quota, but rounds a quota down to whole CPUs,
    /// up to one, and does not find it where a group has no name space of its own.
    fn within(limits: Limits, whole: usize, machine: Option<u64>) -> Self {
        let whole = whole as f64;
        let cpus = limits.cpus.map_or(whole, |limit| limit.min(whole));
        let memory = limits.memory.into_iter().chain(machine).min();
        Self {
            limits,
            ..Self::of(cpus, memory)
        }
    }

    /// Derives the defaults from CPUs and from bytes of memory.
    pub(super) fn of(cpus: f64, memory: Option<u64>) -> Self {
        let most = ServerConfig::default();
        let fits = |share: u64, bytes: u64| {
            memory.map_or(usize::MAX, |memory| {
                usize::try_from(memory / share / bytes).unwrap_or(usize::MAX)
            })
        };
        let connections = fits(SHARE_OF_CONNECTIONS, most.bytes_per_connection());
        let places = fits(SHARE_OF_BODIES, BODY_LIMIT).min((cpus * PLACES_PER_CPU) as usize);
        let max_connections = connections.clamp(LEAST, most.max_connections);
        Self {
            limits: Limits::default(),
            cpus,
            memory,
            worker_threads: (cpus as usize).max(LEAST_WORKERS),
            max_connections,
            // Half, so that no peer alone can take every place.
            max_connections_per_address: max_connections / 2,
            places: places.clamp(LEAST, MOST_PLACES) as u32,
        }
    }
}

/// Reads the bytes of a machine's memory from its `/proc/meminfo`.
fn memory_of(machine: &str) -> Option<u64> {
    let total = machine.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024).filter(|bytes| *bytes > 0)
}

/// The sizing's entry in the inventory.
#[derive(Clone, Debug)]
pub(super) struct SizingEntry {
    sizing: Sizing,
    places: Places,
    /// As many workers as the runtime has that serves.
    workers: Arc<OnceLock<usize>>,
}

impl SizingEntry {
    pub(super) fn new(sizing: Sizing, places: Places) -> Self {
        Self {
            sizing,
            places,
            workers: Arc::default(),
        }
    }

    /// Notes which runtime serves.
    pub(super) fn runs_on(&self, runtime: &Handle) {
        self.workers.get_or_init(|| runtime.metrics().num_workers());
    }
}

impl Describe for SizingEntry {
    fn describe(&self) -> Entry {
        fn or_none(number: Option<impl ToString>) -> String {
            number.map_or_else(|| "none".to_owned(), |number| number.to_string())
        }
        let Self {
            sizing,
            places,
            workers,
        } = self;
        let workers = workers.get().copied().unwrap_or(sizing.worker_threads);
        Entry::new("sizing", "sizing", "on")
            .setting("cpu_limit", or_none(sizing.limits.cpus))
            .setting("cpus", sizing.cpus)
            .setting("memory_limit", or_none(sizing.limits.memory))
            .setting("memory", or_none(sizing.memory))
            .setting("default_worker_threads", sizing.worker_threads)
            .setting("worker_threads", workers)
            .setting("default_max_connections", sizing.max_connections)
            .setting(
                "default_max_connections_per_address",
                sizing.max_connections_per_address,
            )
            .setting("default_places", sizing.places)
            .setting("critical_places", places.critical)
            .setting("other_places", places.other)
    }
}
