//! What is declared of a dependency, what the settings make of it, and what is said of it.

mod support;

use std::future::{pending, ready};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use seaworthy::breaker::Window;
use seaworthy::health::Phase;
use seaworthy::inventory::Entry;
use seaworthy::{App, AppBuilder, BoxError, Control, DependencyBuilder, Guarded};
use support::upstream::{Act, Upstream};
use support::{Served, builder, eventually, get};
use tokio::runtime::Handle;
use tower::{Layer, service_fn};

const URL: &str = "http://127.0.0.1:1";
const SECOND: Duration = Duration::from_secs(1);

/// The inventory's entries of one name, but for its check.
fn entries(app: &App, name: &str) -> Vec<Entry> {
    let of_name = |entry: &Entry| entry.name == name || entry.name.starts_with(&format!("{name}:"));
    let entries = app.inventory().entries().into_iter().filter(of_name);
    entries.filter(|entry| entry.kind != "check").collect()
}

fn kinds(app: &App, name: &str) -> Vec<&'static str> {
    entries(app, name).iter().map(|entry| entry.kind).collect()
}

fn setting<'a>(entries: &'a [Entry], kind: &str, key: &str) -> &'a str {
    let entry = entries.iter().find(|entry| entry.kind == kind).unwrap();
    let (_, value) = entry.settings.iter().find(|(of, _)| *of == key).unwrap();
    value
}

fn built(change: impl FnOnce(DependencyBuilder<'_>) -> DependencyBuilder<'_>) -> App {
    let mut app = builder();
    let _ = change(app.dependency("payments")).http(URL);
    app.build().unwrap()
}

fn wrong(app: AppBuilder) -> String {
    app.build().unwrap_err().to_string()
}

const GUARDS: [(Control, &str); 5] = [
    (Control::Deadline, "deadline"),
    (Control::Retry, "retry"),
    (Control::Breaker, "breaker"),
    (Control::AttemptTimeout, "timeout"),
    (Control::Bulkhead, "bulkhead"),
];

#[test]
fn every_guard_is_in_the_inventory_with_its_settings() {
    let app = built(|payments| payments);
    let kinds = kinds(&app, "payments");
    for (control, kind) in GUARDS {
        assert!(kinds.contains(&kind), "{control}: {kinds:?}");
    }
    assert!(!kinds.contains(&"waiver"));
    let entries = entries(&app, "payments");
    assert_eq!(setting(&entries, "deadline", "total"), "5s");
    assert_eq!(setting(&entries, "timeout", "limit"), "1.5s");
    assert_eq!(setting(&entries, "dependency", "url"), "http://127.0.0.1:1/");
    assert_eq!(setting(&entries, "dependency", "criticality"), "critical");
}

#[test]
fn a_guard_that_is_left_out_is_in_the_inventory_as_a_waiver_alone() {
    for (control, kind) in GUARDS {
        let app = built(|payments| payments.without(control, "measured elsewhere"));
        let kinds = kinds(&app, "payments");
        assert!(!kinds.contains(&kind), "{control}: {kinds:?}");
        for (_, other) in GUARDS.iter().filter(|(_, other)| *other != kind) {
            assert!(kinds.contains(other), "without {control}: {kinds:?}");
        }
        let waivers: Vec<_> = entries(&app, "payments")
            .into_iter()
            .filter(|entry| entry.kind == "waiver")
            .collect();
        assert_eq!(waivers.len(), 1, "{control}");
        assert_eq!(waivers[0].name, format!("payments: {control}"));
        assert_eq!(waivers[0].settings, [("reason", "measured elsewhere".to_owned())]);
        assert!(app.findings().is_empty());
    }
}

#[test]
fn a_waiver_that_has_ended_leaves_nothing_out_and_is_found() {
    let app = built(|payments| payments.without_until(Control::Breaker, "new", "2020-01-31"));
    assert!(kinds(&app, "payments").contains(&"breaker"));
    let waiver = entries(&app, "payments")
        .into_iter()
        .find(|entry| entry.kind == "waiver");
    assert_eq!(waiver.unwrap().state, "ended");
    let found: Vec<_> = app.findings().iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("`breaker` was left out until 2020-01-31"),
        "{found:?}"
    );

    let app = built(|payments| payments.without_until(Control::Breaker, "new", "2999-01-31"));
    assert!(!kinds(&app, "payments").contains(&"breaker"));
    assert!(app.findings().is_empty());
}

