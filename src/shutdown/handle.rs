use std::fmt;
use std::future::Future;
use std::iter;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::ShutdownConfig;
use super::hooks::Hook;
use super::idle::is_idle;
use super::phase::{Cause, Phase};
use super::tracker::{Draining, InFlight, OpenConnection, Tracker};
use crate::base::clock::Clock;
use crate::base::error::{BoxError, InvalidSettings};
use crate::base::events::{Change, EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::live::Validate;
use crate::base::stripe::{self, MOST_STRIPES, Padded};

/// Takes a service out of traffic without dropping what it has begun.
///
/// A cheap handle; clones share one shutdown.
#[derive(Clone)]
pub struct Shutdown(Arc<Shared>);

struct Shared {
    config: ShutdownConfig,
    clock: Clock,
    events: Events,
    request: watch::Sender<Option<Cause>>,
    phase: watch::Sender<Phase>,
    draining: CancellationToken,
    cut: CancellationToken,
    requests: Box<[Padded<Requests>]>,
    connections: TaskTracker,
    tasks: TaskTracker,
    hooks: Mutex<Vec<Hook>>,
    on_begin: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

/// What every request touches, once for each stripe.
struct Requests {
    tracker: TaskTracker,
    draining: Arc<CancellationToken>,
    /// How many have come so far.
    entered: AtomicU64,
}

impl Shutdown {
    /// Starts a shutdown with the defaults.
    pub fn builder() -> ShutdownBuilder {
        ShutdownBuilder {
            config: ShutdownConfig::default(),
            clock: Clock::default(),
            events: Events::default(),
        }
    }

    /// Asks for the shutdown; only the first cause counts.
    pub fn begin(&self, cause: Cause) {
        self.0.request.send_if_modified(|request| {
            let first = request.is_none();
            request.get_or_insert(cause);
            first
        });
    }

    /// Returns where the shutdown stands.
    pub fn phase(&self) -> Phase {
        *self.0.phase.borrow()
    }

    /// Returns the durations in force.
    pub fn config(&self) -> &ShutdownConfig {
        &self.0.config
    }

    /// Waits until the service should stop accepting; fits `axum::serve(…).with_graceful_shutdown(…)`.
    ///
    /// Safe to drop and to call again.
    pub fn closing(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.draining.clone().cancelled_owned()
    }

    /// Returns the token that tells long work to end.
    pub fn draining(&self) -> Draining {
        Draining(Arc::clone(&self.requests().draining))
    }

    /// Returns the spawner of tasks that the drain waits for.
    pub fn tracker(&self) -> Tracker {
        Tracker {
            tasks: self.0.tasks.clone(),
            cut: self.0.cut.clone(),
        }
    }

    /// Counts a request as in flight until the returned value is dropped.
    pub fn enter(&self) -> InFlight {
        let requests = self.requests();
        let in_flight = InFlight(requests.tracker.token());
        // After the token, so that who is not counted here yet is still there to be seen.
        requests.entered.fetch_add(1, Ordering::SeqCst);
        in_flight
    }

    /// Returns how many requests are in flight.
    pub fn in_flight(&self) -> usize {
        self.0.requests.iter().map(|requests| requests.tracker.len()).sum()
    }

    /// Adds what is to be done at the very beginning, before anything waits; such as `health.drain()`.
    ///
    /// It is called by whoever drives the shutdown and must not block. A panic in it is caught and dropped.
    pub fn on_begin(&self, callback: impl FnOnce() + Send + 'static) {
        lock(&self.0.on_begin).push(Box::new(callback));
    }

    /// Adds what is to be done once nothing is in flight; the last one added runs first.
    ///
    /// All hooks together have the time of [`ShutdownConfig::hooks`]; each gets an even share of what is left of it.
    /// A hook that fails, panics or is late is logged, and makes the exit code 3.
    pub fn on_shutdown<F, Fut>(&self, name: impl Into<Arc<str>>, hook: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        lock(&self.0.hooks).push(Hook::new(name.into(), hook));
    }

    fn requests(&self) -> &Requests {
        &self.0.requests[stripe::index(self.0.requests.len())]
    }

    /// Counts a connection as open until the returned value is dropped.
    pub(crate) fn open_connection(&self) -> OpenConnection {
        OpenConnection(self.0.connections.token())
    }

    /// Returns the token that ends whatever is left at the drain's deadline.
    pub(crate) fn cut_token(&self) -> CancellationToken {
        self.0.cut.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.0.connections.len()
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn events(&self) -> &Events {
        &self.0.events
    }

    pub(super) async fn requested(&self) -> Cause {
        let mut request = self.0.request.subscribe();
        // The sender lives as long as `self`, so the wait cannot fail.
        let request = request.wait_for(Option::is_some).await;
        request.ok().and_then(|request| *request).unwrap_or(Cause::Requested)
    }

    pub(super) fn enter_phase(&self, phase: Phase, detail: &str) {
        let from = self.0.phase.send_replace(phase).label();
        self.0.events.emit(
            "shutdown",
            "",
            Change::State {
                from,
                to: phase.label(),
                detail,
            },
        );
    }

    pub(super) fn unready(&self) {
        let callbacks = mem::take(&mut *lock(&self.0.on_begin));
        for callback in callbacks {
            // The user's code: whatever it does, the shutdown goes on.
            let _ = catch_unwind(AssertUnwindSafe(callback));
        }
    }

    pub(super) fn stop_accepting(&self) {
        for tracker in self.trackers() {
            tracker.close();
        }
        self.0.draining.cancel();
    }

    /// Waits until nothing is left.
    pub(super) async fn idle(&self) {
        // Again as long as something has come while another was waited for, as on a connection kept alive.
        while !self.is_idle() {
            for tracker in self.trackers() {
                tracker.wait().await;
            }
        }
    }

    /// Returns whether there was a moment at which nothing was left.
    fn is_idle(&self) -> bool {
        let entered = || {
            let requests = self.0.requests.iter();
            requests.map(|requests| requests.entered.load(Ordering::SeqCst)).sum()
        };
        is_idle(entered, || self.trackers().all(TaskTracker::is_empty))
    }

    /// Drops what is still there; returns how many requests, connections and tasks that were.
    pub(super) fn cut(&self) -> [usize; 3] {
        let left = [self.in_flight(), self.connections(), self.0.tasks.len()];
        self.0.cut.cancel();
        left
    }

    /// Ends everything at once; for a server that is dropped.
    pub(crate) fn abandon(&self) {
        self.stop_accepting();
        self.cut();
    }

    pub(super) fn take_hooks(&self) -> Vec<Hook> {
        mem::take(&mut *lock(&self.0.hooks))
    }

    fn trackers(&self) -> impl Iterator<Item = &TaskTracker> {
        let requests = self.0.requests.iter().map(|requests| &requests.tracker);
        requests.chain([&self.0.connections, &self.0.tasks])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("phase", &self.phase())
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

impl Describe for Shutdown {
    fn describe(&self) -> Entry {
        let config = self.config();
        Entry::new("shutdown", "shutdown", self.phase().label())
            .setting("hold", format!("{:?}", config.hold))
            .setting("drain", format!("{:?}", config.drain))
            .setting("hooks", format!("{:?}", config.hooks))
            .setting("grace_period", format!("{:?}", config.grace_period))
    }
}

/// Builds a [`Shutdown`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ShutdownBuilder {
    config: ShutdownConfig,
    clock: Clock,
    events: Events,
}

impl ShutdownBuilder {
    /// How long to stay open after readiness has said no. Default 5 s.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.config.hold = hold;
        self
    }

    /// The longest wait for what is in flight. Default 20 s.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.config.drain = drain;
        self
    }

    /// The longest time for all hooks together. Default 3 s.
    pub fn hooks(mut self, hooks: Duration) -> Self {
        self.config.hooks = hooks;
        self
    }

    /// What the orchestrator grants before it kills. Default 30 s.
    pub fn grace_period(mut self, grace_period: Duration) -> Self {
        self.config.grace_period = grace_period;
        self
    }

    /// Replaces all four durations.
    pub fn config(mut self, config: ShutdownConfig) -> Self {
        self.config = config;
        self
    }

    /// Sends phases (kind `shutdown`, `shutdown_phase`) and hooks (kind `shutdown_hook`) to `sink`.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle; it does nothing until it is [driven](Shutdown::drive).
    ///
    /// # Errors
    ///
    /// When the phases together do not fit into the grace period; the arithmetic is shown.
    pub fn build(self) -> Result<Shutdown, InvalidSettings> {
        InvalidSettings::check(self.config.validate("shutdown"))?;
        let draining = CancellationToken::new();
        let requests = || {
            Padded(Requests {
                tracker: TaskTracker::new(),
                draining: Arc::new(draining.clone()),
                entered: AtomicU64::new(0),
            })
        };
        Ok(Shutdown(Arc::new(Shared {
            config: self.config,
            clock: self.clock,
            events: self.events,
            request: watch::Sender::new(None),
            phase: watch::Sender::new(Phase::Running),
            requests: iter::repeat_with(requests).take(stripe::count(MOST_STRIPES)).collect(),
            draining,
            cut: CancellationToken::new(),
            connections: TaskTracker::new(),
            tasks: TaskTracker::new(),
            hooks: Mutex::default(),
            on_begin: Mutex::default(),
        })))
    }
}
