use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::health::{Check, CheckReport, ComponentType, HeartbeatReport, LastRun, Verdict};

const SECOND: Duration = Duration::from_secs(1);

/// A service that is well: one critical check, one optional, one startup task, one heartbeat.
fn report() -> HealthReport {
    HealthReport {
        phase: Phase::Ready,
        started: true,
        startup: vec![TaskReport {
            name: "migrations".into(),
            state: TaskState::Complete,
            progress: None,
        }],
        checks: vec![check("db", true), check("mail", false)],
        heartbeats: vec![HeartbeatReport {
            name: "consumer".into(),
            max_silence: SECOND,
            silence: Duration::from_millis(250),
        }],
    }
}

fn check(name: &str, critical: bool) -> CheckReport {
    CheckReport {
        name: Arc::from(name),
        critical,
        fail_open: false,
        component_type: ComponentType::Datastore,
        verdict: Verdict::Up,
        why: "up",
        last_run: Some(LastRun {
            age: SECOND,
            took: Duration::from_micros(1_250),
            time: Duration::from_millis(1_767_225_600_500),
        }),
    }
}

/// The same service with its database down.
fn unready() -> HealthReport {
    let mut report = report();
    report.phase = Phase::NotReady;
    report.checks[0].verdict = Verdict::Down;
    report.checks[0].why = "down";
    report
}

fn get(uri: &str, report: &HealthReport, detail: Detail) -> (u16, String) {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let (endpoint, part) = Endpoint::of(path).unwrap();
    let answer = endpoint.answer(part, query, report, detail);
    (answer.status.as_u16(), answer.body)
}

fn full(uri: &str, report: &HealthReport) -> (u16, String) {
    get(uri, report, Detail::Full)
}

fn is(found: (u16, String), status: u16, body: &str) {
    assert_eq!((found.0, &*found.1), (status, body));
}

#[test]
fn success_is_ok_and_no_more() {
    for path in [
        "/livez",
        "/readyz",
        "/startupz",
        "/readyz/db",
        "/readyz?verbos",
        "/readyz?exclude=db",
    ] {
        is(full(path, &report()), 200, "ok");
    }
}

#[test]
fn verbose_lists_every_line_whatever_its_value() {
    let ready = "[+]startup ok\n[+]db ok\n[+]shutdown ok\nreadyz check passed\n";
    for query in ["verbose", "verbose=false", "a&verbose", "%&verbose="] {
        is(full(&format!("/readyz?{query}"), &report()), 200, ready);
    }
    is(
        full("/livez?verbose", &report()),
        200,
        "[+]consumer ok\nlivez check passed\n",
    );
    let startup = "[+]start ok\n[+]migrations ok\nstartupz check passed\n";
    is(full("/startupz?verbose", &report()), 200, startup);
    is(
        full("/readyz/db?verbose", &report()),
        200,
        "[+]db ok\nreadyz check passed\n",
    );
}

#[test]
fn a_failure_is_always_verbose_and_withholds_its_reason() {
    let body = "[+]startup ok\n[-]db failed: reason withheld\n[+]shutdown ok\nreadyz check failed\n";
    is(full("/readyz", &unready()), 503, body);
    let one = "[-]db failed: reason withheld\nreadyz check failed\n";
    is(full("/readyz/db", &unready()), 503, one);
    is(full("/readyz/shutdown", &unready()), 200, "ok");
}

#[test]
fn draining_is_unready_by_the_line_shutdown() {
    for phase in [Phase::Draining, Phase::Stopped] {
        let report = HealthReport { phase, ..report() };
        let body = "[+]startup ok\n[+]db ok\n[-]shutdown failed: reason withheld\nreadyz check failed\n";
        is(full("/readyz", &report), 503, body);
        is(full("/livez", &report), 200, "ok");
        is(full("/startupz", &report), 200, "ok");
    }
}

#[test]
fn startup_shows_how_far_each_task_is() {
    let mut report = report();
    report.phase = Phase::Starting;
    report.startup[0].state = TaskState::Running;
    let line = |why| format!("[+]start ok\n[-]migrations failed: {why}\nstartupz check failed\n");
    is(full("/startupz", &report), 503, &line("running"));
    report.startup[0].progress = Some((3, 10));
    is(full("/startupz", &report), 503, &line("running, 3 of 10"));
    report.startup[0].state = TaskState::Failed;
    is(full("/startupz", &report), 503, &line("reason withheld"));
    is(full("/startupz/start", &report), 200, "ok");
    let ready = "[-]startup failed: reason withheld\n[+]db ok\n[+]shutdown ok\nreadyz check failed\n";
    is(full("/readyz", &report), 503, ready);
    report.started = false;
    let body = "[-]start failed: not started yet\n[-]migrations failed: reason withheld\nstartupz check failed\n";
    is(full("/startupz", &report), 503, body);
}

