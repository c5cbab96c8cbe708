use std::path::Path;
use std::time::Duration;

use super::day::Day;
use super::manifest::Manifest;
use super::measurement::{Measurements, Reading};
use crate::base::finding::Finding;
use crate::base::inventory::Entry;
use crate::health::HealthReport;

/// All that is known of a service at one moment; what an item is examined by.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub(super) at: Duration,
    pub(super) service: &'a str,
    /// Whether the settings ask for logs that are for people alone.
    pub(super) is_log_pretty: bool,
    pub(super) wired: &'a [Vec<Entry>],
    pub(super) health: &'a HealthReport,
    pub(super) findings: &'a [Finding],
    pub(super) manifest: &'a Manifest,
    pub(super) measurements: &'a Measurements,
    /// Where the flight recorder writes to as soon as the service is served.
    pub(super) recorder_file: Option<&'a Path>,
}

impl<'a> Scene<'a> {
    /// Returns the time of the review, since 1970.
    pub fn at(&self) -> Duration {
        self.at
    }

    /// Returns what the assembly has wired, each with its parts, the whole first: a dependency with its guards and
    /// waivers, an endpoint with its limits.
    ///
    /// What was added to [`App::inventory`](crate::App::inventory) is not there: it may be a name and nothing more.
    pub fn wired(&self) -> &'a [Vec<Entry>] {
        self.wired
    }

    /// Returns what is known of startup, checks and heartbeats.
    pub fn health(&self) -> &'a HealthReport {
        self.health
    }

    /// Returns each wired thing of a kind, such as `dependency` or `endpoint`, with its parts.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = Wired<'a>> {
        let day = Day::of(self.at);
        let groups = self.wired.iter().filter_map(move |entries| {
            let (whole, parts) = entries.split_first()?;
            Some(Wired { whole, parts, day })
        });
        groups.filter(move |wired| wired.whole().kind == kind)
    }

    /// Returns the only wired thing of a kind.
    pub(super) fn one(&self, kind: &str) -> Option<Wired<'a>> {
        self.all(kind).next()
    }

    /// Returns what works and should be looked at.
    pub(super) fn findings(&self) -> &'a [Finding] {
        self.findings
    }

    /// Returns what speaks against a guard of something.
    pub(super) fn against(&self, subject: &str, guard: &str) -> Option<&'a Finding> {
        let of = |finding: &&Finding| finding.subject == subject && finding.guard == Some(guard);
        self.findings.iter().find(of)
    }

    pub(super) fn readings(&self, item: &str) -> impl Iterator<Item = Reading> {
        self.measurements.of(item, self.at).into_iter()
    }
}

/// Something wired, with its parts.
#[derive(Clone, Copy)]
pub(super) struct Wired<'a> {
    whole: &'a Entry,
    parts: &'a [Entry],
    /// The day of the review.
    day: Day,
}

impl<'a> Wired<'a> {
    pub(super) fn whole(&self) -> &'a Entry {
        self.whole
    }

    pub(super) fn part(&self, kind: &str) -> Option<&'a Entry> {
        self.parts.iter().find(|part| part.kind == kind)
    }

    /// Returns the waiver of a guard that holds at the time of the review, which need not be now.
    pub(super) fn waiver(&self, guard: &str) -> Option<&'a Entry> {
        let mut waivers = self.waivers(guard);
        waivers.find(|waiver| waiver.state == "on" && self.is_to_come(setting(waiver, "until")))
    }

    /// Says that a guard is not there, and that it was left out until a day which has come.
    pub(super) fn lacks(&self, guard: &str) -> String {
        match self.waivers(guard).find_map(|waiver| setting(waiver, "until")) {
            Some(until) => format!("it has no `{guard}`, and the waiver of that has ended on {until}"),
            None => format!("it has no `{guard}`"),
        }
    }

    fn waivers(&self, guard: &str) -> impl Iterator<Item = &'a Entry> {
        let waivers = self.parts.iter().filter(|part| part.kind == "waiver");
        waivers.filter(move |waiver| {
            let control = waiver.name.rsplit_once(": ").map(|(_, control)| control);
            control == Some(guard)
        })
    }

    fn is_to_come(&self, day: Option<&str>) -> bool {
        day.is_none_or(|day| day.parse().is_ok_and(|day: Day| self.day < day))
    }

    /// Returns how it is called in reports, such as `dependency payments`.
    pub(super) fn subject(&self) -> String {
        let Entry { kind, name, .. } = self.whole;
        format!("{kind} {name}")
    }
}

/// Returns one of the settings in force.
pub(super) fn setting<'a>(entry: &'a Entry, key: &str) -> Option<&'a str> {
    let setting = entry.settings.iter().find(|(known, _)| *known == key);
    setting.map(|(_, value)| value.as_str())
}

/// Tells some of the settings in force: `limit 1.5s, body_total 1.5s`.
pub(super) fn told(entry: &Entry, keys: &[&str]) -> String {
    let told = keys
        .iter()
        .filter_map(|key| Some(format!("{key} {}", setting(entry, key)?)));
    told.collect::<Vec<_>>().join(", ")
}
