use std::fmt::{self, Display};
use std::sync::Arc;

use super::check::detail;
use super::report::TaskState;
use super::state::Shared;
use crate::base::error::InvalidSetting;

/// Something that must be done before the service is ready; made by [`Health::startup_task`](super::Health::startup_task).
///
/// # Examples
///
/// ```
/// use seaworthy::health::{Health, TaskState};
///
/// let health = Health::new();
/// let warm_up = health.startup_task("warm-up").unwrap();
/// warm_up.progress(3, 10);
/// assert_eq!(health.report().startup[0].progress, Some((3, 10)));
/// warm_up.complete();
/// assert_eq!(health.report().startup[0].state, TaskState::Complete);
/// ```
///
/// # Cancellation
///
/// A task that is dropped before it completes has failed, and the service will never be ready: a service that lost a
/// part of its startup must not pass for one that has finished it.
#[must_use = "a startup task that is dropped has failed"]
pub struct StartupTask {
    shared: Arc<Shared>,
    index: usize,
    ended: bool,
}

impl StartupTask {
    pub(super) fn new(shared: Arc<Shared>, index: usize) -> Self {
        Self {
            shared,
            index,
            ended: false,
        }
    }

    /// Says that `done` of `total` is done, in whatever unit; `/startupz` shows it.
    pub fn progress(&self, done: u64, total: u64) {
        self.shared.task_progress(self.index, done, total);
    }

    /// Says that it is done.
    pub fn complete(mut self) {
        self.end(TaskState::Complete, String::new());
    }

    /// Says that it failed: the service will never be ready.
    ///
    /// The reason is for the event alone, cut to 512 bytes; no probe shows it.
    pub fn fail(mut self, reason: impl Display) {
        self.end(TaskState::Failed, detail(&reason));
    }

    fn end(&mut self, end: TaskState, detail: String) {
        self.ended = true;
        self.shared.end_task(self.index, end, detail);
    }
}

impl Drop for StartupTask {
    fn drop(&mut self) {
        if !self.ended {
            self.end(TaskState::Failed, "dropped before it completed".into());
        }
    }
}

impl fmt::Debug for StartupTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartupTask").field(&self.index).finish()
    }
}

pub(super) fn too_late(name: &str) -> InvalidSetting {
    let allowed = "registered before startup completes, which it does for good";
    InvalidSetting::new(format!("startup.{name}"), "too late", allowed)
}
