use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::checklist::rows;
use super::day::Day;
use super::evidence::{Evidence, Kind};
use super::item::{Area, Criterion, Item, Row, nobody_looks};
use super::level::Level;
use super::manifest::{Attestation, Manifest, Waiver, gone, is_address};
use super::measurement::Measurements;
use super::scene::Scene;
use super::verdict::{Review, Reviewed};
use crate::base::error::InvalidSetting;
use crate::base::finding::Finding;
use crate::base::inventory::Inventory;
use crate::health::{Health, is_name};

/// Reviews one service whenever it is asked to.
#[derive(Clone)]
pub(crate) struct Reviewer(Arc<Parts>);

/// What a review looks at.
pub(crate) struct Parts {
    pub(crate) service: String,
    pub(crate) owner: String,
    pub(crate) target: Level,
    pub(crate) is_log_pretty: bool,
    pub(crate) inventory: Inventory,
    pub(crate) health: Health,
    pub(crate) findings: Vec<Finding>,
    pub(crate) manifest: Manifest,
    pub(crate) criteria: Criteria,
    pub(crate) measurements: Measurements,
    /// Where the flight recorder writes to as soon as the service is served.
    pub(crate) recorder_file: Option<PathBuf>,
}

/// The items of the checklist, and those of the user's own.
#[derive(Default)]
pub(crate) struct Criteria(Vec<(Item, Box<dyn Criterion>)>);

impl Criterion for &'static Row {
    fn item(&self) -> Item {
        Row::item(self)
    }

    fn examine(&self, scene: &Scene<'_>) -> Vec<Evidence> {
        (self.examine)(scene)
    }
}

impl Criteria {
    /// Takes the checklist and what the user adds to it; notes what is wrong with that.
    pub(crate) fn new(own: Vec<Box<dyn Criterion>>, wrong: &mut Vec<InvalidSetting>) -> Self {
        let ours = rows().map(|row| Box::new(row) as Box<dyn Criterion>);
        let criteria: Vec<_> = ours.chain(own).map(|criterion| (criterion.item(), criterion)).collect();
        let mut ids = BTreeSet::new();
        for (item, _) in &criteria {
            let fits = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
            if !(1..=64).contains(&item.id.len()) || !item.id.chars().all(fits) {
                let found = format!("a text of {} characters", item.id.chars().count());
                let allowed = "an id of 1 to 64 lowercase letters, digits and `-`";
                wrong.push(InvalidSetting::new("review.criterion", found, allowed));
            }
            if !ids.insert(item.id.as_str()) {
                let key = format!("review.criterion.{}", item.id);
                wrong.push(InvalidSetting::new(key, "there twice", "another id"));
            }
        }
        Self(criteria)
    }

    pub(crate) fn items(&self) -> Vec<Item> {
        self.0.iter().map(|(item, _)| item.clone()).collect()
    }
}

/// The items that a measurement answers: no date shows that a secret is in no code.
const MEASURABLE: [&str; 4] = ["backups", "restore-drill", "data-retention", "migrations"];

/// Notes what is wrong with the names of measurements, and with the items that they are for.
pub(crate) fn check_measurements(measurements: &Measurements, items: &[Item], wrong: &mut Vec<InvalidSetting>) {
    for probe in measurements.iter() {
        if !is_name(probe.name()) {
            let found = format!("a text of {} characters", probe.name().chars().count());
            let allowed = "1 to 64 letters, digits, `.`, `_`, `-`";
            wrong.push(InvalidSetting::new("review.measurement", found, allowed));
        }
        let item = items.iter().find(|item| item.id == probe.item());
        if !item.is_some_and(|item| item.area == Area::Own || MEASURABLE.contains(&probe.item())) {
            let key = format!("review.measurement.{}", probe.name());
            let allowed = format!("for `{}`, or for an item of your own", MEASURABLE.join("`, `"));
            wrong.push(InvalidSetting::new(key, "for an item that it does not answer", allowed));
        }
    }
    for name in measurements.doubles() {
        let key = format!("review.measurement.{name}");
        wrong.push(InvalidSetting::new(key, "there twice", "another name"));
    }
}

impl fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviewer")
            .field("service", &self.0.service)
            .finish_non_exhaustive()
    }
}

impl Reviewer {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    pub(crate) fn findings(&self) -> &[Finding] {
        &self.0.findings
    }

    pub(crate) fn measurements(&self) -> &Measurements {
        &self.0.measurements
    }

