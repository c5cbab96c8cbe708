use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::rows;
use crate::base::inventory::Entry;
use crate::health::{Health, HealthReport};
use crate::review::evidence::{Evidence, Kind};
use crate::review::item::Row;
use crate::review::level::Level;
use crate::review::manifest::Manifest;
use crate::review::measurement::Measurements;
use crate::review::scene::Scene;

/// The sections of the checklist, with how many lines each has.
const SECTIONS: [(&str, usize); 17] = [
    ("health", 5),
    ("resilience", 6),
    ("config", 5),
    ("data", 4),
    ("ops", 6),
    ("observe", 6),
    ("errors", 5),
    ("perf", 5),
    ("security", 5),
    ("deploy", 4),
    ("test", 4),
    ("docs", 5),
    ("never", 6),
    ("l1", 6),
    ("l2", 6),
    ("l3", 6),
    ("l4", 6),
];

/// The second halves of lines that ask for two things.
const HALVES: [&str; 2] = ["ops-4b", "test-1b"];

#[test]
fn every_line_of_the_checklist_is_answered() {
    let lines = SECTIONS
        .iter()
        .flat_map(|(section, lines)| (1..=*lines).map(move |line| format!("{section}-{line}")));
    let wanted: BTreeSet<_> = lines.chain(HALVES.map(str::to_owned)).collect();
    let mut times = BTreeMap::new();
    for code in rows().flat_map(|row| row.covers) {
        *times.entry((*code).to_owned()).or_insert(0) += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "answered more than once: {twice:?}");
    assert_eq!(times.into_keys().collect::<BTreeSet<_>>(), wanted);
    assert!(rows().all(|row| !row.covers.is_empty()));
}

#[test]
fn an_item_is_needed_by_the_lowest_level_that_names_it() {
    for row in rows() {
        let levels = row.covers.iter().filter_map(|code| {
            let number: usize = code.strip_prefix('l')?.split_once('-')?.0.parse().ok()?;
            Level::ALL.get(number - 1)
        });
        let Some(named) = levels.min() else { continue };
        let is_right = if row.is_never {
            row.level <= *named
        } else {
            row.level == *named
        };
        assert!(
            is_right,
            "{} is at {}, and the checklist has it at {named}",
            row.id, row.level
        );
    }
}

#[test]
fn what_no_service_is_ready_without_is_what_the_checklist_says() {
    for row in rows() {
        let is_named = row.covers.iter().any(|code| code.starts_with("never-"));
        assert_eq!(row.is_never, is_named, "{}", row.id);
    }
}

#[test]
fn every_item_is_told_in_short_texts_under_an_id_of_its_own() {
    let mut ids = BTreeSet::new();
    for row in rows() {
        let Row {
            id, title, why, how, ..
        } = row;
        assert!(ids.insert(id), "{id} is there twice");
        let fits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
        assert!(id.split('-').all(fits), "{id}");
        assert!(title.chars().count() <= 90, "{id}: {title}");
        for text in [title, why, how] {
            assert!(
                !text.trim().is_empty() && text.trim() == *text && !text.contains('\n'),
                "{id}: {text:?}"
            );
            assert!(text.chars().count() <= 160, "{id}: {text}");
        }
    }
}

/// What is there whatever a user of `App` says, so that no wiring of theirs misses it. Without the entry of the second
/// column it is missing.
const EQUIPMENT: [(&str, &str); 9] = [
    ("readiness", "server"),
    ("liveness", "runtime"),
    ("startup-probe", "server"),
    ("error-boundary", "server"),
    ("error-messages", "server"),
    ("error-classes", "server"),
    ("structured-logs", "log"),
    ("log-levels", "log"),
    ("correlation-ids", "server"),
];

/// As `EQUIPMENT`, and there are more ways to miss it than that it is not there.
const GUARDS: [(&str, &str); 6] = [
    ("health-endpoint", "server"),
    ("graceful-shutdown", "shutdown"),
    ("metrics", "server"),
    ("backpressure", "inbound"),
    ("adaptive-limits", "inbound"),
    ("rate-limits", "endpoint"),
];

#[test]
fn the_equipment_is_proven_by_what_is_wired_and_missing_without_it() {
    let (wired, health) = (equipment(), watched());
    for (id, kind) in EQUIPMENT.into_iter().chain(GUARDS) {
        let there = examined(id, &scene(&wired, &health));
        assert!(!there.is_empty() && worst(&there) == Kind::Proven, "{id}: {there:?}");
        let rest: Vec<_> = wired
            .iter()
            .filter(|entries| entries[0].kind != kind)
            .cloned()
            .collect();
        let gone = examined(id, &scene(&rest, &health));
        assert_eq!(worst(&gone), Kind::Missing, "{id} without {kind}: {gone:?}");
        let is_closed = gone.iter().any(|part| part.kind == Kind::Missing && !part.is_open);
        assert!(is_closed, "somebody's word makes up for a missing {kind}: {gone:?}");
    }
}