#[test]
fn liveness_names_what_is_late_and_how_late() {
    let mut report = report();
    report.heartbeats[0].silence = Duration::from_millis(2_500);
    is(
        full("/livez", &report),
        503,
        "[-]consumer failed: late by 1.500 s\nlivez check failed\n",
    );
    is(
        full("/livez/consumer", &report),
        503,
        "[-]consumer failed: late by 1.500 s\nlivez check failed\n",
    );
    is(full("/readyz", &report), 200, "ok");
}

#[test]
fn an_optional_or_unknown_check_has_no_path_of_its_own() {
    for path in [
        "/readyz/mail",
        "/readyz/nope",
        "/readyz/",
        "/readyz/db/",
        "/livez/db",
        "/startupz/db",
    ] {
        is(full(path, &report()), 404, "no such check\n");
    }
}

#[test]
fn an_excluded_check_does_not_count_and_an_unknown_one_is_warned_of() {
    is(full("/readyz?exclude=db", &unready()), 200, "ok");
    let body = "[+]startup ok\n[+]db excluded: ok\n[+]shutdown ok\nreadyz check passed\n";
    is(full("/readyz?exclude=db&exclude=db&verbose", &unready()), 200, body);
    let body = "[+]startup ok\n[-]db failed: reason withheld\n[+]shutdown ok\n\
                warn: some health checks cannot be excluded: no matches for \"x\",\"mail\"\nreadyz check failed\n";
    is(full("/readyz?exclude=x&exclude=mail&exclude=x", &unready()), 503, body);
    is(full("/readyz?exclude=x", &report()), 200, "ok");
}

#[test]
fn nothing_of_a_hostile_query_comes_back() {
    let body = "[+]consumer ok\nwarn: some health checks cannot be excluded: no matches for \"(not a name)\"\n\
                livez check passed\n";
    let query = "verbose&exclude=<script>&exclude=%3Cscript%3E&exclude=&exclude&exclude=a%0d%0ab&exclude=\"";
    is(full(&format!("/livez?{query}"), &report()), 200, body);
}

#[test]
fn a_query_is_read_up_to_its_bounds_and_says_when_it_is_beyond() {
    let excluded: Vec<_> = (0..40).map(|number| format!("exclude=x{number}")).collect();
    let (status, body) = full(&format!("/livez?verbose&{}", excluded.join("&")), &report());
    assert_eq!(status, 200);
    assert!(body.contains("\"x31\"\n") && !body.contains("x32"), "{body}");
    assert!(body.contains("warn: only the first 32 exclusions count\n"), "{body}");
    let long = format!("/readyz?exclude=db&{}", "x".repeat(2048));
    let body = "[+]startup ok\n[-]db failed: reason withheld\n[+]shutdown ok\n\
                warn: the query is longer than 2048 bytes and was not read\nreadyz check failed\n";
    is(full(&long, &unready()), 503, body);
}

fn json_of(found: (u16, String)) -> (u16, Value) {
    (found.0, serde_json::from_str(&found.1).unwrap())
}

#[test]
fn health_lists_every_dependency_and_heartbeat() {
    let up = json!([{
        "componentType": "datastore",
        "observedValue": 1.25,
        "observedUnit": "ms",
        "status": "pass",
        "time": "2026-01-01T00:00:00.500Z",
    }]);
    let beating = json!([{
        "componentType": "component",
        "observedValue": 250.0,
        "observedUnit": "ms",
        "status": "pass",
    }]);
    let checks = json!({
        "db:responseTime": up,
        "mail:responseTime": up,
        "consumer:silence": beating,
    });
    let expected = json!({ "status": "pass", "checks": checks });
    assert_eq!(json_of(full("/healthz", &report())), (200, expected.clone()));

    let mut warned = report();
    warned.checks[1].verdict = Verdict::Unknown;
    warned.checks[1].why = "has not run yet";
    warned.checks[1].last_run = None;
    let mut expected = expected;
    expected["status"] = "warn".into();
    expected["checks"]["mail:responseTime"] = json!([{
        "componentType": "datastore",
        "status": "warn",
        "output": "has not run yet",
    }]);
    assert_eq!(json_of(full("/healthz", &warned)), (200, expected));
}

