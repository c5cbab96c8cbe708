use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::control::{Control, Waivers};
use super::dependency::{Declared, DependencyBuilder};
use super::endpoint::Endpoint;
use super::workers::{self, DeclaredWorker};
use crate::base::error::{BoxError, InvalidSetting};
use crate::health::{Check, Health, StartupTask};
use crate::review::{Criterion, Freshness, Measurements, Probe, SchemaGate};
use crate::telemetry::Telemetry;
use crate::worker::{Source, Worker};

/// A startup task with its work, which begins when the service is served.
pub(super) type Startup = (StartupTask, Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>);

/// How often a measurement for the review is taken, and how long one may take: it gives up sooner by itself.
const MEASURED_EVERY: Duration = Duration::from_secs(60);
const MEASURED_WITHIN: Duration = Duration::from_secs(10);

/// Builds an [`App`](super::App).
#[must_use]
pub struct AppBuilder {
    pub(super) name: Arc<str>,
    pub(super) owner: Option<String>,
    pub(super) settings_file: Option<PathBuf>,
    pub(super) defaults: Vec<(String, String)>,
    pub(super) endpoints: Vec<(Method, String, Endpoint)>,
    pub(super) dependencies: Vec<Declared>,
    pub(super) waivers: Waivers,
    pub(super) startup: Vec<Startup>,
    pub(super) workers: Vec<DeclaredWorker>,
    pub(super) manifest: Option<PathBuf>,
    pub(super) criteria: Vec<Box<dyn Criterion>>,
    pub(super) measurements: Measurements,
    pub(super) health: Health,
    pub(super) telemetry: Telemetry,
    pub(super) signals: bool,
    pub(super) wrong: Vec<InvalidSetting>,
}

impl AppBuilder {
    pub(super) fn new(name: Arc<str>) -> Self {
        let telemetry = Telemetry::new(Arc::clone(&name));
        Self {
            name,
            owner: None,
            settings_file: None,
            defaults: Vec::new(),
            endpoints: Vec::new(),
            dependencies: Vec::new(),
            waivers: Waivers::default(),
            startup: Vec::new(),
            workers: Vec::new(),
            manifest: None,
            criteria: Vec::new(),
            measurements: Measurements::default(),
            health: Health::builder().events(telemetry.clone()).build(),
            telemetry,
            signals: true,
            wrong: Vec::new(),
        }
    }

