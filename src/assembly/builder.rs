use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::app::App;
use super::control::{Control, Waivers};
use super::dependency::{Declared, DependencyBuilder, Finish};
use super::descriptors::OpenFiles;
use super::endpoint::Endpoint;
use super::error::AppError;
use super::inbound::{self, Inbound};
use super::lint;
#[cfg(not(feature = "otlp"))]
use super::no_otlp::Collector;
#[cfg(feature = "otlp")]
use super::otlp::Collector;
use super::pulse::{self, Pulse};
use super::quotas::House;
use super::settings::Settings;
use super::sizing::{Sizing, SizingEntry};
use super::table::EndpointTable;
use super::workers::{self, DeclaredWorker};
use crate::base::error::{BoxError, InvalidSetting, InvalidSettings};
use crate::base::inventory::{Describe, Entry, Inventory};
use crate::health::{Check, Health, StartupTask};
use crate::review::{
    Criteria, Criterion, Freshness, Manifest, Measurements, Parts, Probe, Reviewer, SchemaGate, check_measurements,
};
use crate::server::{Counters, ServerEntry};
use crate::shutdown::Shutdown;
use crate::telemetry::{LogEntry, LogFormat, Telemetry};
use crate::worker::{Source, Worker};

/// A startup task with its work, which begins when the service is served.
pub(super) type Startup = (StartupTask, Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>);

/// How often a measurement for the review is taken, and how long one may take: it gives up sooner by itself.
const MEASURED_EVERY: Duration = Duration::from_secs(60);
const MEASURED_WITHIN: Duration = Duration::from_secs(10);

