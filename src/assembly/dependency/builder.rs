use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::super::builder::AppBuilder;
use super::super::control::{Control, Waivers};
use super::guard::Guard;
use super::handle::{Dependency, Shared};
use super::http::HttpClient;
use super::layer::DependencyLayer;
use super::policies::Policies;
use crate::base::criticality::Criticality;
use crate::base::error::BoxError;
use crate::client::Transport;
use crate::policy::breaker::CircuitBreakerBuilder;
use crate::policy::bulkhead::BulkheadBuilder;
use crate::policy::retry::RetryBuilder;

/// Asks a dependency whether it works.
pub(super) type Ask = Box<dyn FnMut() -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Send>;

/// A name that was declared, and what has been made of it.
pub(crate) struct Declared {
    pub(in super::super) name: Arc<str>,
    /// `None` if nobody asked for a client, a layer or a guard.
    pub(super) dependency: Option<Dependency>,
    /// Whether all its numbers are in their ranges.
    pub(super) is_sound: bool,
    /// `None` if it is not called over HTTP.
    pub(super) reach: Option<Reach>,
    pub(super) health_path: Option<String>,
    pub(super) http2: bool,
    pub(super) ask: Option<Ask>,
}

/// How a dependency is reached over HTTP.
pub(super) struct Reach {
    pub(super) transport: Transport,
    /// What the program says, unless the settings do.
    pub(super) url: String,
}

/// Declares a dependency; made by [`AppBuilder::dependency`].
///
/// It becomes one by [`http`](Self::http), [`layer`](Self::layer) or [`guard`](Self::guard): a name alone guards nothing,
/// and is in the inventory as missing. All of its guards are on; the settings `dependencies.<name>.…` win over what is
/// said here. Whatever is wrong is an error of [`AppBuilder::build`].
#[must_use = "a dependency is called through what `http`, `layer` or `guard` return"]
pub struct DependencyBuilder<'a> {
    app: &'a mut AppBuilder,
    index: usize,
    criticality: Criticality,
    is_required: bool,
    runbook: Option<PathBuf>,
    waivers: Waivers,
    policies: Policies,
    ask: Option<Ask>,
    health_path: Option<String>,
    http2: bool,
}

impl<'a> DependencyBuilder<'a> {
    pub(crate) fn new(app: &'a mut AppBuilder, name: Arc<str>) -> Self {
        let index = app.dependencies.len();
        app.dependencies.push(Declared {
            name: Arc::clone(&name),
            dependency: None,
            is_sound: true,
            reach: None,
            health_path: None,
            http2: false,
            ask: None,
        });
        Self {
            app,
            index,
            criticality: Criticality::default(),
            is_required: false,
            runbook: None,
            waivers: Waivers::default(),
            policies: Policies::new(&name),
            ask: None,
            health_path: None,
            http2: false,
        }
    }

    /// How much the service depends on it; for those who read the inventory, and not the class that it is told. Default
    /// `Critical`.
    pub fn criticality(mut self, class: Criticality) -> Self {
        self.criticality = class;
        self
    }

    /// The service is unready while this does not work. Default: it shows in `/healthz` alone, because a service that
    /// leaves the traffic whenever a dependency is down makes of one outage two.
    pub fn needed_for_readiness(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// Names the file that says what to do when it fails; it must be there, and not be empty.
    pub fn runbook(mut self, path: impl Into<PathBuf>) -> Self {
        self.runbook = Some(path.into());
        self
    }

    /// The longest time for a call, all attempts and waits included, from 1 ms to 24 h. Default 5 s; the caller's own
    /// deadline counts if it comes first. Longer than an [attempt](Self::attempt_timeout) may take.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.policies.deadline = deadline;
        self
    }

    /// The longest time for one attempt, over HTTP with its body, from 1 ms to the [`deadline`](Self::deadline). Default
    /// 1.5 s.
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.policies.attempt = limit;
        self
    }

    /// Changes the retry; its events go where all of the service's go, and its total is the [`deadline`](Self::deadline).
    pub fn retry(mut self, change: impl FnOnce(RetryBuilder) -> RetryBuilder) -> Self {
        self.policies.retry = change(self.policies.retry);
        self
    }

    /// Changes the circuit breaker.
    pub fn breaker(mut self, change: impl FnOnce(CircuitBreakerBuilder) -> CircuitBreakerBuilder) -> Self {
        self.policies.breaker = change(self.policies.breaker);
        self
    }

    /// Changes the bulkhead.
    pub fn bulkhead(mut self, change: impl FnOnce(BulkheadBuilder) -> BulkheadBuilder) -> Self {
        self.policies.bulkhead = change(self.policies.bulkhead);
        self
    }

    /// Leaves a guard out for good, for a reason that stands in every report.
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

    /// Asks it in this way whether it works, every 10 s; an open circuit means that it does not, whatever it answers.
    pub fn check<F, Fut, E>(mut self, mut ask: F) -> Self
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        self.ask = Some(Box::new(move || {
            let asked = ask();
            Box::pin(async { asked.await.map_err(Into::into) })
        }));
        self
    }

    /// Asks it for this path whether it works, instead of a [`check`](Self::check): a status of 2xx means that it does.
    /// For [`http`](Self::http) alone.
    pub fn health_path(mut self, path: impl Into<String>) -> Self {
        self.health_path = Some(path.into());
        self
    }

    /// Speaks HTTP/2 from the first byte, as gRPC does without TLS. With TLS the two sides agree on it by themselves. For
    /// [`http`](Self::http) alone.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Makes a client of HTTP, on pooled connections; requests begin with `base_url`, unless the setting
    /// `dependencies.<name>.url` says otherwise.
    #[must_use]
    pub fn http(self, base_url: impl Into<String>) -> HttpClient {
        let transport = Transport::default();
        let reach = Reach {
            transport: transport.clone(),
            url: base_url.into(),
        };
        HttpClient::new(self.declare(Some(reach)), transport)
    }

    /// Makes the layer for a client of one's own.
    #[must_use]
    pub fn layer(self) -> DependencyLayer {
        self.declare(None).layer()
    }

    /// Makes the guard for what is no service.
    #[must_use]
    pub fn guard(self) -> Guard {
        self.declare(None).guard()
    }

    fn declare(self, reach: Option<Reach>) -> Dependency {
        let name = Arc::clone(&self.app.dependencies[self.index].name);
        let waived = self.waivers.now();
        let app = self.app;
        let mistakes = app.wrong.len();
        let guards = self.policies.guards(&name, &waived, app);
        let dependency = Dependency(Arc::new(Shared {
            name,
            guards,
            criticality: self.criticality,
            is_required: self.is_required,
            runbook: self.runbook,
            is_asked: self.ask.is_some() || self.health_path.is_some(),
            waivers: self.waivers,
            waived,
            reach: Default::default(),
            is_wired: Default::default(),
        }));
        let declared = &mut app.dependencies[self.index];
        declared.dependency = Some(dependency.clone());
        declared.is_sound = app.wrong.len() == mistakes;
        declared.reach = reach;
        declared.health_path = self.health_path;
        declared.http2 = self.http2;
        declared.ask = self.ask;
        dependency
    }
}