/// Calls until somebody refuses, 30 times at most, and returns how many calls were begun.
async fn begun(control: Option<Control>) -> usize {
    let mut app = builder();
    let payments = app.dependency("payments");
    let payments = match control {
        Some(control) => payments.without(control, "measured elsewhere"),
        None => payments,
    };
    let guard = payments.guard();
    let begun = std::cell::Cell::new(0);
    for _ in 0..30 {
        let failing = || {
            begun.set(begun.get() + 1);
            ready(Err::<(), _>(std::io::Error::other("failed")))
        };
        let ended = guard.call_idempotent(failing).await;
        if matches!(ended, Err(Guarded::Refused(_))) {
            break;
        }
    }
    begun.get()
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_left_out_lets_everything_through() {
    assert_eq!(begun(None).await, 20, "the circuit opens");
    assert!(begun(Some(Control::Breaker)).await >= 30);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_left_out_tries_once() {
    let failing = || ready(Err::<(), _>(std::io::Error::other("failed")));
    for (without, calls) in [(false, 3), (true, 1)] {
        let mut app = builder();
        let payments = app.dependency("payments");
        let payments = if without {
            payments.without(Control::Retry, "appends")
        } else {
            payments
        };
        let guard = payments.guard();
        guard.call_idempotent(failing).await.unwrap_err();
        assert_eq!(guard.dependency().breaker().snapshot().calls, calls);
    }
}

#[tokio::test(start_paused = true)]
async fn limits_that_are_left_out_do_not_hold() {
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok::<_, std::io::Error>(())
    };
    let slower = || async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok::<_, std::io::Error>(())
    };
    let mut app = builder();
    let all = app.dependency("all").guard();
    all.call(slow).await.unwrap_err();
    let attempt = app
        .dependency("attempt")
        .without(Control::AttemptTimeout, "batch")
        .guard();
    attempt.call(slow).await.unwrap();
    attempt.call(slower).await.unwrap_err();
    let both = app.dependency("both").without(Control::AttemptTimeout, "batch");
    let both = both.without(Control::Deadline, "batch").guard();
    both.call(slower).await.unwrap();

    let one = |payments: DependencyBuilder<'_>| payments.bulkhead(|bulkhead| bulkhead.concurrent(1).queue(0)).guard();
    for (guard, refused) in [
        (one(app.dependency("places")), true),
        (
            one(app.dependency("crowd").without(Control::Bulkhead, "one caller")),
            false,
        ),
    ] {
        let (_, second) = tokio::join!(guard.call(yielding), guard.call(|| ready(Ok::<_, BoxError>(()))));
        assert_eq!(second.is_err(), refused);
    }
}

async fn yielding() -> Result<(), BoxError> {
    tokio::task::yield_now().await;
    Ok(())
}

fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("seaworthy-runbook-{}-{name}.md", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn everything_wrong_is_named_at_once_and_no_secret_is_shown() {
    let empty = file("empty", " \n");
    let mut app = builder()
        .setting("dependencies.rates.deadline", "soon")
        .setting("dependencies.rates.attempts", "0")
        .setting("dependencies.rates.colour", "hunter2");
    let _ = app.dependency("reasonless").without(Control::Retry, " ").guard();
    let _ = app.dependency("twice").guard();
    let _ = app.dependency("twice").guard();
    let _ = app.dependency("lost").runbook("/nowhere/lost.md").guard();
    let _ = app.dependency("empty").runbook(&empty).guard();
    let _ = app.dependency("unparsable").http("http://user:hunter2@payments");
    let _ = app.dependency("unfit").retry(|retry| retry.attempts(0)).guard();
    let _ = app.dependency("hasty").attempt_timeout(Duration::ZERO).guard();
    let _ = app.dependency("rates").http(URL);
    let _ = app
        .dependency("elsewhere")
        .without(Control::LoadShed, "not here")
        .guard();
    let _ = app
        .dependency("someday")
        .without_until(Control::Retry, "new", "soon")
        .guard();
    let _ = app.dependency("pathless").health_path("healthz").http(URL);
    let _ = app.dependency("offline").health_path("/healthz").guard();
    let _ = app.dependency("older").http2().layer();
    let _ = app.dependency("Not/a name").guard();
    let _ = app
        .dependency("again")
        .without(Control::Retry, "one")
        .without_until(Control::Retry, "two", "2020-01-01")
        .guard();
    let wrong = wrong(app);
    for named in [
        "`dependency` is a text of 10 characters; it must be a name of 1 to 64 lowercase letters",
        "`dependency again.without.retry` is left out twice",
        "`dependency reasonless.without.retry` is without a reason",
        "`dependency twice` is declared twice",
        "`dependency lost.runbook` is the file /nowhere/lost.md, which is not there",
        "`dependency empty.runbook` is the file",
        "`dependencies.unparsable.url` is a text of 28 characters",
        "`retry.unfit.attempts` is 0",
        "`timeout.hasty.limit` is 0ns",
        "`dependencies.rates.deadline` is a text of 4 characters",
        "`dependencies.rates.attempts` is",
        "`dependencies.rates.colour` is unknown",
        "`dependency elsewhere.without.load_shed` is not there",
        "`dependency someday.without.retry.until` is no day",
        "`dependency pathless.health_path` is a text of 7 characters",
        "`dependency offline.health_path` is said of a dependency that is not called by `http`",
        "`dependency older.http2` is said of a dependency that is not called by `http`",
    ] {
        assert!(wrong.contains(named), "{named} is not in:\n{wrong}");
    }
    assert!(!wrong.contains("hunter2"), "{wrong}");
    std::fs::remove_file(empty).unwrap();
}

#[test]
fn a_guard_that_guards_nothing_and_was_not_left_out_is_found() {
    let app = built(|payments| {
        let once = payments.retry(|retry| retry.attempts(1).without_budget());
        once.breaker(|breaker| breaker.shadow(true))
    });
    let found: Vec<_> = app.findings().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "dependency payments: a retry of one attempt guards nothing, and nobody has said why; \
             say it by `.without(Control::Retry, reason)`",
            "dependency payments: a retry without a budget guards nothing, and nobody has said why; \
             say it by `.without(Control::Retry, reason)`",
            "dependency payments: a breaker that only watches guards nothing, and nobody has said why; \
             say it by `.without(Control::Breaker, reason)`",
        ]
    );
}

#[test]
fn a_runbook_that_says_something_is_in_the_inventory() {
    let runbook = file("full", "Call payments' owner.");
    let app = built(|payments| payments.runbook(&runbook));
    let entries = entries(&app, "payments");
    assert_eq!(setting(&entries, "dependency", "runbook"), runbook.to_str().unwrap());
    std::fs::remove_file(runbook).unwrap();
}

#[test]
fn a_name_without_wiring_is_missing() {
    let mut app = builder();
    let _ = app.dependency("named");
    let layer = app.dependency("layered").layer();
    let _ = app.dependency("guarded").guard();
    let app = app.build().unwrap();
    let state = |name: &str| entries(&app, name)[0].state;
    assert_eq!(
        (state("named"), state("layered"), state("guarded")),
        ("missing", "missing", "on")
    );
    assert_eq!(kinds(&app, "layered"), ["dependency"], "no guard guards anything yet");
    let found: Vec<_> = app.findings().iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(found, ["dependency named"]);

    let _client = layer.layer(service_fn(|()| ready(Ok::<_, BoxError>(()))));
    assert_eq!(state("layered"), "on");
    assert!(kinds(&app, "layered").contains(&"breaker"));
}

#[test]
fn settings_win_over_what_the_program_says() {
    let mut app = builder()
        .setting("dependencies.payments.url", "http://127.0.0.2:8081/v2")
        .setting("dependencies.payments.deadline", "4500ms")
        .setting("dependencies.payments.attempt_timeout", "700ms")
        .setting("dependencies.payments.attempts", "5")
        .setting("dependencies.payments.concurrent", "7");
    let payments = app.dependency("payments").deadline(Duration::from_secs(9));
    let _ = payments.http(URL);
    let app = app.build().unwrap();
    let entries = entries(&app, "payments");
    for (kind, key, value) in [
        ("dependency", "url", "http://127.0.0.2:8081/v2/"),
        ("deadline", "total", "4.5s"),
        ("timeout", "limit", "700ms"),
        ("timeout", "body_total", "700ms"),
        ("retry", "attempts", "5"),
        ("bulkhead", "concurrent", "7"),
    ] {
        assert_eq!(setting(&entries, kind, key), value, "{kind} {key}");
    }
    assert_eq!(app.dependency_url("payments").unwrap(), "http://127.0.0.2:8081/v2/");
    assert!(app.findings().is_empty());
}

