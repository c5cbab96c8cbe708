//! Puts the declared dependencies under the settings, and enters them where they are looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::uri::PathAndQuery;

use super::super::control::Control;
use super::super::settings::DependencySettings;
use super::builder::{Declared, Reach};
use super::handle::{Dependency, Shared};
use super::health::{asking, check};
use super::policies::{apply, numbers};
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::finding::Finding;
use crate::base::inventory::{Describe, Entry, Inventory};
use crate::client::{ALLOWED, TransportConfig};
use crate::health::Health;

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
            if !is_name(&declared.name) {
                let found = format!("a text of {} characters", declared.name.chars().count());
                let allowed = "a name of 1 to 64 lowercase letters, digits, `_` and `-`, as its settings have it";
                self.refuse("dependency".into(), found, allowed);
                continue;
            }
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
            reach,
            health_path,
            http2,
            mut ask,
        } = declared;
        let Some(dependency) = dependency else {
            let found = "it was declared, and nothing was made of it that guards calls";
            let advice = "call it through what `http`, `layer` or `guard` return";
            self.findings
                .push(Finding::new(format!("dependency {name}"), found, advice));
            self.inventory.wire(Missing(name));
            return;
        };
        self.check(&dependency);
        let settings = self.settings.get(&*name).cloned().unwrap_or_default();
        let applied = apply(&dependency, &settings);
        // Numbers that were refused have left others in their place, which nobody has said.
        if is_sound && applied.iter().all(Result::is_ok) {
            let numbers = numbers(&dependency, self.patience);
            self.wrong.extend(numbers.errors());
            self.findings.extend(numbers.findings());
        }
        for applied in applied {
            self.note(applied);
        }
        self.look_for_idle(&dependency, &settings, reach.is_some());
        if let Some(reach) = reach {
            self.connect(&dependency, &settings, &reach, http2);
            let path = self.health_path(&name, health_path);
            ask = path.map(|path| asking(reach.transport, path)).or(ask);
        } else if http2 || health_path.is_some() {
            let said = if http2 { "http2" } else { "health_path" };
            let found = "said of a dependency that is not called by `http`";
            self.refuse(
                format!("dependency {name}.{said}"),
                found,
                "left out, or said before `http`",
            );
        }
        let entered = self.health.check(check(&dependency, ask));
        self.note(entered);
        self.inventory.wire(dependency);
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

    /// Returns the path to ask for, if there is one that can be asked for.
    fn health_path(&mut self, name: &str, path: Option<String>) -> Option<String> {
        let path = path?;
        if path.starts_with('/') && path.parse::<PathAndQuery>().is_ok() {
            return Some(path);
        }
        let found = format!("a text of {} characters", path.chars().count());
        self.refuse(
            format!("dependency {name}.health_path"),
            found,
            "a path that begins with `/`",
        );
        None
    }

    /// Notes settings that are well and change nothing.
    fn look_for_idle(&mut self, dependency: &Dependency, settings: &DependencySettings, is_http: bool) {
        let is_on = |control| !dependency.0.waived.contains(&control);
        let not_http = "it is not called by `http`";
        let waived = "that guard is left out";
        for (key, is_set, is_used, why) in [
            ("url", settings.url.is_some(), is_http, not_http),
            ("ca_certificate", settings.ca_certificate.is_some(), is_http, not_http),
            (
                "deadline",
                settings.deadline.is_some(),
                is_on(Control::Deadline),
                waived,
            ),
            ("attempts", settings.attempts.is_some(), is_on(Control::Retry), waived),
            (
                "attempt_timeout",
                settings.attempt_timeout.is_some(),
                is_on(Control::AttemptTimeout),
                waived,
            ),
            (
                "concurrent",
                settings.concurrent.is_some(),
                is_on(Control::Bulkhead),
                waived,
            ),
        ] {
            if is_set && !is_used {
                let found = format!("the setting `{key}` changes nothing: {why}");
                let subject = format!("dependency {}", dependency.name());
                self.findings.push(Finding::new(subject, found, "take the setting out"));
            }
        }
    }

    fn connect(&mut self, dependency: &Dependency, settings: &DependencySettings, reach: &Reach, http2: bool) {
        let name = dependency.name();
        let key = format!("dependencies.{name}.url");
        let Some(base) = settings.url.clone().or_else(|| reach.url.parse().ok()) else {
            let found = format!("a text of {} characters", reach.url.chars().count());
            return self.refuse(key, found, ALLOWED);
        };
        let default = TransportConfig::default();
        let is_bounded = !dependency.0.waived.contains(&Control::Bulkhead);
        let attempt = dependency.attempt_timeout().config().limit;
        let config = TransportConfig {
            // As many as there can be under way: otherwise some would be opened anew for each call.
            max_idle: if is_bounded {
                dependency.bulkhead().config().concurrent as usize
            } else {
                default.max_idle
            },
            // Half, so that there is time left to be answered in.
            connect_timeout: default.connect_timeout.min(attempt / 2),
            http2,
            ca_certificate: settings.ca_certificate.clone(),
            ..default
        };
        let _ = dependency.0.reach.set((base.to_string(), config.clone()));
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

/// Returns whether settings can name it, in a file and in the environment.
fn is_name(name: &str) -> bool {
    let fits = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(fits)
}

/// A name that was declared and nothing more.
struct Missing(Arc<str>);

impl Describe for Missing {
    fn describe(&self) -> Entry {
        Entry::new("dependency", &*self.0, "missing")
    }
}
