//! Numbers of workers.

use std::time::Duration;

use crate::base::finding::Finding;

/// Compares how long a worker `needs` in a drain, to end its jobs and to give back the rest, with the drain's own time.
pub(in super::super) fn worker_outlasts_drain(name: &str, needs: Duration, drain: Duration) -> Option<Finding> {
    (needs > drain).then(|| {
        let found = format!("it may need {needs:?} to give back what it cannot finish, and the drain waits {drain:?}");
        let advice = "shorten the worker's `drain`, or raise `shutdown.drain`, and `shutdown.grace_period` by as much";
        Finding::new(format!("worker {name}"), found, advice)
    })
}
