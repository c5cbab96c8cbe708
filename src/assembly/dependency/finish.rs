//! Puts the declared dependencies under the settings, and enters them where they are looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Uri};
use tower_service::Service;

use super::super::control::Control;
use super::super::finding::Finding;
use super::super::lint::Calls;
use super::super::settings::DependencySettings;
use super::builder::{Ask, Declared, Reach};
use super::handle::{Dependency, Shared};
use crate::base::error::{BoxError, InvalidSetting, InvalidSettings};
use crate::base::inventory::{Describe, Entry, Inventory};
use crate::client::{ALLOWED, Transport, TransportConfig};
use crate::health::{Check, Health};
use crate::web::Body;

/// Where the dependencies are entered, and what is wrong with them.
pub(crate) struct Finish<'a> {
    pub(crate) settings: &'a BTreeMap<String, DependencySettings>,
    pub(crate) inventory: &'a Inventory,
    pub(crate) health: &'a Health,
    pub(crate) wrong: Vec<InvalidSetting>,
    pub(crate) findings: Vec<Finding>,
    /// The longest time that a caller of the service waits; `None` if that has no bound.
    pub(crate) patience: Option<Duration>,
    /// Where each is that is called over HTTP.
    pub(crate) urls: BTreeMap<String, Uri>,
}

const GUARDS: [Control; 5] = [
    Control::Deadline,
    Control::Retry,
    Control::Breaker,
    Control::AttemptTimeout,
    Control::Bulkhead,
];

impl Finish<'_> {
    /// Finishes all; each mistake is noted, and hinders none of the others.
    pub(crate) fn all(&mut self, declared: Vec<Declared>) {
        let mut names = BTreeSet::new();
        for declared in declared {
            if !names.insert(Arc::clone(&declared.name)) {
                let key = format!("dependency {}", declared.name);
                self.refuse(
                    key,
                    "declared twice",
                    "declared once; clones of its client share its guards",
                );
                continue;
            }
            self.one(declared);
        }
        for name in self.settings.keys().filter(|name| !names.contains(name.as_str())) {
            let found = "there are settings for it, and the program does not declare it";
            let advice = "declare it by `AppBuilder::dependency`, or take the settings out";
            self.findings
                .push(Finding::new(format!("dependency {name}"), found, advice));
        }
    }

    fn one(&mut self, declared: Declared) {
        let Declared {
            name,
            dependency,
            is_sound,
            transport,
            ask,
        } = declared;
        let Some(dependency) = dependency else {
            let found = "it was declared, and nothing was made of it that guards calls";
            let advice = "call it through what `http`, `layer` or `guard` return";
            self.findings
                .push(Finding::new(format!("dependency {name}"), found, advice));
            self.inventory.add(Missing(name));
            return;
        };
        self.check(&dependency);
        let settings = self.settings.get(&*name).cloned().unwrap_or_default();
        let applied = apply(&dependency, &settings);
        // Numbers that were refused have left others in their place, which nobody has said.
        if is_sound && applied.is_ok() {
            let numbers = numbers(&dependency, self.patience);
            self.wrong.extend(numbers.errors());
            self.findings.extend(numbers.findings());
        }
        self.note(applied);
        let mut ask = ask;
        if let Some(reach) = transport {
            self.connect(&dependency, &settings, &reach);
            if let Some(path) = reach.health_path {
                ask = Some(asking(reach.transport, path));
            }
        }
        let entered = self.health.check(check(&dependency, ask));
        self.note(entered);
        self.inventory.add(dependency);
    }

    /// Looks for what is wrong with a declaration.
    fn check(&mut self, dependency: &Dependency) {
        let Shared {
            name, waivers, runbook, ..
        } = &*dependency.0;
        waivers.check(&format!("dependency {name}"), &GUARDS, &mut self.wrong);
        for ended in waivers.entries(name).filter_map(|waiver| waiver.ended()) {
            let advice = "it is there again; take the waiver out, or give it a new day";
            self.findings
                .push(Finding::new(format!("dependency {name}"), ended, advice));
        }
        let Some(path) = runbook else { return };
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.trim().is_empty() {
            let state = if path.exists() { "empty or no text" } else { "not there" };
            let found = format!("the file {}, which is {state}", path.display());
            let allowed = "a file that says what to do when the dependency fails";
            self.refuse(format!("dependency {name}.runbook"), found, allowed);
        }
    }

    fn connect(&mut self, dependency: &Dependency, settings: &DependencySettings, reach: &Reach) {
        let name = dependency.name();
        let key = format!("dependencies.{name}.url");
        let Some(base) = settings.url.clone().or_else(|| reach.url.parse().ok()) else {
            let found = format!("a text of {} characters", reach.url.chars().count());
            return self.refuse(key, found, ALLOWED);
        };
        let config = TransportConfig {
            // As many as there can be under way: otherwise some would be opened anew for each call.
            max_idle: dependency.bulkhead().config().concurrent as usize,
            http2: reach.http2,
            ca_certificate: settings.ca_certificate.clone(),
            ..TransportConfig::default()
        };
        let _ = dependency.0.url.set(base.to_string());
        if let Ok(url) = base.to_string().parse() {
            self.urls.insert(name.to_owned(), url);
        }
        if let Err(wrong) = reach.transport.connect(&key, base, &config) {
            self.wrong.push(wrong);
        }
    }

    fn refuse(&mut self, key: String, found: impl Into<String>, allowed: &str) {
        self.wrong.push(InvalidSetting::new(key, found, allowed));
    }

    fn note(&mut self, result: Result<(), InvalidSettings>) {
        if let Err(wrong) = result {
            self.wrong.extend_from_slice(wrong.as_slice());
        }
    }
}

