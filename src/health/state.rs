use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::announce::{Announcer, News, What};
use super::config::{CheckConfig, check_name};
use super::engine::{Engine, Run, Verdict};
use super::phase::{Facts, Phase};
use super::report::{CheckReport, HealthReport, LastRun, Status, TaskReport, TaskState, status};
use super::watchdog::Watchdog;
use crate::base::clock::Clock;
use crate::base::error::InvalidSettings;
use crate::base::events::Events;
use crate::base::live::Validate;

/// What all clones of a health, its tasks and its checks share.
///
/// The lock is held for a moment at a time, and never while anything of the user's runs.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) watchdog: Watchdog,
    /// The phase as it was announced last, for those who wait for another.
    pub(super) phase: watch::Sender<Phase>,
    announcer: Announcer,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    started: bool,
    draining: bool,
    stopped: bool,
    tasks: Vec<Task>,
    checks: Vec<Tracked>,
    announced: Phase,
}

#[derive(Debug)]
struct Task {
    report: TaskReport,
    since: Instant,
}

/// One check and what its runs have said.
#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) name: Arc<str>,
    pub(super) config: CheckConfig,
    pub(super) engine: Engine,
    /// When the last run ended, since 1970.
    time: Duration,
    announced: Verdict,
}

/// What moves a health from one phase to another.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Start,
    Drain,
    Stop,
}

impl Shared {
    pub(super) fn new(clock: Clock, events: Events) -> Self {
        Self {
            watchdog: Watchdog::new(clock.clone()),
            clock,
            phase: watch::Sender::new(Phase::Starting),
            announcer: Announcer::new(events),
            state: Mutex::new(State {
                started: false,
                draining: false,
                stopped: false,
                tasks: Vec::new(),
                checks: Vec::new(),
                announced: Phase::Starting,
            }),
        }
    }

    /// Registers a startup task and returns its index.
    pub(super) fn add_task(&self, name: String) -> Result<usize, InvalidSettings> {
        let mut state = self.lock();
        let taken = state.tasks.iter().map(|task| &*task.report.name);
        let wrong = check_name("startup", &name, taken, &["start"])
            .or_else(|| state.is_started().then(|| super::startup::too_late(&name)));
        InvalidSettings::check(wrong.into_iter().collect())?;
        state.tasks.push(Task {
            report: TaskReport {
                name: name.into(),
                state: TaskState::Running,
                progress: None,
            },
            since: self.clock.now(),
        });
        Ok(state.tasks.len() - 1)
    }

    pub(super) fn task_progress(&self, index: usize, done: u64, total: u64) {
        self.lock().tasks[index].report.progress = Some((done, total));
    }

    /// Takes note of how a startup task ended.
    pub(super) fn end_task(&self, index: usize, end: TaskState, detail: String) {
        self.change(|state, now| {
            let task = &mut state.tasks[index];
            task.report.state = end;
            self.announcer.push(News {
                kind: "startup",
                name: Arc::clone(&task.report.name),
                what: What::Finished {
                    result: end.label(),
                    took: now.saturating_duration_since(task.since),
                },
                detail,
            });
        });
    }

    /// Registers a check and returns its index.
    pub(super) fn add_check(&self, name: String, config: CheckConfig) -> Result<usize, InvalidSettings> {
        self.change(|state, _| {
            let taken = state.checks.iter().map(|check| &*check.name);
            let mut wrong = config.validate(&name);
            wrong.extend(check_name("check", &name, taken, &["startup", "shutdown"]));
            InvalidSettings::check(wrong)?;
            state.checks.push(Tracked {
                name: name.into(),
                engine: Engine::new(&config),
                config,
                time: Duration::ZERO,
                announced: Verdict::Unknown,
            });
            Ok(state.checks.len() - 1)
        })
    }

    pub(super) fn run_starts(&self, index: usize) {
        let now = self.clock.now();
        self.lock().checks[index].engine.start(now);
    }

    /// Takes note of how a run of a check ended.
    pub(super) fn run_ended(&self, index: usize, run: Run, detail: &str) {
        self.change(|state, now| {
            let check = &mut state.checks[index];
            check.time = self.clock.unix_time();
            check.engine.record(now, run);
            self.announce_check(check, now, detail);
        });
    }