/// Builds an [`App`].
#[must_use]
pub struct AppBuilder {
    name: Arc<str>,
    owner: Option<String>,
    settings_file: Option<PathBuf>,
    defaults: Vec<(String, String)>,
    endpoints: Vec<(Method, String, Endpoint)>,
    pub(super) dependencies: Vec<Declared>,
    waivers: Waivers,
    startup: Vec<Startup>,
    workers: Vec<DeclaredWorker>,
    manifest: Option<PathBuf>,
    criteria: Vec<Box<dyn Criterion>>,
    measurements: Measurements,
    health: Health,
    pub(super) telemetry: Telemetry,
    signals: bool,
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
    /// The worker is in the inventory, its loop is a heartbeat of `/livez`, and with dead letters
    /// there is a check `dead-letters-<name>` in `/healthz`, which warns while there are any.
    pub fn worker<S, F, Fut, E>(mut self, worker: Worker, source: S, handler: F) -> Self
    where
        S: Source,
        F: Fn(Arc<S::Job>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        if worker.keeps_dead_letters() {
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

    /// Checks everything and puts it together; spawns, binds and installs nothing.
    ///
    /// # Errors
    ///
    /// All mistakes at once: settings from file and environment, endpoints, checks, durations that do not fit, and
    /// numbers that cannot work together. What works badly is one of [`App::findings`].
    pub fn build(mut self) -> Result<App, AppError> {
        let env = std::env::vars_os().collect();
        let sizing = Sizing::detect();
        let (settings, wrong) = Settings::read(&self.defaults, self.settings_file.as_deref(), env, &sizing);
        self.wrong.extend(wrong);
        let review = self.review(&settings);
        let inventory = Inventory::default();
        let owner = self.owner.take();
        inventory.wire(About {
            name: self.name.to_string(),
            owner: owner.clone().unwrap_or_default(),
        });
        self.waivers.check("app", &inbound::CONTROLS, &mut self.wrong);
        let waived = self.waivers.now();
        let numbers = self.inbound_numbers(&settings, &waived);
        let mut house = House::new(&settings, &waived, &self.telemetry, &inventory);
        let endpoints = EndpointTable::new(std::mem::take(&mut self.endpoints), &mut house);
        let endpoints = endpoints.map_err(|wrong| self.wrong.extend(wrong)).unwrap_or_default();
        let inbound = Inbound::new(&settings, &self.waivers, &self.telemetry, &inventory, &mut self.wrong);
        let shutdown = Shutdown::builder()
            .config(settings.shutdown.clone())
            .events(self.telemetry.clone())
            .build();
        let shutdown = self.note(shutdown);
        let collector = Collector::new(&self.name, &settings, &self.telemetry, &mut self.wrong);
        let heartbeat = self.health.watchdog().register(pulse::NAME, pulse::MAX_SILENCE);
        let heartbeat = self.note(heartbeat);
        let mut finish = Finish {
            settings: &settings.dependencies,
            inventory: &inventory,
            health: &self.health,
            wrong: std::mem::take(&mut self.wrong),
            findings: numbers.findings(),
            patience: numbers.patience(),
            urls: BTreeMap::new(),
        };
        finish.all(std::mem::take(&mut self.dependencies));
        let Finish {
            wrong,
            mut findings,
            urls,
            ..
        } = finish;
        self.wrong = wrong;
        let mut workers = Vec::new();
        for declared in std::mem::take(&mut self.workers) {
            findings.extend(declared.finding(settings.shutdown.drain));
            let ready = declared.wire(&self.health, &inventory);
            workers.extend(self.note(ready));
        }
        let built = shutdown.zip(inbound).zip(heartbeat).filter(|_| self.wrong.is_empty());
        let Some(((shutdown, inbound), heartbeat)) = built else {
            return Err(InvalidSettings::of(self.wrong).into());
        };

        inventory.wire(shutdown.clone());
        let telemetry = self.telemetry.access_ratio(settings.access_ratio);
        inventory.wire(LogEntry(Arc::clone(&telemetry.access)));
        collector.add_to(&inventory);
        inventory.wire(telemetry.recorder.clone());
        let pulse = Pulse::new(telemetry.clone());
        inventory.wire(pulse.clone());
        let sizing = SizingEntry::new(sizing, settings.places);
        inventory.wire(sizing.clone());
        OpenFiles::detect().into_iter().for_each(|files| inventory.wire(files));
        let connections = Arc::<Counters>::default();
        inventory.wire(ServerEntry {
            name: "server",
            config: settings.server.clone(),
            counters: Arc::clone(&connections),
            shutdown: shutdown.clone(),
        });
        inventory.wire(self.health.listing());
        let (criteria, manifest) = review;
        let reviewer = Reviewer::new(Parts {
            service: self.name.to_string(),
            owner: owner.unwrap_or_default(),
            target: settings.review.target,
            is_log_pretty: settings.log_format == LogFormat::Pretty,
            inventory: inventory.clone(),
            health: self.health.clone(),
            findings,
            manifest,
            criteria,
            measurements: self.measurements,
            recorder_file: settings.recorder_file.clone(),
        });
        Ok(App {
            name: self.name,
            settings,
            health: self.health,
            shutdown,
            endpoints,
            inbound,
            urls,
            reviewer,
            inventory,
            telemetry,
            collector,
            connections,
            sizing,
            pulse: Some((pulse, heartbeat)),
            startup: self.startup,
            workers,
            signals: self.signals,
        })
    }

    /// Puts the checklist together, and reads the manifest.
    fn review(&mut self, settings: &Settings) -> (Criteria, Manifest) {
        let criteria = Criteria::new(std::mem::take(&mut self.criteria), &mut self.wrong);
        let items = criteria.items();
        check_measurements(&self.measurements, &items, &mut self.wrong);
        let path = settings.review.manifest.as_ref().or(self.manifest.as_ref());
        let names: Vec<_> = self
            .dependencies
            .iter()
            .map(|declared| Arc::clone(&declared.name))
            .collect();
        let manifest = path.map(|path| Manifest::read(path, &items, &mut self.wrong));
        if let Some(manifest) = &manifest {
            manifest.check_dependencies(&names, &mut self.wrong);
        }
        (criteria, manifest.unwrap_or_default())
    }

    fn inbound_numbers(&self, settings: &Settings, waived: &[Control]) -> lint::Inbound {
        let places = (!waived.contains(&Control::Bulkhead)).then_some(settings.places);
        let endpoints = self.endpoints.iter();
        lint::Inbound {
            deadline: settings.deadline,
            drain: settings.shutdown.drain,
            connections: settings.server.max_connections,
            places: places.map(|places| places.critical.max(places.other)),
            endpoints: endpoints
                .map(|(method, template, endpoint)| endpoint.promise(method, template, places))
                .collect(),
        }
    }

    /// Returns what was built; if nothing was, notes why, and takes the default, so that everything wrong is found.
    pub(super) fn sound<T>(
        &mut self,
        built: Result<T, InvalidSettings>,
        default: impl FnOnce() -> Result<T, InvalidSettings>,
    ) -> T {
        let built = self.note(built);
        built.unwrap_or_else(|| default().expect("the defaults are in their ranges"))
    }

    fn note<T>(&mut self, result: Result<T, InvalidSettings>) -> Option<T> {
        result
            .map_err(|wrong| self.wrong.extend_from_slice(wrong.as_slice()))
            .ok()
    }
}

impl fmt::Debug for AppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What the inventory says of the service itself.
struct About {
    name: String,
    owner: String,
}

impl Describe for About {
    fn describe(&self) -> Entry {
        Entry::new("service", self.name.clone(), "on").setting("owner", &self.owner)
    }
}
