//! What the guards of dependencies, endpoints and the whole service show.

use crate::base::finding::Finding;
use crate::base::inventory::Entry;
use crate::review::evidence::Evidence;
use crate::review::scene::{Scene, Wired, setting, told};

/// Says why a guard that is there does nothing, if it does nothing.
type Flaw = fn(&Entry) -> Option<&'static str>;

/// A guard, as a dependency has it: its name in waivers, the kind of its entry, and which numbers are shown.
struct Guard {
    control: &'static str,
    kind: &'static str,
    shown: &'static [&'static str],
    flaw: Flaw,
}

/// So many calls at once are no bound: a process has not that many sockets.
const UNBOUNDED: u32 = 65_536;

pub(crate) fn timeouts(scene: &Scene<'_>) -> Vec<Evidence> {
    let deadline = Guard {
        control: "deadline",
        kind: "deadline",
        shown: &["total"],
        flaw: |entry| (entry.state != "on").then_some("the call as a whole has no limit of time"),
    };
    let attempt = Guard {
        control: "attempt_timeout",
        kind: "timeout",
        shown: &["limit", "body_total"],
        flaw: |_| None,
    };
    of_dependencies(scene, &[deadline, attempt])
}

pub(crate) fn breakers(scene: &Scene<'_>) -> Vec<Evidence> {
    let breaker = Guard {
        control: "breaker",
        kind: "breaker",
        shown: &["failure_rate", "minimum_calls", "open"],
        flaw: tells_nothing,
    };
    of_dependencies(scene, &[breaker])
}

/// Says why a circuit does nothing, and so tells nothing of its dependency either.
pub(super) fn tells_nothing(breaker: &Entry) -> Option<&'static str> {
    match breaker.state {
        "disabled" => Some("the circuit is switched off"),
        "forced_closed" => Some("the circuit is held closed, whatever happens"),
        _ => watches(breaker),
    }
}

pub(crate) fn retries(scene: &Scene<'_>) -> Vec<Evidence> {
    let retry = Guard {
        control: "retry",
        kind: "retry",
        shown: &["attempts", "backoff", "budget"],
        flaw: |entry| {
            let is = |key, value| setting(entry, key) == Some(value);
            if is("attempts", "1") {
                return Some("there is one attempt, and no other");
            }
            if setting(entry, "backoff").is_some_and(|backoff| backoff.ends_with("jitter none")) {
                return Some("without jitter, all who failed together come back together");
            }
            is("budget", "none").then_some("no budget bounds the attempts of all calls together")
        },
    };
    of_dependencies(scene, &[retry])
}

/// Those of each dependency, and those of requests: critical ones have their own.
pub(crate) fn bulkheads(scene: &Scene<'_>) -> Vec<Evidence> {
    let bulkhead = Guard {
        control: "bulkhead",
        kind: "bulkhead",
        shown: &["concurrent", "queue", "wait"],
        flaw: |entry| {
            let places = setting(entry, "concurrent").and_then(|places| places.parse().ok());
            places
                .is_none_or(|places: u32| places >= UNBOUNDED)
                .then_some("it has places without end")
        },
    };
    let mut evidence = of_dependencies(scene, &[bulkhead]);
    evidence.extend(inbound(scene, "bulkhead", "bulkhead", &["partitions"]));
    evidence
}

pub(crate) fn rate_limits(scene: &Scene<'_>) -> Vec<Evidence> {
    let endpoints: Vec<_> = scene.all("endpoint").collect();
    if endpoints.is_empty() {
        return vec![Evidence::missing(
            "endpoints",
            "nothing is served behind the endpoints of `App`",
        )];
    }
    let all = scene.one("inbound");
    let mut evidence = Vec::new();
    for endpoint in endpoints {
        let subject = endpoint.subject();
        let waiver = |control| {
            let of_all = || all.as_ref().and_then(|all| all.waiver(control));
            endpoint.waiver(control).or_else(of_all)
        };
        for (control, quota, shadow) in [
            ("rate_limit", "quota", "shadow"),
            ("client_rate_limit", "client_quota", "client_shadow"),
        ] {
            let whole = endpoint.whole();
            evidence.push(match (setting(whole, quota), waiver(control)) {
                (Some(_), _) if setting(whole, shadow) == Some("true") => {
                    Evidence::missing(&subject, format!("its `{control}` only watches"))
                }
                (Some(terms), _) => Evidence::proven(&subject, format!("{control}: {terms}")),
                (None, Some(waiver)) => waived(&subject, waiver),
                (None, None) => Evidence::missing(&subject, all.as_ref().unwrap_or(&endpoint).lacks(control)),
            });
        }
    }
    evidence
}