#[test]
fn health_fails_for_a_critical_check_a_late_heartbeat_and_any_phase_but_ready() {
    let (status, body) = json_of(full("/healthz", &unready()));
    assert_eq!(
        (status, &body["status"], &body["notes"]),
        (503, &json!("fail"), &json!(["not_ready"]))
    );
    assert_eq!(body["checks"]["db:responseTime"][0]["output"], "down");

    let mut late = report();
    late.heartbeats[0].silence = 2 * SECOND;
    let (status, body) = json_of(full("/healthz", &late));
    assert_eq!(
        (status, &body["status"], body.get("notes")),
        (503, &json!("fail"), None)
    );
    assert_eq!(body["checks"]["consumer:silence"][0]["output"], "late by 1.000 s");

    for phase in [Phase::Starting, Phase::NotReady, Phase::Draining, Phase::Stopped] {
        let (status, body) = json_of(full("/healthz", &HealthReport { phase, ..report() }));
        assert_eq!(
            (status, &body["status"], &body["notes"]),
            (503, &json!("fail"), &json!([phase.label()]))
        );
    }
}

#[test]
fn status_only_tells_no_names_and_reads_no_query() {
    let get = |uri: &str, report: &HealthReport| get(uri, report, Detail::StatusOnly);
    for path in ["/livez", "/readyz", "/startupz", "/readyz?verbose"] {
        is(get(path, &report()), 200, "ok");
    }
    is(get("/readyz?verbose&exclude=db", &unready()), 503, "not ok");
    is(get("/healthz", &report()), 200, r#"{"status":"pass"}"#);
    is(get("/healthz?verbose", &unready()), 503, r#"{"status":"fail"}"#);
}

#[test]
fn a_path_is_ours_only_as_a_whole() {
    for path in [
        "",
        "/",
        "*",
        "/live",
        "/livezz",
        "/livez2",
        "/x/livez",
        "/Livez",
        "livez",
        "/healthz-x",
    ] {
        assert_eq!(Endpoint::of(path), None, "{path}");
    }
    assert_eq!(Endpoint::of("/livez"), Some((Endpoint::Live, None)));
    assert_eq!(Endpoint::of("/startupz/a/b"), Some((Endpoint::Startup, Some("a/b"))));
}

fn request(method: Method, uri: &str, detail: Detail) -> Option<Response<Bytes>> {
    let health = Health::new();
    health
        .check(Check::new("db", || async { Ok::<(), String>(()) }))
        .unwrap();
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    probe(&request, &health, detail)
}

#[test]
fn every_answer_has_the_headers_and_head_has_no_body() {
    for (uri, content_type) in [("/readyz", TEXT), ("/healthz", "application/health+json")] {
        let get = request(Method::GET, uri, Detail::Full).unwrap();
        let head = request(Method::HEAD, uri, Detail::Full).unwrap();
        assert_eq!((get.status(), get.headers()), (head.status(), head.headers()));
        assert!(!get.body().is_empty() && head.body().is_empty());
        let headers = get.headers();
        assert_eq!(headers[CONTENT_TYPE], content_type);
        assert_eq!(headers[CONTENT_LENGTH], get.body().len().to_string());
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[CACHE_CONTROL], "no-store");
    }
}

#[test]
fn any_other_method_is_refused() {
    for method in [Method::POST, Method::PUT, Method::OPTIONS, Method::DELETE] {
        let response = request(method, "/readyz", Detail::StatusOnly).unwrap();
        assert_eq!(
            (response.status(), &*response.body().clone()),
            (StatusCode::METHOD_NOT_ALLOWED, &b"only GET and HEAD\n"[..])
        );
        assert_eq!(response.headers()[ALLOW], "GET, HEAD");
    }
}

#[test]
fn paths_for_one_check_are_not_ours_with_status_only() {
    assert!(request(Method::GET, "/readyz/db", Detail::StatusOnly).is_none());
    assert!(request(Method::GET, "/readyz/db", Detail::Full).is_some());
    assert!(request(Method::GET, "/healthz/db", Detail::Full).is_none());
}
