use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::check::Check;
use super::phase::Phase;
use super::report::{HealthReport, HeartbeatReport, TaskReport};
use super::runner::{Runner, Scheduled};
use super::startup::StartupTask;
use super::state::{Shared, Step, Tracked};
use super::watchdog::Watchdog;
use crate::base::clock::Clock;
use crate::base::error::InvalidSettings;
use crate::base::events::{EventSink, Events};
use crate::base::inventory::{Describe, Entry, Inventory};

/// Knows whether a service has started, is ready, and is alive.
///
/// Clones share one state. Once the last clone is dropped its checks no longer run; startup tasks and heartbeats do not
/// keep them running.
#[derive(Clone)]
pub struct Health(Arc<Owner>);

struct Owner {
    shared: Arc<Shared>,
    runner: Runner,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.runner.stop();
    }
}

impl Health {
    /// Makes a health with the default clock, whose events go to nobody.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Builds a health with a clock or an event sink of its own.
    pub fn builder() -> HealthBuilder {
        HealthBuilder {
            clock: Clock::default(),
            events: Events::default(),
        }
    }

    /// Registers something that must be done before the service is ready.
    ///
    /// # Errors
    ///
    /// A name that is taken, is `start`, or is not 1 to 64 letters, digits, `.`, `_`, `-`; more than 256 tasks; startup
    /// that has completed already.
    pub fn startup_task(&self, name: impl Into<String>) -> Result<StartupTask, InvalidSettings> {
        let shared = &self.0.shared;
        let index = shared.add_task(name.into())?;
        Ok(StartupTask::new(Arc::clone(shared), index))
    }

    /// Registers a dependency's check; it runs from [`start`](Self::start) on, or at once if that has been called.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range; a name that is taken, is `startup` or `shutdown`, or is not 1 to 64
    /// letters, digits, `.`, `_`, `-`; more than 256 checks.
    pub fn check(&self, check: Check) -> Result<(), InvalidSettings> {
        let Check { name, config, job } = check;
        let shared = Arc::clone(&self.0.shared);
        let index = shared.add_check(name, config.clone())?;
        self.0.runner.add(Scheduled {
            shared,
            index,
            config,
            job,
        });
        Ok(())
    }

    /// Returns the watchdog that decides liveness.
    pub fn watchdog(&self) -> &Watchdog {
        &self.0.shared.watchdog
    }

    /// Begins: the checks run on `runtime`, and startup completes as soon as every startup task has.
    ///
    /// Until then the service is starting, so that nobody takes a service that is still being put together for one
    /// that needs no startup. Calling it again changes nothing.
    pub fn start(&self, runtime: &Handle) {
        self.0.shared.step(Step::Start);
        self.0.runner.start(runtime);
    }

    /// Makes the service unready for good, while it finishes what it has begun; the checks still run.
    pub fn drain(&self) {
        self.0.shared.step(Step::Drain);
    }

    /// Says that the service has ended, and ends the checks.
    pub fn stop(&self) {
        self.0.shared.step(Step::Stop);
        self.0.runner.stop();
    }

    /// Lists the phase and every startup task, check and heartbeat in `inventory`, those to come as well.
    pub fn describe_into(&self, inventory: &Inventory) {
        inventory.add(self.listing());
    }

    /// Returns what describes the phase and every startup task, check and heartbeat.
    pub(crate) fn listing(&self) -> impl Describe + use<> {
        Listing(Arc::clone(&self.0.shared))
    }

    /// Returns where the service stands now.
    pub fn phase(&self) -> Phase {
        self.report().phase
    }

    /// Waits until the service stands elsewhere than at `phase`, and returns where.
    ///
    /// What happens is noticed at once. What the passing of time alone changes, as when a check's results become too old,
    /// is noticed when somebody asks for the phase or the report; an `App` does so every second.
    ///
    /// # Cancellation
    ///
    /// Safe to drop and to call again.
    ///
    /// # Examples
    ///
    /// ```
    /// use seaworthy::health::{Health, Phase};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let health = Health::new();
    /// let (phase, ()) = tokio::join!(health.changed_from(Phase::Starting), async {
    ///     health.start(&tokio::runtime::Handle::current());
    /// });
    /// assert_eq!(phase, Phase::Ready);
    /// # }
    /// ```
    pub async fn changed_from(&self, phase: Phase) -> Phase {
        let mut phases = self.0.shared.phase.subscribe();
        // Announces what the passing of time has changed.
        let now = self.phase();
        // The sender lives as long as `self`, so the wait cannot fail.
        let changed = phases.wait_for(|now| *now != phase).await;
        changed.map_or(now, |changed| *changed)
    }

    /// Returns all that is known now, from cached results: no check runs for it.
    ///
    /// The age of what is cached is looked at here, so that it shows if the runtime of the checks is stuck.
    pub fn report(&self) -> HealthReport {
        self.0.shared.report()
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Health").field(&self.phase()).finish()
    }
}

/// Describes a health without keeping its checks running.
struct Listing(Arc<Shared>);

impl Describe for Listing {
    fn describe(&self) -> Entry {
        Entry::new("health", "phase", self.0.report().phase.label())
    }

    fn describe_all(&self) -> Vec<Entry> {
        let report = self.0.report();
        let mut entries = vec![Entry::new("health", "phase", report.phase.label())];
        entries.extend(report.startup.iter().map(describe_task));
        let now = self.0.clock.now();
        let describe = |check: &Tracked| describe_check(check, check.engine.verdict(now).0.label());
        entries.extend(self.0.map_checks(describe));
        entries.extend(report.heartbeats.iter().map(describe_heartbeat));
        entries
    }
}

fn describe_task(task: &TaskReport) -> Entry {
    let entry = Entry::new("startup", &*task.name, task.state.label());
    match task.progress {
        Some((done, total)) => entry.setting("progress", format!("{done} of {total}")),
        None => entry,
    }
}

fn describe_check(check: &Tracked, state: &'static str) -> Entry {
    let (config, tally) = (&check.config, check.engine.tally());
    Entry::new("check", &*check.name, state)
        .setting("critical", config.critical)
        .setting("fail_open", config.fail_open)
        .setting("interval", format!("{:?}", config.interval))
        .setting("timeout", format!("{:?}", config.timeout))
        .setting("failing_after", config.failing_after)
        .setting("recovering_after", config.recovering_after)
        .setting("stale_age", format!("{:?}", config.stale_age()))
        .counter("runs", tally.runs)
        .counter("failures", tally.failures)
        .counter("timeouts", tally.timeouts)
        .counter("panics", tally.panics)
}

fn describe_heartbeat(heartbeat: &HeartbeatReport) -> Entry {
    let state = heartbeat.late_by().map_or("beating", |_| "late");
    Entry::new("heartbeat", &*heartbeat.name, state).setting("max_silence", format!("{:?}", heartbeat.max_silence))
}

/// Builds a [`Health`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HealthBuilder {
    clock: Clock,
    events: Events,
}

impl HealthBuilder {
    /// Tells the age of results and of heartbeats; the checks' schedules follow tokio's time all the same.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// Sends changes of phase, of verdicts and of heartbeats, and the end of startup tasks, to `sink`.
    ///
    /// Each change is sent once, in order, by whoever notices it; a probe may be that.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    pub fn build(self) -> Health {
        Health(Arc::new(Owner {
            shared: Arc::new(Shared::new(self.clock, self.events)),
            runner: Runner::default(),
        }))
    }
}
