//! Every item of the checklist: a wiring that meets it, and one that misses it.

mod review_support;

use std::time::Duration;

use review_support::{Folder, NOW, URL, attested, builder, kind, review, with_payments};
use seaworthy::review::{Kind, SchemaGate};
use seaworthy::{AppBuilder, Control};

type Wiring = fn(&Folder) -> AppBuilder;

/// What only the manifest can say, wholly or in part.
const ATTESTED: &[&str] = &[
    "configuration",
    "no-secrets-in-code",
    "secrets-from-vault",
    "live-configuration",
    "feature-flags",
    "backups",
    "restore-drill",
    "data-retention",
    "deployable",
    "rollback-plan",
    "ci-cd",
    "container-hardening",
    "infrastructure-as-code",
    "auto-scaling",
    "canary",
    "readme",
    "api-docs",
    "architecture-diagrams",
    "decision-records",
    "dead-letters",
    "slos",
    "slas",
    "error-budget-policy",
    "error-budgets",
    "dashboards",
    "alerting",
    "predictive-alerting",
    "playbooks",
    "postmortems",
    "load-tests",
    "latency-baseline",
    "profiling",
    "query-analysis",
    "caching",
    "access-control",
    "input-validation",
    "dependency-audit",
    "owasp-review",
    "unit-tests",
    "integration-tests",
    "smoke-tests",
    "contract-tests",
];

/// What every service has that is built by `App`; what misses it is in the tests of the checklist itself.
const EQUIPMENT: &[&str] = &[
    "readiness",
    "liveness",
    "startup-probe",
    "error-boundary",
    "error-messages",
    "error-classes",
    "structured-logs",
    "log-levels",
    "correlation-ids",
    "metrics",
];

/// What a machine sees: how it is known, what meets it, and what misses it.
const SEEN: &[(&str, Kind, Wiring, Wiring)] = &[
    ("health-endpoint", Kind::Proven, wired, switched_off),
    ("graceful-shutdown", Kind::Proven, wired, |_| {
        builder().setting("server.deadline", "60s")
    }),
    ("timeouts", Kind::Proven, wired, unwired),
    ("circuit-breakers", Kind::Proven, wired, switched_off),
    ("retries", Kind::Proven, wired, |_| {
        with_payments(builder()).setting("dependencies.payments.attempts", "1")
    }),
    ("bulkheads", Kind::Proven, wired, unwired),
    ("rate-limits", Kind::Proven, wired, |_| {
        until_later(Control::ClientRateLimit)
    }),
    ("backpressure", Kind::Proven, wired, |_| {
        builder()
            .without(Control::AdaptiveLimit, "no signal")
            .without(Control::Bulkhead, "nor this")
    }),
    ("adaptive-limits", Kind::Proven, wired, |_| {
        until_later(Control::AdaptiveLimit)
    }),
    ("tracing", Kind::Proven, traced, wired),
    (
        "full-observability",
        Kind::Proven,
        |folder| {
            let file = folder.path().join("timeline");
            traced(folder).setting("recorder.file", file.to_str().unwrap())
        },
        traced,
    ),
    (
        "migrations",
        Kind::Measured,
        |_| builder().schema(schema().migration(2, "add quantity", "drop quantity")),
        |_| builder().schema(schema().migration(2, "add quantity", "")),
    ),
    (
        "runbooks",
        Kind::Measured,
        |folder| with_payments(folder.app(&runbooks("payments = \"proof.md\""))),
        |folder| with_payments(folder.app(&runbooks(""))),
    ),
    (
        "on-call",
        Kind::Measured,
        |folder| folder.app(&on_call("\"ann\", \"bob\"", SEVERITIES)),
        |folder| folder.app(&on_call("\"ann\"", SEVERITIES)),
    ),
    (
        "escalation",
        Kind::Measured,
        |folder| folder.app(&on_call("\"ann\", \"bob\"", SEVERITIES)),
        |folder| folder.app(&on_call("\"ann\", \"bob\"", &SEVERITIES[..3])),
    ),
    (
        "chaos-testing",
        Kind::Measured,
        |folder| game_day(folder, true),
        |folder| game_day(folder, false),
    ),
];

fn wired(_: &Folder) -> AppBuilder {
    with_payments(builder())
}

/// The circuit of `payments` lets all pass, and nothing else asks how it is.
fn switched_off(_: &Folder) -> AppBuilder {
    let mut app = builder();
    let payments = app.dependency("payments").http(URL);
    payments.dependency().breaker().disable();
    app
}

/// A name that was declared, and nothing was made of it.
fn unwired(_: &Folder) -> AppBuilder {
    let mut app = builder();
    drop(app.dependency("payments"));
    app
}

