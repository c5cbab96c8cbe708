use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Tells whoever holds it that the service is draining; found in the extensions of every request.
///
/// Streams and long work should watch it and end by themselves: at the drain's deadline they are cut.
#[derive(Clone, Debug)]
// Every request has one, and to clone a token takes a lock that all of them share.
pub struct Draining(pub(super) Arc<CancellationToken>);

impl Draining {
    /// Returns whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the drain begins; safe to drop and to call again.
    pub async fn draining(&self) {
        self.0.cancelled().await;
    }
}

/// Counts as in flight until it is dropped.
#[must_use]
pub struct InFlight(
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "its drop is what counts"))]
    pub(super)  TaskTrackerToken,
);

impl InFlight {
    /// As [`Draining::is_draining`], without a lock.
    #[cfg(feature = "http")]
    pub(crate) fn is_draining(&self) -> bool {
        // Closed just before the token is cancelled.
        self.0.task_tracker().is_closed()
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InFlight")
    }
}

/// Counts as an open connection until it is dropped.
pub(crate) struct OpenConnection(#[expect(dead_code, reason = "its drop is what counts")] pub(super) TaskTrackerToken);

impl fmt::Debug for OpenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenConnection")
    }
}

/// Spawns background tasks that a shutdown waits for.
#[derive(Clone, Debug)]
pub struct Tracker {
    pub(super) tasks: TaskTracker,
    pub(super) cut: CancellationToken,
}

impl Tracker {
    /// Spawns a task that the drain waits for, and drops at its deadline.
    ///
    /// The task should watch a [`Draining`] token and end by itself. The handle yields `None` if it was dropped.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, as `tokio::spawn`.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<Option<F::Output>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let cut = self.cut.clone();
        self.tasks.spawn(async move { cut.run_until_cancelled(future).await })
    }

    /// Returns how many of its tasks run.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }
}
