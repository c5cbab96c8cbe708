//! Elsewhere, threads run where the system puts them.

use std::thread::available_parallelism;
use std::time::Duration;

/// Returns a number for each core.
pub(super) fn allowed() -> Vec<usize> {
    (0..available_parallelism().map_or(1, usize::from)).collect()
}

/// Leaves this thread where it is.
pub fn bind(_: usize) -> Bound {
    Bound
}

/// Gives nothing back.
pub struct Bound;

/// Returns nothing, as the system is not asked.
pub fn cpu_time() -> Duration {
    Duration::ZERO
}