    /// Says who is called when the service is in trouble.
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Reads settings from a TOML file, which must exist; environment variables win over it.
    pub fn settings_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings_file = Some(path.into());
        self
    }

    /// Works off the jobs of a source from when the service has started until it drains.
    ///
    /// The worker is in the inventory, and its loop is a heartbeat of `/livez`. With dead letters
    /// [that can be counted](crate::worker::DeadLetters::count) there is a check `dead-letters-<name>` in `/healthz`,
    /// which warns while there are any.
    pub fn worker<S, F, Fut, E>(mut self, worker: Worker, source: S, handler: F) -> Self
    where
        S: Source,
        F: Fn(Arc<S::Job>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        if worker.dead_letters().is_some() {
            self = self.check(workers::dead_letters(&worker));
        }
        self.workers.push(DeclaredWorker::new(worker, source, handler));
        self
    }

    /// Reads the manifest, in which somebody attests what no code can prove; see [the checklist](crate::docs::checklist).
    /// The setting `review.manifest` wins over it.
    pub fn manifest_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.manifest = Some(path.into());
        self
    }

    /// Adds an item to the checklist.
    pub fn criterion(mut self, criterion: impl Criterion) -> Self {
        self.criteria.push(Box::new(criterion));
        self
    }

    /// Measures how old something is, for the review: a backup, a restore drill, a retention job.
    pub fn freshness(self, freshness: Freshness) -> Self {
        self.measurement(freshness.probe())
    }

    /// Lets the service start only with the schema that its code needs; a startup task of the schema's name waits for it.
    pub fn schema(mut self, schema: SchemaGate) -> Self {
        let name = schema.name().to_owned();
        let (probe, gate) = schema.split();
        self = self.startup_task(&name, gate.pass());
        self.measurement(probe)
    }

    /// Measures in the background; what it says never makes the service unready.
    fn measurement(mut self, probe: Probe) -> Self {
        self.measurements.add(probe.clone());
        let check = Check::new(probe.name().to_owned(), move || {
            let probe = probe.clone();
            async move { probe.ask().await }
        });
        let check = check.optional().interval(MEASURED_EVERY).timeout(MEASURED_WITHIN);
        self.check(check)
    }

    /// Sets a default for a setting, such as `("server.listen", "127.0.0.1:0")`; file and environment win over it.
    pub fn setting(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.defaults.push((key.into(), value.into()));
        self
    }

    /// Declares an endpoint by its method and its path's template, such as `/orders/{id}`.
    ///
    /// Requests to undeclared paths are served too, with the defaults and under one label.
    pub fn endpoint(mut self, method: Method, template: impl Into<String>, endpoint: Endpoint) -> Self {
        self.endpoints.push((method, template.into(), endpoint));
        self
    }

    /// Leaves a guard of the whole service out for good, for a reason that stands in every report.
    ///
    /// There are [`RateLimit`](Control::RateLimit), [`ClientRateLimit`](Control::ClientRateLimit) (both of endpoints that
    /// do not say their own), [`LoadShed`](Control::LoadShed), [`AdaptiveLimit`](Control::AdaptiveLimit) and
    /// [`Bulkhead`](Control::Bulkhead).
    pub fn without(mut self, control: Control, reason: impl Into<String>) -> Self {
        self.waivers.add(control, reason, None);
        self
    }

    /// Leaves a guard out until the beginning of a day, such as `2027-01-31` (UTC).
    ///
    /// Whoever starts later has the guard again. What has been started before goes on without it, and the waiver shows
    /// as ended.
    pub fn without_until(mut self, control: Control, reason: impl Into<String>, day: impl Into<String>) -> Self {
        self.waivers.add(control, reason, Some(day.into()));
        self
    }

    /// Declares a dependency: what is called through it is guarded, checked, and in the inventory.
    ///
    /// # Examples
    ///
    /// ```
    /// use seaworthy::{App, Control};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut app = App::builder("orders");
    /// let payments = app.dependency("payments").http("http://127.0.0.1:8081");
    /// let ledger = app
    ///     .dependency("ledger")
    ///     .without(Control::Retry, "appends are not idempotent")
    ///     .guard();
    /// let app = app.build().unwrap();
    /// assert_eq!(payments.dependency().name(), "payments");
    /// assert_eq!(ledger.call(|| async { Ok::<_, std::io::Error>(1) }).await.unwrap(), 1);
    /// # }
    /// ```
    pub fn dependency(&mut self, name: impl Into<Arc<str>>) -> DependencyBuilder<'_> {
        DependencyBuilder::new(self, name.into())
    }

    /// Adds a check of a dependency that is not [declared](Self::dependency); it runs in the background on its own schedule.
    pub fn check(mut self, check: Check) -> Self {
        let added = self.health.check(check);
        self.note(added);
        self
    }

    /// Adds work that must succeed before the service is started, such as a migration; it begins when it is served.
    ///
    /// For progress, take a task from [`health`](Self::health) and report to it.
    pub fn startup_task<F, E>(mut self, name: &str, work: F) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let task = self.health.startup_task(name);
        if let Some(task) = self.note(task) {
            self.startup
                .push((task, Box::pin(async { work.await.map_err(Into::into) })));
        }
        self
    }

    /// Whether `SIGTERM` and `SIGINT` begin the shutdown. Default: yes.
    pub fn signals(mut self, signals: bool) -> Self {
        self.signals = signals;
        self
    }

    /// Returns the health, for what the other methods do not cover.
    pub fn health(&self) -> &Health {
        &self.health
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
