use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio::task::spawn_blocking;

use super::builder::{AppBuilder, Startup};
use super::error::AppError;
use super::inbound::Inbound;
#[cfg(not(feature = "otlp"))]
use super::no_otlp::Collector;
#[cfg(feature = "otlp")]
use super::otlp::Collector;
use super::pulse::Pulse;
use super::settings::Settings;
use super::sizing::SizingEntry;
use super::table::EndpointTable;
use super::workers::ReadyWorker;
use super::{run, serve};
use crate::base::clock::{Clock, timeout};
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::events::EventSink;
use crate::base::finding::Finding;
use crate::base::inventory::Inventory;
use crate::health::{Health, Heartbeat, Watchdog};
use crate::review::{Review, Reviewer};
use crate::server::{Counters, listen};
use crate::shutdown::{Drained, Shutdown, Tracker};
use crate::telemetry::{Telemetry, TimelineFile, install_logs, names};
use crate::web::HttpService;

/// How long the review before a start may take.
const REVIEW: Duration = Duration::from_secs(10);

/// A whole service, ready to be served.
///
/// It has spawned, bound and installed nothing yet. Several live side by side in one process.
pub struct App {
    pub(super) name: Arc<str>,
    pub(super) settings: Settings,
    pub(super) health: Health,
    pub(super) shutdown: Shutdown,
    pub(super) endpoints: EndpointTable,
    pub(super) inbound: Inbound,
    pub(super) urls: BTreeMap<String, Uri>,
    pub(super) reviewer: Reviewer,
    pub(super) inventory: Inventory,
    pub(super) telemetry: Telemetry,
    pub(super) collector: Collector,
    pub(super) connections: Arc<Counters>,
    pub(super) sizing: SizingEntry,
    /// Taken by whoever serves.
    pub(super) pulse: Option<(Pulse, Heartbeat)>,
    pub(super) startup: Vec<Startup>,
    pub(super) workers: Vec<ReadyWorker>,
    pub(super) signals: bool,
}

impl App {
    /// Starts a service called `name`.
    pub fn builder(name: impl Into<Arc<str>>) -> AppBuilder {
        AppBuilder::new(name.into())
    }

    /// Returns the health, for further checks and startup tasks.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Returns the watchdog, for whatever must never be silent for long.
    pub fn watchdog(&self) -> &Watchdog {
        self.health.watchdog()
    }

    /// Returns the shutdown, to ask for it, to add hooks, and for its `Draining` token.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Returns the spawner of background tasks that the drain waits for.
    pub fn tracker(&self) -> Tracker {
        self.shutdown.tracker()
    }

    /// Returns the list of what is wired, for policies of your own.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Makes a sink that logs what the policies of this service report; give it to each one's `events`.
    pub fn events(&self) -> impl EventSink + use<> {
        self.telemetry.clone()
    }

    /// Returns where a dependency is that is called over HTTP, by the setting `dependencies.<name>.url` or the program.
    pub fn dependency_url(&self, name: &str) -> Option<&Uri> {
        self.urls.get(name)
    }

    /// Lists what works and should be looked at before it does not, each with its arithmetic; the defaults have none.
    ///
    /// They are logged as warnings when the service is bound.
    pub fn findings(&self) -> &[Finding] {
        self.reviewer.findings()
    }

    /// Reviews the service as it is now, against the [checklist](crate::docs::checklist).
    ///
    /// Reads the files that the manifest names, so it may block for a moment. What is measured is as it was when it was
    /// [measured](Self::measure) last.
    pub fn review(&self) -> Review {
        self.reviewer.review(Clock::default().unix_time())
    }

    /// Reviews the service as it is now for another time since 1970, for tests of what expires.
    pub fn review_at(&self, time: Duration) -> Review {
        self.reviewer.review(time)
    }

    /// Takes every measurement of the review once, at the same time, each within 5 s; a served app does so by itself.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up those that are not over.
    pub fn measure(&self) -> impl Future<Output = ()> + Send + use<> {
        let reviewer = self.reviewer.clone();
        async move { reviewer.measurements().take().await }
    }

