//! What is equipment: whoever serves through `App` has it, and each is read from its live handle.

use super::guards::{tells_nothing, unwired};
use crate::base::finding::Finding;
use crate::review::evidence::Evidence;
use crate::review::scene::{Scene, setting, told};

pub(crate) use super::guards::{adaptive, backpressure, breakers, bulkheads, rate_limits, retries, timeouts};

pub(crate) fn health_endpoint(scene: &Scene<'_>) -> Vec<Evidence> {
    let mut evidence = vec![served(scene, "/healthz answers on the admin plane, from a cache")];
    for dependency in scene.all("dependency") {
        let name = &dependency.whole().name;
        let check = scene.health().checks.iter().find(|check| *check.name == **name);
        let circuit = dependency.part("breaker");
        let circuit_tells = circuit.is_some_and(|circuit| tells_nothing(circuit).is_none());
        evidence.push(match check {
            _ if dependency.whole().state == "missing" => unwired(&dependency),
            Some(_) if setting(dependency.whole(), "check") == Some("asks") => {
                Evidence::proven(dependency.subject(), "it is asked in the background")
            }
            Some(_) if circuit_tells => {
                let found = "its circuit tells, as it has neither a `check` nor a `health_path`";
                Evidence::proven(dependency.subject(), found)
            }
            Some(_) => Evidence::missing(dependency.subject(), "it has no check, and no circuit that tells"),
            None => Evidence::missing(dependency.subject(), "nothing checks it"),
        });
    }
    evidence
}

pub(crate) fn readiness(scene: &Scene<'_>) -> Vec<Evidence> {
    vec![served(
        scene,
        "/readyz is 503 until startup is complete, and again from the drain on",
    )]
}

pub(crate) fn startup(scene: &Scene<'_>) -> Vec<Evidence> {
    let tasks: Vec<_> = scene.health().startup.iter().map(|task| &*task.name).collect();
    let after = if tasks.is_empty() {
        "the start".to_owned()
    } else {
        tasks.join(", ")
    };
    vec![served(scene, &format!("/startupz is 200 after {after}"))]
}

pub(crate) fn liveness(scene: &Scene<'_>) -> Vec<Evidence> {
    let heartbeats: Vec<_> = scene.health().heartbeats.iter().map(|beat| &*beat.name).collect();
    let is_watched = scene
        .one("runtime")
        .is_some_and(|runtime| heartbeats.contains(&&*runtime.whole().name));
    if !is_watched {
        return vec![Evidence::missing(
            "runtime",
            "nothing watches whether it makes progress",
        )];
    }
    let found = format!("/livez watches from another thread: {}", heartbeats.join(", "));
    vec![Evidence::proven("runtime", found)]
}

pub(crate) fn shutdown(scene: &Scene<'_>) -> Vec<Evidence> {
    let Some(shutdown) = scene.one("shutdown") else {
        return vec![Evidence::missing("", "there is no drain")];
    };
    let shown = told(shutdown.whole(), &["hold", "drain", "hooks", "grace_period"]);
    let mut evidence = vec![Evidence::proven("", shown)];
    let cut = scene.findings().iter().filter(|finding| finding.guard == Some("drain"));
    evidence.extend(cut.map(|Finding { subject, found, .. }| Evidence::missing(subject, found)));
    evidence
}

pub(crate) fn error_boundary(scene: &Scene<'_>) -> Vec<Evidence> {
    vec![served(
        scene,
        "refusals, errors and panics become problem+json responses",
    )]
}

pub(crate) fn error_messages(scene: &Scene<'_>) -> Vec<Evidence> {
    vec![served(
        scene,
        "our own responses say what to do and nothing of the inside (RFC 9457)",
    )]
}

pub(crate) fn error_classes(scene: &Scene<'_>) -> Vec<Evidence> {
    vec![served(
        scene,
        "failures, refusals and mistakes of the caller are told apart, by status and by type",
    )]
}

pub(crate) fn configuration(scene: &Scene<'_>) -> Vec<Evidence> {
    vec![
        served(scene, "every setting of the equipment comes from file and environment"),
        Evidence::unknown(
            "the program's own settings",
            "nothing that runs can show where they come from",
        ),
    ]
}

pub(crate) fn live_configuration(scene: &Scene<'_>) -> Vec<Evidence> {
    vec![
        served(scene, "policies take new numbers without losing what they know"),
        Evidence::unknown(
            "all other settings",
            "nothing that runs can show that they change without a redeployment",
        ),
    ]
}