    /// Reviews the service as it is now, for a time since 1970; reads the files that the manifest names.
    pub(crate) fn review(&self, at: Duration) -> Review {
        let parts = &*self.0;
        let (wired, health) = (parts.inventory.wired(), parts.health.report());
        let scene = Scene {
            at,
            service: &parts.service,
            is_log_pretty: parts.is_log_pretty,
            wired: &wired,
            health: &health,
            findings: &parts.findings,
            manifest: &parts.manifest,
            measurements: &parts.measurements,
            recorder_file: parts.recorder_file.as_deref(),
        };
        let mut findings = parts.findings.clone();
        let mut items = Vec::new();
        for (item, criterion) in &parts.criteria.0 {
            let (reviewed, finding) = reviewed(item, &**criterion, &scene);
            items.push(reviewed);
            findings.extend(finding);
        }
        Review {
            service: parts.service.clone(),
            owner: parts.owner.clone(),
            at,
            target: parts.target,
            items,
            findings,
        }
    }
}

/// Examines one item, and puts what somebody says beside what was seen.
fn reviewed(item: &Item, criterion: &dyn Criterion, scene: &Scene<'_>) -> (Reviewed, Option<Finding>) {
    // Somebody else's code: one bad item must not take the others with it.
    let examined = catch_unwind(AssertUnwindSafe(|| criterion.examine(scene)));
    let mut evidence = examined.unwrap_or_else(|_| vec![Evidence::missing("", "its examination panicked")]);
    evidence.extend(scene.readings(&item.id).map(|reading| reading.0));
    if evidence.is_empty() {
        evidence = nobody_looks(scene);
    }
    let finding = match scene.manifest.attested.get(&item.id) {
        Some(attestation) => attest(&item.id, attestation, &mut evidence, scene),
        None => None,
    };
    if let Some(waiver) = scene.manifest.waived.get(&item.id) {
        waive(waiver, &mut evidence, scene.at);
    }
    let kind = evidence.iter().map(|evidence| evidence.kind).min();
    let reviewed = Reviewed {
        item: item.clone(),
        kind: kind.unwrap_or(Kind::Missing),
        evidence,
    };
    (reviewed, finding)
}

/// Takes somebody's word where nobody could look; returns what speaks against it.
fn attest(id: &str, attestation: &Attestation, evidence: &mut Vec<Evidence>, scene: &Scene<'_>) -> Option<Finding> {
    let Attestation { word, link, note } = attestation;
    let file = (!is_address(link)).then(|| gone(&scene.manifest.path(link))).flatten();
    let flaw = match file {
        _ if word.expires <= Day::of(scene.at) => Some(format!("its attestation has expired on {}", word.expires)),
        _ if !word.holds(scene.at) => Some(format!("its attestation is of {}, which is still to come", word.on)),
        file => file.map(|flaw| format!("the evidence of its attestation is not there: {flaw}")),
    };
    let kind = if flaw.is_none() { Kind::Attested } else { Kind::Missing };
    let said = Evidence {
        by: Some(word.by.clone()),
        on: Some(word.on.to_string()),
        until: Some(word.expires.to_string()),
        link: Some(link.clone()),
        ..Evidence::new(kind, "", flaw.as_ref().unwrap_or(note))
    };
    let disproved = evidence.iter().find(|part| part.kind == Kind::Missing && !part.is_open);
    let finding = disproved.filter(|_| word.holds(scene.at)).map(|part| {
        let about = if part.subject.is_empty() {
            String::new()
        } else {
            format!("{}: ", part.subject)
        };
        let found = format!("{} attests it since {}, and {about}{}", word.by, word.on, part.found);
        Finding::new(format!("item {id}"), found, "mend it, or take the attestation back")
    });
    let is_open = evidence.iter().any(|part| part.is_open);
    let finding = finding.or_else(|| ends_soon(id, word.expires, scene.at).filter(|_| flaw.is_none() && is_open));
    if is_open {
        evidence.retain(|part| !part.is_open);
        evidence.push(said);
    }
    finding
}

/// How long before an attestation ends somebody is told.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

fn ends_soon(id: &str, expires: Day, at: Duration) -> Option<Finding> {
    (expires <= Day::of(at.saturating_add(SOON))).then(|| {
        let found = format!("its attestation ends on {expires}");
        Finding::new(
            format!("item {id}"),
            found,
            "look at the evidence again, and attest it anew",
        )
    })
}

/// Puts somebody's reason where something is missing.
fn waive(waiver: &Waiver, evidence: &mut Vec<Evidence>, at: Duration) {
    if !evidence.iter().any(|part| part.kind == Kind::Missing) {
        return;
    }
    if !waiver.holds(at) {
        let found = format!("its waiver has ended on {}", waiver.until);
        return evidence.push(Evidence::missing("", found));
    }
    for part in evidence.iter_mut().filter(|part| part.kind == Kind::Missing) {
        part.kind = Kind::Waived;
        part.found = if part.is_open {
            waiver.reason.clone()
        } else {
            format!("{} ({})", waiver.reason, part.found)
        };
        part.by = Some(waiver.by.clone());
        part.until = Some(waiver.until.to_string());
    }
}
