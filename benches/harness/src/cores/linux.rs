//! On Linux, a thread has a set of cores that it may use.

use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// Returns the cores that this thread may use; none if the system does not tell.
pub(super) fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_default();
    (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()
}

/// Binds this thread to a core, until what this returns is dropped.
pub fn bind(core: usize) -> Bound {
    let before = sched_getaffinity(None).ok();
    let mut only = CpuSet::new();
    only.set(core);
    // A thread that cannot be bound may still have a core of its own: which rounds count shows it.
    let _ = sched_setaffinity(None, &only);
    Bound(before)
}

/// Gives a thread back the cores that it had.
pub struct Bound(Option<CpuSet>);

impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = sched_setaffinity(None, before);
        }
    }
}

/// Returns how long the threads of this process have run so far.
pub fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