pub(crate) fn backpressure(scene: &Scene<'_>) -> Vec<Evidence> {
    let mut evidence = inbound(scene, "load_shed", "load_shed", &["queue_delay"]);
    evidence.extend(inbound(scene, "bulkhead", "bulkhead", &["partitions"]));
    evidence
}

pub(crate) fn adaptive(scene: &Scene<'_>) -> Vec<Evidence> {
    inbound(scene, "adaptive_limit", "adaptive", &["min", "max"])
}

/// Looks for a guard that all requests go through.
fn inbound(scene: &Scene<'_>, control: &'static str, kind: &str, shown: &[&str]) -> Vec<Evidence> {
    let Some(whole) = scene.one("inbound") else {
        return vec![Evidence::missing(
            "requests",
            "nothing is served behind the guards of `App`",
        )];
    };
    vec![match (whole.part(kind), whole.waiver(control)) {
        (Some(guard), _) => Evidence::proven("requests", proof(guard, shown)),
        (None, Some(waiver)) => waived("requests", waiver),
        (None, None) => Evidence::missing("requests", whole.lacks(control)),
    }]
}

fn of_dependencies(scene: &Scene<'_>, guards: &[Guard]) -> Vec<Evidence> {
    let dependencies: Vec<_> = scene.all("dependency").collect();
    if dependencies.is_empty() {
        let found = "no dependency is declared, and what is called without being declared is not seen";
        return vec![Evidence::unknown("dependencies", found)];
    }
    let mut evidence = Vec::new();
    for dependency in dependencies {
        if dependency.whole().state == "missing" {
            evidence.push(unwired(&dependency));
            continue;
        }
        evidence.extend(guards.iter().map(|guard| of_dependency(scene, &dependency, guard)));
    }
    evidence
}

/// A name that was declared and nothing more.
pub(super) fn unwired(dependency: &Wired<'_>) -> Evidence {
    let found = "it is declared, and nothing was made of it that guards calls";
    Evidence::missing(dependency.subject(), found)
}

fn of_dependency(scene: &Scene<'_>, dependency: &Wired<'_>, guard: &Guard) -> Evidence {
    let (
        subject,
        Guard {
            control,
            kind,
            shown,
            flaw,
        },
    ) = (dependency.subject(), guard);
    if let Some(waiver) = dependency.waiver(control) {
        return waived(&subject, waiver);
    }
    let Some(entry) = dependency.part(kind) else {
        return Evidence::missing(subject, dependency.lacks(control));
    };
    if let Some(flaw) = flaw(entry) {
        return Evidence::missing(subject, flaw);
    }
    if let Some(Finding { found, .. }) = scene.against(&subject, control) {
        return Evidence::missing(subject, found);
    }
    Evidence::proven(subject, proof(entry, shown))
}

fn watches(entry: &Entry) -> Option<&'static str> {
    (setting(entry, "shadow") == Some("true")).then_some("it only watches")
}

fn waived(subject: &str, waiver: &Entry) -> Evidence {
    let reason = setting(waiver, "reason").unwrap_or_default();
    let (_, control) = waiver.name.rsplit_once(": ").unwrap_or_default();
    let until = setting(waiver, "until").map(str::to_owned);
    Evidence::waived(
        subject,
        format!(
            "{control} is left out{}: {reason}",
            if until.is_some() { "" } else { " for good" }
        ),
        until,
    )
}

/// Tells what it is set to, and not how it stands at the moment: a circuit that is open guards, too.
fn proof(entry: &Entry, shown: &[&str]) -> String {
    format!("{}: {}", entry.kind, told(entry, shown))
        .trim_end_matches(": ")
        .to_owned()
}
