use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::super::control::{Control, Waivers};
use super::guard::Guard;
use super::layer::DependencyLayer;
use super::outbound::Guards;
use crate::base::criticality::Criticality;
use crate::base::inventory::{Describe, Entry};
use crate::client::TransportConfig;
use crate::policy::breaker::{CircuitBreaker, State};
use crate::policy::bulkhead::Bulkhead;
use crate::policy::retry::Retry;
use crate::policy::timeout::Timeout;

/// A declared dependency: one set of live policies, however it is called.
///
/// A cheap handle; clones and everything made from them share the policies.
#[derive(Clone)]
pub struct Dependency(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) guards: Guards,
    pub(super) criticality: Criticality,
    pub(super) is_required: bool,
    pub(super) runbook: Option<PathBuf>,
    /// Whether its check asks it, and does not only look at its circuit.
    pub(super) is_asked: bool,
    pub(super) waivers: Waivers,
    /// The guards that are left out since it was declared.
    pub(super) waived: Vec<Control>,
    /// Where it is, and how it is connected to, once the settings have been read.
    pub(super) reach: OnceLock<(String, TransportConfig)>,
    /// Whether anything has been made of it that can call.
    pub(super) is_wired: AtomicBool,
}

impl Dependency {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Makes the layer for a client of one's own; as [`DependencyBuilder::layer`](super::DependencyBuilder::layer).
    pub fn layer(&self) -> DependencyLayer {
        DependencyLayer::new(self.clone())
    }

    /// Makes the guard for what is no service; as [`DependencyBuilder::guard`](super::DependencyBuilder::guard).
    pub fn guard(&self) -> Guard {
        Guard::new(self.clone())
    }

    /// Returns the circuit breaker, to look at it, and to trip and heal it in a test or an incident.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.0.guards.breaker
    }

    /// Returns the retry, whose total is the deadline of each call.
    pub fn retry(&self) -> &Retry {
        &self.0.guards.retry
    }

    /// Returns the timeout of each attempt.
    pub fn attempt_timeout(&self) -> &Timeout {
        &self.0.guards.attempt
    }

    /// Returns the bulkhead.
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.0.guards.bulkhead
    }

    /// Notes that something has been made that calls it.
    pub(super) fn wire(&self) {
        self.0.is_wired.store(true, Ordering::Relaxed);
    }

    /// Describes the deadline of each call, which the retry keeps even if it is left out itself.
    fn describe_deadline(&self) -> Entry {
        let total = self.retry().config().total;
        let entry = Entry::new("deadline", self.name(), if total.is_some() { "on" } else { "off" });
        entry.setting("total", total.map_or("none".into(), |total| format!("{total:?}")))
    }

    pub(super) fn is_wired(&self) -> bool {
        self.0.is_wired.load(Ordering::Relaxed)
    }

    /// Says why it is of no use now: nothing has been made of it that calls it, or the circuit tells so.
    ///
    /// A circuit whose open time is over does not: only a call makes it half-open, and none comes to a service that is
    /// unready because of it.
    pub(super) fn complaint(&self) -> Option<String> {
        if !self.is_wired() {
            return Some("nothing calls it".into());
        }
        let circuit = self.breaker().snapshot();
        let is_over = circuit.next_attempt.is_some_and(|left| left.is_zero());
        if is_over || !matches!(circuit.state, State::Open | State::ForcedOpen) {
            return None;
        }
        let runbook = self.0.runbook.as_ref();
        let runbook = runbook.map_or(String::new(), |path| format!("; its runbook is {}", path.display()));
        Some(format!("the circuit is open{runbook}"))
    }
}

impl Describe for Dependency {
    fn describe(&self) -> Entry {
        let Shared {
            name,
            criticality,
            is_required,
            runbook,
            is_asked,
            reach,
            ..
        } = &*self.0;
        let state = if self.is_wired() { "on" } else { "missing" };
        let mut entry = Entry::new("dependency", &**name, state)
            .setting("criticality", criticality)
            .setting("needed_for_readiness", is_required)
            .setting("check", if *is_asked { "asks" } else { "looks at its circuit" });
        if let Some((url, config)) = reach.get() {
            entry = entry
                .setting("url", url)
                .setting("http2_only", config.http2)
                .setting("connect_timeout", format!("{:?}", config.connect_timeout))
                .setting("idle_connections", config.max_idle)
                .setting("idle_timeout", format!("{:?}", config.idle_timeout));
        }
        match runbook {
            Some(path) => entry.setting("runbook", path.display()),
            None => entry,
        }
    }

    /// A guard is there if it is wired and not left out; a name alone has none.
    fn describe_all(&self) -> Vec<Entry> {
        let Shared {
            guards,
            waivers,
            waived,
            ..
        } = &*self.0;
        let mut entries = vec![self.describe()];
        if self.is_wired() {
            let is_on = |control| !waived.contains(&control);
            entries.extend(is_on(Control::Deadline).then(|| self.describe_deadline()));
            let retry = is_on(Control::Retry).then(|| guards.retry.describe_all());
            entries.extend(retry.into_iter().flatten());
            entries.extend(is_on(Control::Breaker).then(|| guards.breaker.describe()));
            entries.extend(is_on(Control::AttemptTimeout).then(|| guards.attempt.describe()));
            entries.extend(is_on(Control::Bulkhead).then(|| guards.bulkhead.describe()));
        }
        entries.extend(waivers.entries(&self.0.name).map(|waiver| waiver.describe()));
        entries
    }
}

impl fmt::Debug for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dependency")
            .field("name", &self.0.name)
            .finish_non_exhaustive()
    }
}