#[test]
fn liveness_takes_a_heartbeat_of_the_runtime_and_not_of_anything() {
    let (wired, health) = (equipment(), Health::builder().build());
    let _other = health.watchdog().register("worker", Duration::from_secs(5)).unwrap();
    let evidence = examined("liveness", &scene(&wired, &health.report()));
    assert_eq!(worst(&evidence), Kind::Missing, "{evidence:?}");
}

#[test]
fn logs_of_somebody_elses_subscriber_are_for_somebody_to_attest() {
    let (mut wired, health) = (equipment(), watched());
    replace(&mut wired, Entry::new("log", "log", "not_ours"));
    for id in ["structured-logs", "log-levels"] {
        let evidence = examined(id, &scene(&wired, &health));
        assert!(evidence.iter().all(|part| part.is_open), "{id}: {evidence:?}");
    }
}

#[test]
fn an_export_that_never_begins_traces_nothing() {
    let (mut wired, health) = (equipment(), watched());
    wired.push(vec![
        Entry::new("otlp", "traces", "off").setting("endpoint", "http://collector"),
    ]);
    for (log, kind) in [
        ("not_yet", Kind::Proven),
        ("on", Kind::Missing),
        ("not_ours", Kind::Missing),
    ] {
        replace(&mut wired, Entry::new("log", "log", log));
        assert_eq!(worst(&examined("tracing", &scene(&wired, &health))), kind, "log {log}");
    }
    replace(&mut wired, Entry::new("otlp", "traces", "exporting"));
    assert_eq!(worst(&examined("tracing", &scene(&wired, &health))), Kind::Proven);
}

#[test]
fn a_flight_recorder_leaves_something_behind_if_it_writes_to_a_file() {
    let (mut wired, health) = (equipment(), watched());
    let entry = |state, file| Entry::new("recorder", "timeline", state).setting("file", file);
    let file = Some(Path::new("/var/lib/orders/timeline"));
    for (recorder, planned, kind) in [
        (entry("in_memory", "none"), None, Kind::Missing),
        (entry("in_memory", "none"), file, Kind::Proven),
        (entry("writing", "/var/lib/orders/timeline"), file, Kind::Proven),
        (entry("failing", "/var/lib/orders/timeline"), file, Kind::Missing),
    ] {
        replace(&mut wired, recorder);
        let scene = Scene {
            recorder_file: planned,
            ..scene(&wired, &health)
        };
        let evidence = examined("full-observability", &scene);
        let recorder = evidence.iter().find(|part| part.subject == "flight recorder");
        assert_eq!(recorder.unwrap().kind, kind, "{evidence:?}");
    }
}

/// Returns what stands in the scene of an `App` that nobody has changed.
fn equipment() -> Vec<Vec<Entry>> {
    let on = |kind| Entry::new(kind, kind, "on");
    let endpoint = on("endpoint")
        .setting("quota", "9/s")
        .setting("shadow", false)
        .setting("client_quota", "1/s")
        .setting("client_shadow", false);
    let inbound = ["inbound", "load_shed", "adaptive", "bulkhead"].map(on);
    let alone = ["server", "runtime", "shutdown", "log", "recorder"].map(|kind| vec![on(kind)]);
    alone.into_iter().chain([inbound.to_vec(), vec![endpoint]]).collect()
}

/// Puts an entry in the place of the one of its kind.
fn replace(wired: &mut Vec<Vec<Entry>>, by: Entry) {
    wired.retain(|entries| entries[0].kind != by.kind);
    wired.push(vec![by]);
}

/// Returns the report of a health that watches the runtime.
fn watched() -> HealthReport {
    let health = Health::builder().build();
    let _heartbeat = health.watchdog().register("runtime", Duration::from_secs(5)).unwrap();
    health.report()
}

fn scene<'a>(wired: &'a [Vec<Entry>], health: &'a HealthReport) -> Scene<'a> {
    Scene {
        at: Duration::from_secs(1_795_392_000),
        service: "tested",
        wired,
        health,
        findings: &[],
        manifest: Box::leak(Box::<Manifest>::default()),
        measurements: Box::leak(Box::<Measurements>::default()),
        recorder_file: None,
        is_log_pretty: false,
    }
}

fn examined(id: &str, scene: &Scene<'_>) -> Vec<Evidence> {
    let row = rows().find(|row| row.id == id).unwrap();
    (row.examine)(scene)
}

fn worst(evidence: &[Evidence]) -> Kind {
    evidence.iter().map(|part| part.kind).min().unwrap_or(Kind::Missing)
}
