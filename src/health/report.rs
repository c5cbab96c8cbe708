use std::sync::Arc;
use std::time::Duration;

use super::config::ComponentType;
use super::engine::Verdict;
use super::phase::Phase;

/// What a health knows at one moment, as plain data.
///
/// It holds no text of a check's or a task's error, so that no probe can show one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HealthReport {
    /// Where the service stands.
    pub phase: Phase,
    /// Whether [`Health::start`](super::Health::start) was called.
    pub started: bool,
    /// The startup tasks, in the order in which they were registered.
    pub startup: Vec<TaskReport>,
    /// The checks, in the order in which they were registered.
    pub checks: Vec<CheckReport>,
    /// The heartbeats, in the order in which they were registered.
    pub heartbeats: Vec<HeartbeatReport>,
}

/// How something contributes to the whole, in the words of `application/health+json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Status {
    /// All is well.
    Pass,
    /// Something is wrong, but the service does without it.
    Warn,
    /// The service should get no requests.
    Fail,
}

/// What is known of one startup task.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TaskReport {
    /// Its name.
    pub name: Arc<str>,
    /// How far it is.
    pub state: TaskState,
    /// How much is done, and of how much, if it said so.
    pub progress: Option<(u64, u64)>,
}

/// How far a startup task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// It has not ended.
    Running,
    /// It is done.
    Complete,
    /// It failed or was dropped; the service will never be ready.
    Failed,
}

/// What is known of one dependency.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Its name.
    pub name: Arc<str>,
    /// Whether the service is unready without it.
    pub critical: bool,
    /// Whether the service is ready while nothing is known of it.
    pub fail_open: bool,
    /// What it is.
    pub component_type: ComponentType,
    /// What is known of it.
    pub verdict: Verdict,
    /// Why, in this crate's own words.
    pub why: &'static str,
    /// The last run that ended.
    pub last_run: Option<LastRun>,
}

/// When a check last ran.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct LastRun {
    /// How long ago it ended.
    pub age: Duration,
    /// How long it took.
    pub took: Duration,
    /// When it ended, since 1970.
    pub time: Duration,
}

/// What is known of one heartbeat.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HeartbeatReport {
    /// Its name.
    pub name: Arc<str>,
    /// The longest silence that is not late.
    pub max_silence: Duration,
    /// How long ago it beat.
    pub silence: Duration,
}

impl HealthReport {
    /// Tells whether the process makes progress: no heartbeat is late.
    pub fn is_live(&self) -> bool {
        self.heartbeats.iter().all(|heartbeat| heartbeat.late_by().is_none())
    }

    /// Tells whether the service should get requests.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Tells whether startup has completed: it was started, and every task is done.
    pub fn is_started(&self) -> bool {
        self.started && self.startup.iter().all(|task| task.state == TaskState::Complete)
    }

    /// Returns the whole in one word: `Fail` if it is unready or not live, `Warn` if any check warns.
    pub fn status(&self) -> Status {
        if !self.is_ready() || !self.is_live() {
            return Status::Fail;
        }
        self.checks
            .iter()
            .map(CheckReport::status)
            .max()
            .unwrap_or(Status::Pass)
    }
}

impl Status {
    /// Returns the word that stands in `/healthz`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl TaskState {
    /// Returns the state as one word, for logs and the inventory.
    pub fn label(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

impl CheckReport {
    /// Returns what it contributes; `Fail` makes the service unready.
    pub fn status(&self) -> Status {
        status(self.critical, self.fail_open, self.verdict)
    }
}

/// Decides what a dependency contributes.
pub(super) fn status(critical: bool, fail_open: bool, verdict: Verdict) -> Status {
    match verdict {
        Verdict::Up => Status::Pass,
        Verdict::Unknown if fail_open => Status::Warn,
        Verdict::Down | Verdict::Unknown if critical => Status::Fail,
        Verdict::Down | Verdict::Unknown => Status::Warn,
    }
}

impl HeartbeatReport {
    /// Returns by how much it is late, if it is.
    pub fn late_by(&self) -> Option<Duration> {
        self.silence
            .checked_sub(self.max_silence)
            .filter(|late| !late.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_critical_dependency_fails_the_whole_and_fail_open_is_for_the_unknown_alone() {
        use {Status::*, Verdict::*};
        let table = [
            // critical, fail_open: up, down, unknown
            (true, false, [Pass, Fail, Fail]),
            (true, true, [Pass, Fail, Warn]),
            (false, false, [Pass, Warn, Warn]),
            (false, true, [Pass, Warn, Warn]),
        ];
        for (critical, fail_open, expected) in table {
            let found = [Up, Down, Unknown].map(|verdict| status(critical, fail_open, verdict));
            assert_eq!(found, expected, "critical {critical}, fail_open {fail_open}");
        }
    }
}