fn traced(_: &Folder) -> AppBuilder {
    builder().setting("traces.endpoint", "http://127.0.0.1:4318")
}

/// Leaves a guard out until a day that has not come when these tests are run; only then it is missing.
fn until_later(control: Control) -> AppBuilder {
    builder().without_until(control, "not yet", "2999-01-01")
}

fn schema() -> SchemaGate {
    SchemaGate::new("orders-db", 2, || async { Ok::<_, std::io::Error>(2) })
}

fn runbooks(dependencies: &str) -> String {
    let failures = ["overload", "stall", "startup", "drain", "panic"];
    let failures: String = failures.map(|failure| format!("{failure} = \"proof.md\"\n")).concat();
    format!("[runbooks]\n{failures}[runbooks.dependencies]\n{dependencies}\n")
}

const SEVERITIES: &[&str] = &[
    "SEV-1 = { respond = \"15min\", escalate_after = \"30min\" }\n",
    "SEV-2 = { respond = \"30min\", escalate_after = \"1h\" }\n",
    "SEV-3 = { respond = \"4h\", escalate_after = \"1day\" }\n",
    "SEV-4 = { respond = \"14days\" }\n",
];

fn on_call(rotation: &str, severities: &[&str]) -> String {
    let said = "by = \"ann\"\non = 2026-11-01\nexpires = 2027-02-01\nchain = [\"ann\", \"bob\", \"cora\"]";
    let severities = severities.concat();
    format!("[on_call]\n{said}\nrotation = [{rotation}]\n[on_call.escalation]\n{severities}")
}

fn game_day(folder: &Folder, passed: bool) -> AppBuilder {
    let phases = format!(r#"[{{"name": "payments down", "passed": {passed}}}]"#);
    let head = r#""format": "seaworthy-game-day-1", "service": "tested", "at": "2026-11-01T12:00:00Z""#;
    folder.file("game-day.json", &format!(r#"{{{head}, "phases": {phases}}}"#));
    folder.app("[game_day]\nresult = \"game-day.json\"\n")
}

/// Returns how an item stands with a wiring.
async fn stands(id: &str, wiring: Wiring, at: Duration) -> Kind {
    let folder = Folder::new();
    let app = wiring(&folder).build().unwrap();
    app.measure().await;
    kind(&app.review_at(at), id)
}

/// The beginning of 2999-01-01, when the waivers of these tests have ended.
const LATER: Duration = Duration::from_secs(32_472_144_000);

#[test]
fn every_item_has_a_row_here_and_every_row_an_item() {
    let seen = SEEN.iter().map(|(id, ..)| *id);
    let mut rows: Vec<_> = ATTESTED.iter().chain(EQUIPMENT).copied().chain(seen).collect();
    let review = review(builder());
    let mut items: Vec<_> = review.items.iter().map(|reviewed| reviewed.item.id.as_str()).collect();
    rows.sort_unstable();
    items.sort_unstable();
    assert_eq!(rows, items);
}

#[test]
fn what_only_somebody_can_say_is_attested_with_a_file_and_missing_without() {
    let folder = Folder::new();
    let all: String = ATTESTED.iter().map(|id| attested(id)).collect();
    let (said, silent) = (review(folder.app(&all)), review(builder()));
    for id in ATTESTED {
        assert_eq!(kind(&said, id), Kind::Attested, "{id} is attested");
        assert_eq!(kind(&silent, id), Kind::Missing, "{id} is not attested");
    }
}

#[test]
fn what_every_service_has_is_proven_and_needs_nobodys_word() {
    let review = review(builder());
    for id in EQUIPMENT {
        assert_eq!(kind(&review, id), Kind::Proven, "{id}");
    }
}

#[tokio::test]
async fn what_a_machine_sees_is_known_by_it_and_missing_when_it_is_not_so() {
    for (id, known, meets, misses) in SEEN {
        assert_eq!(stands(id, *meets, NOW).await, *known, "{id} is met");
        // A guard that only a waiver can leave out.
        let at = if ["rate-limits", "adaptive-limits"].contains(id) {
            LATER
        } else {
            NOW
        };
        assert_eq!(stands(id, *misses, at).await, Kind::Missing, "{id} is missed");
    }
}

/// No word counts where a machine has looked.
#[tokio::test]
async fn what_a_machine_sees_to_be_missing_cannot_be_attested() {
    for id in [
        "circuit-breakers",
        "timeouts",
        "retries",
        "bulkheads",
        "health-endpoint",
    ] {
        let folder = Folder::new();
        let mut app = folder.app(&attested(id));
        drop(app.dependency("payments"));
        let review = review(app);
        assert_eq!(kind(&review, id), Kind::Missing, "{id}");
    }
}