/// Puts the guards that are on under the settings.
fn apply(dependency: &Dependency, settings: &DependencySettings) -> Result<(), InvalidSettings> {
    let is_on = |control| !dependency.0.waived.contains(&control);
    dependency.retry().reconfigure(|config| {
        if let Some(deadline) = settings.deadline.filter(|_| is_on(Control::Deadline)) {
            config.total = Some(deadline);
        }
        if let Some(attempts) = settings.attempts.filter(|_| is_on(Control::Retry)) {
            config.attempts = attempts;
        }
    })?;
    let total = dependency.retry().config().total;
    dependency.attempt_timeout().reconfigure(|config| {
        let limit = if is_on(Control::AttemptTimeout) {
            settings.attempt_timeout
        } else {
            total
        };
        if let Some(limit) = limit {
            (config.limit, config.body_total) = (limit, Some(limit));
        }
    })?;
    dependency.bulkhead().reconfigure(|config| {
        if let Some(concurrent) = settings.concurrent.filter(|_| is_on(Control::Bulkhead)) {
            config.concurrent = concurrent;
        }
    })
}

/// Collects what is in force, to be compared with each other.
fn numbers(dependency: &Dependency, patience: Option<Duration>) -> Calls {
    let is_on = |control| !dependency.0.waived.contains(&control);
    let retry = dependency.retry().config();
    let further = retry.attempts.saturating_sub(1) as usize;
    Calls {
        name: dependency.name().to_owned(),
        total: retry.total,
        attempt: is_on(Control::AttemptTimeout).then(|| dependency.attempt_timeout().config().limit),
        waits: retry.backoff.longest().take(further).collect(),
        breaker: is_on(Control::Breaker).then(|| (*dependency.breaker().config()).clone()),
        places: is_on(Control::Bulkhead).then(|| dependency.bulkhead().config().concurrent),
        patience,
    }
}

/// Makes the check of a dependency: what it says of itself, and what its circuit says.
fn check(dependency: &Dependency, mut ask: Option<Ask>) -> Check {
    let of = dependency.clone();
    let check = Check::new(dependency.name(), move || {
        let asked = ask.as_mut().map(|ask| ask());
        let of = of.clone();
        async move {
            if let Some(asked) = asked {
                asked.await?;
            }
            of.complaint()
                .map_or(Ok::<_, BoxError>(()), |complaint| Err(complaint.into()))
        }
    });
    if dependency.0.is_required {
        check.critical()
    } else {
        check.optional()
    }
}

/// Asks for a path on the dependency's own connections, outside of its guards: a check asks the dependency, and not what
/// we think of it.
fn asking(transport: Transport, path: String) -> Ask {
    Box::new(move || {
        let mut transport = transport.clone();
        let request = Request::get(&path).body(Body::empty());
        Box::pin(async move {
            let status = transport.call(request?).await?.status();
            if status.is_success() {
                Ok(())
            } else {
                Err(format!("it answered {status}").into())
            }
        })
    })
}

/// A name that was declared and nothing more.
struct Missing(Arc<str>);

impl Describe for Missing {
    fn describe(&self) -> Entry {
        Entry::new("dependency", &*self.0, "missing")
    }
}