pub(crate) fn logs(scene: &Scene<'_>) -> Vec<Evidence> {
    vec![match scene.one("log") {
        Some(log) if log.whole().state == "not_ours" => Evidence::unknown(
            "",
            "they are written by a subscriber that was there before this service",
        ),
        Some(_) if scene.is_log_pretty => Evidence::missing("", "`log.format` is `pretty`: no machine reads that"),
        Some(_) => Evidence::proven(
            "",
            "lines of JSON, or for people on a terminal, with the ids of their request",
        ),
        None => Evidence::missing("", "there is no log"),
    }]
}

pub(crate) fn log_levels(scene: &Scene<'_>) -> Vec<Evidence> {
    let log = scene.one("log").map(|log| log.whole());
    vec![match log {
        Some(log) if log.state == "not_ours" => {
            Evidence::unknown("", "they are those of a subscriber that was there before this service")
        }
        Some(_) => Evidence::proven("", "`log.filter` sets them by target"),
        None => Evidence::missing("", "there is no log"),
    }]
}

pub(crate) fn correlation(scene: &Scene<'_>) -> Vec<Evidence> {
    let found = "every request has an id and a trace, on its lines, in its responses and in the calls made for it";
    vec![served(scene, found)]
}

pub(crate) fn metrics(scene: &Scene<'_>) -> Vec<Evidence> {
    vec![served(
        scene,
        "/metrics has latency, traffic, errors and saturation, with a bounded number of series",
    )]
}

pub(crate) fn tracing(scene: &Scene<'_>) -> Vec<Evidence> {
    // Before there is a log, neither is there an export, and both begin together.
    let is_bound = scene.one("log").is_some_and(|log| log.whole().state != "not_yet");
    vec![match scene.one("otlp") {
        Some(otlp) if is_bound && otlp.whole().state == "off" => Evidence::missing(
            "",
            "no span is exported: the subscriber was there before this service, and has no layer of `App::traces`",
        ),
        Some(otlp) if otlp.whole().state == "failing" => Evidence::missing("", "the collector takes no spans"),
        Some(otlp) if setting(otlp.whole(), "sample_ratio") == Some("0") => {
            Evidence::missing("", "`traces.sample_ratio` is 0: no trace that begins here is exported")
        }
        Some(otlp) => Evidence::proven("", told(otlp.whole(), &["endpoint", "protocol", "sample_ratio"])),
        None => Evidence::unknown("", "`traces.endpoint` is not set: no span is exported"),
    }]
}

pub(crate) fn observability(scene: &Scene<'_>) -> Vec<Evidence> {
    let mut evidence = [logs(scene), metrics(scene), tracing(scene)].concat();
    evidence.push(recorder(scene));
    evidence
}

fn recorder(scene: &Scene<'_>) -> Evidence {
    let subject = "flight recorder";
    let Some(recorder) = scene.one("recorder") else {
        return Evidence::missing(subject, "there is none");
    };
    let file = setting(recorder.whole(), "file").unwrap_or_default();
    match (recorder.whole().state, scene.recorder_file) {
        ("failing", _) => Evidence::missing(subject, format!("{file} cannot be written")),
        ("in_memory", Some(file)) => Evidence::proven(
            subject,
            format!("written to {} as soon as it is served", file.display()),
        ),
        ("in_memory", None) => Evidence::missing(subject, "`recorder.file` is not set: a kill leaves nothing behind"),
        _ => Evidence::proven(subject, format!("written to {file}")),
    }
}

pub(crate) fn dead_letters(scene: &Scene<'_>) -> Vec<Evidence> {
    let workers = scene
        .all("worker")
        .map(|worker| match setting(worker.whole(), "dead_letters") {
            Some("true") => Evidence::proven(worker.subject(), "what it gives up on is kept"),
            _ => Evidence::missing(worker.subject(), "what it gives up on is lost"),
        });
    let workers: Vec<_> = workers.collect();
    if workers.is_empty() {
        return vec![Evidence::unknown(
            "",
            "no worker is wired, and other consumers are not seen",
        )];
    }
    workers
}

/// What every service has that is served by `App`.
fn served(scene: &Scene<'_>, found: &str) -> Evidence {
    match scene.one("server") {
        Some(_) => Evidence::proven("", found),
        None => Evidence::missing("", "nothing is served by `App`"),
    }
}