    pub(super) fn step(&self, step: Step) {
        self.change(|state, _| match step {
            Step::Start => state.started = true,
            Step::Drain => state.draining = true,
            Step::Stop => state.stopped = true,
        });
    }

    pub(super) fn report(&self) -> HealthReport {
        self.change(|state, now| HealthReport {
            phase: state.phase(now),
            started: state.started,
            startup: state.tasks.iter().map(|task| task.report.clone()).collect(),
            checks: state.checks.iter().map(|check| check.report(now)).collect(),
            heartbeats: self.watchdog.reports(now),
        })
    }

    /// Calls `read` with every check, in the order in which they were registered.
    pub(super) fn map_checks<T>(&self, read: impl FnMut(&Tracked) -> T) -> Vec<T> {
        self.lock().checks.iter().map(read).collect()
    }

    /// Makes a change, then announces what has changed by it or by the passing of time.
    fn change<T>(&self, change: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        // Read under the lock, so that nobody announces by an older time than was announced before.
        let now = self.clock.now();
        let result = change(&mut state, now);
        self.announce(&mut state, now);
        drop(state);
        self.announcer.send();
        result
    }

    fn announce(&self, state: &mut State, now: Instant) {
        for check in &mut state.checks {
            self.announce_check(check, now, "");
        }
        for turn in self.watchdog.turns(now) {
            let (from, to) = if turn.late {
                ("beating", "late")
            } else {
                ("late", "beating")
            };
            self.push_state("heartbeat", &turn.name, (from, to), &turn.detail);
        }
        let phase = state.phase(now);
        let from = std::mem::replace(&mut state.announced, phase);
        if from != phase {
            let detail = state.blockers(now);
            self.push_state("health", &"phase".into(), (from.label(), phase.label()), &detail);
            // Under the lock, so that the last one sent is the last one that was.
            self.phase.send_replace(phase);
        }
    }

    /// Announces a check's verdict if it is another than before; without a `detail` in our own words.
    fn announce_check(&self, check: &mut Tracked, now: Instant, detail: &str) {
        let (verdict, why) = check.engine.verdict(now);
        let from = std::mem::replace(&mut check.announced, verdict);
        if from != verdict {
            let detail = if detail.is_empty() { why } else { detail };
            self.push_state("check", &check.name, (from.label(), verdict.label()), detail);
        }
    }

    fn push_state(&self, kind: &'static str, name: &Arc<str>, (from, to): (&'static str, &'static str), detail: &str) {
        self.announcer.push(News {
            kind,
            name: Arc::clone(name),
            what: What::State { from, to },
            detail: detail.into(),
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_started(&self) -> bool {
        let complete = |task: &Task| task.report.state == TaskState::Complete;
        self.started && self.tasks.iter().all(complete)
    }

    fn phase(&self, now: Instant) -> Phase {
        Phase::from(Facts {
            started: self.is_started(),
            dependencies_allow: self.checks.iter().all(|check| check.status(now) != Status::Fail),
            draining: self.draining,
            stopped: self.stopped,
        })
    }

    /// Names the checks that make the service unready.
    fn blockers(&self, now: Instant) -> String {
        let blocking = self.checks.iter().filter(|check| check.status(now) == Status::Fail);
        blocking.map(|check| &*check.name).collect::<Vec<_>>().join(", ")
    }
}

impl Tracked {
    fn status(&self, now: Instant) -> Status {
        let (verdict, _) = self.engine.verdict(now);
        status(self.config.critical, self.config.fail_open, verdict)
    }

    fn report(&self, now: Instant) -> CheckReport {
        let (verdict, why) = self.engine.verdict(now);
        CheckReport {
            name: Arc::clone(&self.name),
            critical: self.config.critical,
            fail_open: self.config.fail_open,
            component_type: self.config.component_type,
            verdict,
            why,
            last_run: self.engine.last().map(|last| LastRun {
                age: now.saturating_duration_since(last.ended),
                took: last.took,
                time: self.time,
            }),
        }
    }
}