#[test]
fn settings_that_change_nothing_are_found() {
    let mut app = builder()
        .setting("dependencies.ledger.url", URL)
        .setting("dependencies.ledger.attempts", "5")
        .setting("dependencies.nobody.deadline", "1s");
    let _ = app.dependency("ledger").without(Control::Retry, "appends").guard();
    let app = app.build().unwrap();
    let found: Vec<_> = app.findings().iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("the setting `url` changes nothing"), "{found:?}");
    assert!(found[1].contains("the setting `attempts` changes nothing"), "{found:?}");
    assert!(found[2].contains("the program does not declare it"), "{found:?}");
}

/// Serves what asks for nothing, with one dependency whose circuit is open, and returns what `/healthz` says of it and the
/// status of `/readyz` when it has been checked.
async fn health(change: impl FnOnce(DependencyBuilder<'_>) -> DependencyBuilder<'_>) -> (String, u16) {
    let mut app = builder();
    let client = change(app.dependency("payments")).http(URL);
    client.dependency().breaker().force_open();
    let served = Served::start(app.build().unwrap(), Router::new());
    let check = async || {
        let told = get(served.admin, "/healthz").await.body;
        serde_json::from_str::<serde_json::Value>(&told).unwrap()["checks"]["payments:responseTime"][0].take()
    };
    eventually("checked", async || !check().await["time"].is_null()).await;
    eventually("started", async || get(served.admin, "/startupz").await.status == 200).await;
    let ready = get(served.admin, "/readyz").await.status;
    (check().await["status"].as_str().unwrap().to_owned(), ready)
}

#[tokio::test]
async fn an_open_circuit_shows_in_healthz_and_makes_unready_only_what_needs_it() {
    assert_eq!(health(|payments| payments).await, ("warn".to_owned(), 200));
    let needed = health(|payments| payments.needed_for_readiness()).await;
    assert_eq!(needed, ("fail".to_owned(), 503));
}

#[tokio::test(start_paused = true)]
async fn a_service_is_ready_again_when_the_circuit_would_let_a_call_through_although_none_comes() {
    let mut app = builder();
    let brittle = app.dependency("payments").needed_for_readiness().breaker(|breaker| {
        let once = breaker.window(Window::Consecutive(1)).open_jitter(0);
        once.open(15 * SECOND, 15 * SECOND)
    });
    let guard = brittle.guard();
    let app = app.build().unwrap();
    app.health().start(&Handle::current());
    let mut seen = Vec::new();
    for time in [SECOND, 11 * SECOND, 11 * SECOND] {
        // Lets the time pass, one timer after the other.
        let _ = tokio::time::timeout(time, pending::<()>()).await;
        seen.push(app.health().phase());
        if seen.len() == 1 {
            let failing = || ready(Err::<(), _>(std::io::Error::other("failed")));
            guard.call(failing).await.unwrap_err();
        }
    }
    assert_eq!(seen, [Phase::Ready, Phase::NotReady, Phase::Ready]);
}

#[tokio::test]
async fn the_health_path_says_whether_it_works() {
    for (act, ready) in [(Act::Status(204), 200), (Act::Status(503), 503)] {
        let upstream = Upstream::start().await;
        upstream.always(act);
        let mut app = builder();
        let payments = app.dependency("payments").needed_for_readiness();
        let _ = payments
            .health_path("/healthz?deep=1")
            .http(format!("{}/v1", upstream.url()));
        let served = Served::start(app.build().unwrap(), Router::new());
        eventually("asked", async || upstream.count() > 0).await;
        eventually("told", async || get(served.admin, "/readyz").await.status == ready).await;
        assert_eq!(upstream.seen()[0].path, "/v1/healthz?deep=1");
    }
}