    /// Binds both addresses, without serving yet; tells which ports a 0 became.
    ///
    /// If no tracing subscriber is set yet, one is, and so is a recorder of the `metrics` facade; what is there already
    /// stays and is used. With the setting `traces.endpoint` that subscriber exports spans; see
    /// [traces](crate::docs::traces).
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on, the file of the flight recorder cannot be opened, or the system refuses the
    /// thread that exports spans.
    pub fn bind(self) -> Result<Bound, AppError> {
        self.install()?;
        self.telemetry.metrics.install();
        for finding in self.findings() {
            tracing::warn!(target: names::LOG, subject = finding.subject, found = finding.found, "{}", finding.advice);
        }
        let file = self.settings.recorder_file.as_deref().map(open_timeline).transpose()?;
        let listener = listen("server.listen", self.settings.listen)?;
        let admin = listen("admin.listen", self.settings.admin_listen)?;
        Ok(Bound {
            local_addr: listener.local_addr()?,
            admin_addr: admin.local_addr()?,
            listener,
            admin,
            file,
            app: self,
        })
    }

    fn install(&self) -> Result<(), AppError> {
        let (filter, format) = (&self.settings.log_filter, self.settings.log_format);
        let layer = self.collector.layer()?;
        let is_ours = layer.is_some();
        let is_installed = install_logs(filter, format, run::owns_process(), layer);
        if is_ours && !is_installed {
            self.collector.withdraw();
        }
        Ok(())
    }

    /// Measures, and refuses to go on below the level that the setting `review.require` says.
    pub(super) fn require(&self) -> impl Future<Output = Result<(), AppError>> + Send + use<> {
        let (level, reviewer) = (self.settings.review.require, self.reviewer.clone());
        async move {
            let Some(level) = level else {
                return Ok(());
            };
            reviewer.measurements().take().await;
            // It reads files, and a disk may hang.
            let review = spawn_blocking(move || reviewer.review(Clock::default().unix_time()));
            let review = timeout(REVIEW, review)
                .await
                .map_err(|_| io::Error::other("the review did not end"))?;
            let review = review.map_err(io::Error::other)?;
            review.require(level).map_err(AppError::NotReady)
        }
    }

    /// [Binds](App::bind) and [serves](Bound::serve).
    ///
    /// # Errors
    ///
    /// As those two.
    pub async fn serve(self, service: impl HttpService) -> Result<Drained, AppError> {
        self.bind()?.serve(service).await
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the settings: an address of a dependency may hold a password.
        f.debug_struct("App").field("name", &self.name).finish_non_exhaustive()
    }
}

fn open_timeline(path: &Path) -> Result<TimelineFile, InvalidSettings> {
    TimelineFile::open(path).map_err(|error| {
        let found = format!("the path of a file that cannot be opened ({error})");
        let allowed = "the path of an ordinary file in a folder that is there, which this service may write, and no other one writes";
        InvalidSettings::of(vec![InvalidSetting::new("recorder.file", found, allowed)])
    })
}

/// A service whose addresses are bound.
#[derive(Debug)]
pub struct Bound {
    pub(super) app: App,
    pub(super) listener: TcpListener,
    pub(super) admin: TcpListener,
    /// Where the flight recorder writes, too.
    pub(super) file: Option<TimelineFile>,
    local_addr: SocketAddr,
    admin_addr: SocketAddr,
}

impl Bound {
    /// Returns the service's address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Returns the admin plane's address.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// Returns the service.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Serves until a shutdown is over, and tells how that went.
    ///
    /// A shutdown begins with `SIGTERM`, with `SIGINT`, or with [`Shutdown::begin`].
    ///
    /// # Errors
    ///
    /// When the system refuses a thread or a runtime, and when the review is below the level of the setting
    /// `review.require`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the listeners, cuts every connection and ends the admin plane; hooks do not run.
    pub async fn serve(self, service: impl HttpService) -> Result<Drained, AppError> {
        serve::serve(self, service).await
    }
}
