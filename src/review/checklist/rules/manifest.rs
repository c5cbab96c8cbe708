//! What the manifest says, looked at.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::review::day::Day;
use crate::review::evidence::Evidence;
use crate::review::game_day::GameDayResult;
use crate::review::manifest::{FAILURES, OnCall, SEVERITIES, flaw, is_address, read};
use crate::review::scene::{Scene, setting};

/// A runbook for what every service can fail by, and for each dependency.
pub(crate) fn runbooks(scene: &Scene<'_>) -> Vec<Evidence> {
    let (manifest, at) = (scene.manifest, scene.at());
    let look = |subject: String, link: Option<&str>, path: &Path| match link {
        None => Evidence::missing(subject, "no runbook says what to do"),
        Some(link) if is_address(link) => {
            Evidence::unknown(subject, format!("{link} cannot be looked at from here: name a file"))
        }
        Some(_) => match flaw(path) {
            None => {
                let shown = path.strip_prefix(manifest.folder()).unwrap_or(path);
                Evidence::measured(subject, format!("{} is there", shown.display()), at)
            }
            Some(flaw) => Evidence::missing(subject, flaw),
        },
    };
    let mut evidence = Vec::new();
    for failure in FAILURES {
        let link = manifest.runbooks.get(failure).map(String::as_str);
        evidence.push(look(failure.into(), link, &manifest.path(link.unwrap_or_default())));
    }
    for dependency in scene.all("dependency") {
        let name = dependency.whole().name.as_str();
        let said = setting(dependency.whole(), "runbook");
        let written = manifest.dependency_runbooks.get(name).map(String::as_str);
        let path = match (said, written) {
            (Some(said), _) => Path::new(said).to_path_buf(),
            (None, written) => manifest.path(written.unwrap_or_default()),
        };
        evidence.push(look(dependency.subject(), said.or(written), &path));
    }
    evidence
}

pub(crate) fn rotation(scene: &Scene<'_>) -> Vec<Evidence> {
    let on_call = match held(scene) {
        Ok(on_call) => on_call,
        Err(evidence) => return vec![*evidence],
    };
    let people: BTreeSet<_> = on_call.rotation.iter().map(|name| name.to_lowercase()).collect();
    let found = format!(
        "{} names on the rotation: {}",
        people.len(),
        on_call.rotation.join(", ")
    );
    vec![if people.len() < 2 {
        Evidence::missing("rotation", format!("{found}; two are the least"))
    } else {
        said_by(on_call, Evidence::measured("rotation", found, scene.at()))
    }]
}

/// The least that are called one after the other: primary, secondary, and somebody who decides.
const CHAIN: usize = 3;

pub(crate) fn escalation(scene: &Scene<'_>) -> Vec<Evidence> {
    let on_call = match held(scene) {
        Ok(on_call) => on_call,
        Err(evidence) => return vec![*evidence],
    };
    let mut evidence = Vec::new();
    let chain: BTreeSet<_> = on_call.chain.iter().map(|name| name.to_lowercase()).collect();
    let found = on_call.chain.join(", then ");
    evidence.push(if chain.len() < CHAIN {
        Evidence::missing(
            "chain",
            format!("{found}: primary, secondary and somebody who decides are the least"),
        )
    } else {
        said_by(on_call, Evidence::measured("chain", found, scene.at()))
    });
    let mut worse = Duration::ZERO;
    for severity in SEVERITIES {
        let Some(times) = on_call.escalation.get(severity) else {
            evidence.push(Evidence::missing(severity, "nobody has said how soon somebody answers"));
            continue;
        };
        let told = |time| humantime::format_duration(time);
        let found = format!("to be answered within {}", told(times.respond));
        evidence.push(match times.after {
            _ if times.respond < worse => Evidence::missing(
                severity,
                format!("{found}, which is sooner than what is worse ({})", told(worse)),
            ),
            None if severity != "SEV-4" => {
                Evidence::missing(severity, format!("{found}, and nobody is called if it is not"))
            }
            Some(after) if after < times.respond => {
                let found = format!("{found}, and the next one is called before that, after {}", told(after));
                Evidence::missing(severity, found)
            }
            _ => said_by(on_call, Evidence::measured(severity, found, scene.at())),
        });
        worse = worse.max(times.respond);
    }
    evidence
}

/// Returns what the manifest says of who is called, while that holds.
fn held<'a>(scene: &Scene<'a>) -> Result<&'a OnCall, Box<Evidence>> {
    let on_call = scene.manifest.on_call.as_ref();
    let on_call = on_call.ok_or_else(|| Box::new(Evidence::unknown("", "the manifest has no `[on_call]`")))?;
    if on_call.word.holds(scene.at()) {
        return Ok(on_call);
    }
    let (on, expires) = (on_call.word.on, on_call.word.expires);
    let found = if expires <= Day::of(scene.at()) {
        format!("what `[on_call]` says has expired on {expires}")
    } else {
        format!("what `[on_call]` says is of {on}, which is still to come")
    };
    Err(Box::new(Evidence::missing("", found)))
}

fn said_by(on_call: &OnCall, evidence: Evidence) -> Evidence {
    Evidence {
        by: Some(on_call.word.by.clone()),
        on: Some(on_call.word.on.to_string()),
        until: Some(on_call.word.expires.to_string()),
        ..evidence
    }
}

/// The result of the last game day: it is this service's, passed, and not too old.
pub(crate) fn game_day(scene: &Scene<'_>) -> Vec<Evidence> {
    let Some(game_day) = &scene.manifest.game_day else {
        return vec![Evidence::unknown("", "the manifest names no result of a `[game_day]`")];
    };
    let path = scene.manifest.path(&game_day.result);
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) => {
            return vec![Evidence::missing(
                "game day",
                format!("{} cannot be read: {error}", path.display()),
            )];
        }
    };
    let result = match GameDayResult::parse(&text) {
        Ok(result) => result,
        Err(why) => {
            return vec![Evidence::missing(
                "game day",
                format!("{} is no result: {why}", path.display()),
            )];
        }
    };
    vec![match result.judge(scene.service, scene.at(), game_day.at_most) {
        Ok(found) => Evidence {
            link: Some(game_day.result.clone()),
            ..Evidence::measured("game day", found, result.at)
        },
        Err(found) => Evidence::missing("game day", found),
    }]
}
