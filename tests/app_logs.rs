//! What a service writes to its log, and how that is changed while it runs.
#![cfg(unix)]

mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::pending;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get as on_get;
use futures_util::future::join_all;
use futures_util::stream;
use seaworthy::{App, BoxError, context};
use serde_json::{Value, json};
use support::process::{Process, command};
use support::{Answer, Connection, get, send};
use tracing::{Instrument, Span, debug, error, info_span, warn};
use tracing_subscriber::util::SubscriberInitExt;

const TOKEN: &str = "correct-horse-battery";

/// Says something in every way in which a request's work may be done.
async fn work(Path(n): Path<u32>) -> Body {
    warn!(n, "handler");
    async {
        tokio::task::yield_now().await;
        warn!(n, "nested");
        let spawned = context::spawn(async move { warn!(n, "spawned") });
        let taken_along = tokio::spawn(async move { warn!(n, "taken along") }.instrument(Span::current()));
        let forgotten = tokio::spawn(async move { warn!(n, "forgotten") });
        spawned.await.unwrap();
        taken_along.await.unwrap();
        forgotten.await.unwrap();
    }
    .instrument(info_span!("outer", n).in_scope(|| info_span!("inner", of = "user")))
    .await;
    Body::from_stream(stream::once(async move {
        warn!(n, "streamed");
        Ok::<_, Infallible>("piece")
    }))
}

/// Logs while it is logged.
struct Talkative;

impl fmt::Debug for Talkative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        warn!("inner");
        f.write_str("value")
    }
}

fn router() -> Router {
    Router::new()
        .route("/work/{n}", on_get(work))
        .route("/ok", on_get(|| async { debug!(of = ?Talkative, "whispered") }))
        .route("/fails", on_get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/panics", on_get(|| async { assert_eq!(1, 2) }))
        .route(
            "/hangs",
            on_get(|| async {
                error!("hanging");
                pending::<()>().await;
            }),
        )
}

/// Not a test: this is the process that the tests start.
#[test]
#[ignore = "the process that the tests start"]
fn child() {
    seaworthy::run(async {
        if std::env::var_os("CHILD_SUBSCRIBER").is_some() {
            // Writes `serving` in a form that the tests read, and is not the service's.
            let lines =
                tracing_subscriber::fmt().event_format(tracing_subscriber::fmt::format().json().flatten_event(true));
            lines
                .fmt_fields(tracing_subscriber::fmt::format::JsonFields::new())
                .init();
        }
        if std::env::var_os("CHILD_LOGGER").is_some() {
            // Takes what is logged through the crate `log`, and leaves no subscriber.
            drop(tracing_subscriber::registry().set_default());
        }
        let app = App::builder("child").build()?;
        app.serve(router()).await.map_err(BoxError::from)
    });
}

async fn start(settings: &[(&str, &str)]) -> Process {
    let mut command = command(std::env::current_exe().unwrap(), settings);
    command.args(["--ignored", "--exact", "child", "--nocapture"]);
    if settings.contains(&("CHILD", "subscriber")) {
        command.env_remove("SEAWORTHY_CHILD").env("CHILD_SUBSCRIBER", "1");
    }
    if settings.contains(&("CHILD", "logger")) {
        command.env_remove("SEAWORTHY_CHILD").env("CHILD_LOGGER", "1");
    }
    Process::start_unready(command).await
}

#[tokio::test]
async fn a_logger_of_the_crate_log_that_was_there_before_costs_no_line() {
    let mut process = start(&[("CHILD", "logger")]).await;
    assert_eq!(get(process.addr, "/ok").await.status, 200);
    assert_eq!(process.log.find("request").await["status"], 200);
    assert_eq!(get(process.admin, "/log").await.body, "info\n");
}

async fn put(process: &Process, filter: &str, token: Option<&str>) -> Answer {
    let header = token.map(|token| format!("authorization: Bearer {token}"));
    let headers: Vec<_> = header.iter().map(String::as_str).collect();
    send(process.admin, "PUT", "/log", &headers, filter).await
}

fn ids(line: &Value) -> [Option<&str>; 3] {
    ["request_id", "trace_id", "span_id"].map(|id| line.get(id).and_then(Value::as_str))
}

fn is_complete(line: &Value, request_id: Option<&str>) -> bool {
    let [request, trace, span] = ids(line);
    request.is_some() && request == request_id && trace.map(str::len) == Some(32) && span.map(str::len) == Some(16)
}

/// Sends several requests at once, and checks the lines of each.
async fn every_line_has_its_own_ids(filter: &str) -> BTreeMap<String, Value> {
    const REQUESTS: usize = 8;
    let mut process = start(&[("LOG__FILTER", filter)]).await;
    let paths: Vec<_> = (0..REQUESTS).map(|n| format!("/work/{n}")).collect();
    let answers = join_all(paths.iter().map(|path| get(process.addr, path))).await;
    let mut spans = BTreeMap::new();
    let mut found = 0;
    while found < REQUESTS * 6 {
        let line = process.log.next().await;
        let Some(n) = line["n"].as_u64() else { continue };
        let message = line["message"].as_str().unwrap().to_owned();
        if message == "forgotten" {
            assert_eq!(ids(&line), [None; 3], "{line}");
        } else if message != "taken along" || filter == "info" {
            assert!(is_complete(&line, answers[n as usize].header("x-request-id")), "{line}");
        }
        spans.insert(message, line["spans"].clone());
        found += 1;
    }
    spans
}

#[tokio::test]
async fn every_line_within_a_request_has_its_ids_and_no_other_has() {
    let spans = every_line_has_its_own_ids("info").await;
    for message in ["nested", "spawned", "taken along"] {
        let [outer, inner] = [0, 1].map(|span| &spans[message][span]);
        assert!(
            outer["name"] == "outer" && outer["n"].is_number(),
            "{message}: {spans:?}"
        );
        assert_eq!(*inner, json!({"name": "inner", "of": "user"}), "{message}");
    }
    for message in ["handler", "streamed", "forgotten"] {
        assert_eq!(spans[message], Value::Null, "{message}");
    }
}

#[tokio::test]
async fn they_are_there_also_if_the_filter_leaves_spans_out() {
    // The first line, which says where it serves, is one of `seaworthy`.
    every_line_has_its_own_ids("warn,seaworthy=info,seaworthy::web=warn").await;
}

#[tokio::test]
async fn a_panic_and_a_caller_who_goes_away_are_told_with_their_ids() {
    // Without the request's span, which would know them too.
    let mut process = start(&[("LOG__FILTER", "info,seaworthy::web=warn")]).await;
    let serving = process.log.past.last().unwrap().clone();
    assert_eq!((&serving["message"], ids(&serving)), (&json!("serving"), [None; 3]));
    let answer = get(process.addr, "/panics").await;
    for message in ["request panicked", "request failed"] {
        let line = process.log.find(message).await;
        assert!(is_complete(&line, answer.header("x-request-id")), "{line}");
        assert_eq!(line.get("fields.request_id"), None, "{line}");
    }
    let mut caller = Connection::open(process.addr).await;
    caller.write("GET /hangs HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let hanging = process.log.find("hanging").await;
    drop(caller);
    let line = process.log.find("request").await;
    assert_eq!((&line["error"], ids(&line)), (&json!("cancelled"), ids(&hanging)));
    assert!(is_complete(&line, ids(&hanging)[0]), "{line}");
}

#[tokio::test]
async fn the_filter_is_changed_while_the_service_runs() {
    let mut process = start(&[("ADMIN__TOKEN", TOKEN)]).await;
    assert_eq!(get(process.admin, "/log").await.body, "info\n");
    let answer = put(&process, " info,app_logs=debug\n", Some(TOKEN)).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "app_logs=debug,info\n"));
    let line = process.log.find("settings changed").await;
    assert_eq!([&line["kind"], &line["name"]], ["log", "filter"]);
    let answer = get(process.addr, "/ok").await;
    for (message, of) in [("inner", Value::Null), ("whispered", json!("value"))] {
        let line = process.log.find(message).await;
        assert!(is_complete(&line, answer.header("x-request-id")), "{line}");
        assert_eq!(line["of"], of, "{line}");
    }
    // Told although the new filter leaves out what tells it.
    assert_eq!(put(&process, "error", Some(TOKEN)).await.status, 200);
    process.log.find("settings changed").await;
    get(process.addr, "/ok").await;
    get(process.addr, "/hangs-not").await;
    assert_eq!(put(&process, "info", Some(TOKEN)).await.status, 200);
    let line = process.log.next_of("seaworthy").await;
    assert_eq!(line["message"], "settings changed", "{line}");
    let inventory = get(process.admin, "/inventory").await.body;
    let inventory: Value = serde_json::from_str(&inventory).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let log = entries.iter().find(|entry| entry["kind"] == "log").unwrap();
    let expected = json!({"filter": "info", "format": "json", "access_ratio": "1"});
    assert_eq!((&log["state"], &log["settings"]), (&json!("on"), &expected));
}

#[tokio::test]
async fn a_filter_that_is_none_changes_nothing_and_nobody_without_the_token_does() {
    let process = start(&[("ADMIN__TOKEN", TOKEN)]).await;
    for filter in ["info,orders=loud", "[", " "] {
        let answer = put(&process, filter, Some(TOKEN)).await;
        assert_eq!(answer.status, 400, "{filter}: {answer:?}");
        assert!(answer.body.contains("filter"), "{answer:?}");
    }
    assert_eq!(put(&process, &"x".repeat(1025), Some(TOKEN)).await.status, 413);
    for token in [None, Some("wrong"), Some("correct-horse-batter")] {
        let answer = put(&process, "trace", token).await;
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, Some("Bearer"))
        );
    }
    let answer = send(process.admin, "DELETE", "/log", &[], "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, PUT")));
    assert_eq!(get(process.admin, "/log").await.body, "info\n");
}

#[tokio::test]
async fn without_a_token_in_the_settings_nothing_can_be_changed() {
    let process = start(&[]).await;
    let answer = put(&process, "trace", Some("")).await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.body.contains("`admin.token` (SEAWORTHY_ADMIN__TOKEN)"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_subscriber_that_is_not_the_services_is_left_alone() {
    let process = start(&[("CHILD", "subscriber"), ("ADMIN__TOKEN", TOKEN)]).await;
    let answer = put(&process, "trace", Some(TOKEN)).await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("tracing_subscriber::reload"), "{answer:?}");
}

#[tokio::test]
async fn where_not_everything_is_exposed_there_is_no_log() {
    let process = start(&[("ADMIN__LISTEN", "0.0.0.0:0"), ("ADMIN__TOKEN", TOKEN)]).await;
    assert_eq!(get(process.admin, "/log").await.status, 404);
    assert_eq!(put(&process, "trace", Some(TOKEN)).await.status, 404);
}

#[tokio::test]
async fn requests_that_go_well_can_be_left_out_of_the_access_log_and_are_counted() {
    let mut process = start(&[("LOG__ACCESS_RATIO", "0")]).await;
    for path in ["/ok", "/ok", "/fails"] {
        get(process.addr, path).await;
    }
    let line = process.log.next_of("seaworthy::access").await;
    assert_eq!(
        (&line["message"], &line["status"]),
        (&json!("request failed"), &json!(500)),
        "{line}"
    );
    let metrics = get(process.admin, "/metrics").await.body;
    let left_out = [r#"kind="log""#, r#"counter="access_lines_left_out""#];
    assert_eq!(
        support::metric(&metrics, "seaworthy_counts_total", &left_out),
        Some(2.0)
    );
    let counted = support::metric(
        &metrics,
        "http_server_request_duration_seconds_count",
        &[r#"code="200""#],
    );
    assert_eq!(counted, Some(2.0));
}

#[tokio::test]
async fn the_access_log_has_all_requests_of_a_trace_or_none_with_their_ids_where_no_span_has_them() {
    let filter = "warn,seaworthy=info,seaworthy::web=warn";
    let settings = [("LOG__FILTER", filter), ("LOG__ACCESS_RATIO", "0.5")];
    let mut process = start(&settings).await;
    let half = |taken: bool| {
        let low = if taken { "0000000000000001" } else { "ffffffffffffffff" };
        format!("traceparent: 00-4bf92f3577b34da6{low}-00f067aa0ba902b7-01")
    };
    for taken in [false, true] {
        for _ in 0..16 {
            // An answer with a body, whose end is what is logged.
            let answer = send(process.addr, "GET", "/work/1", &[&half(taken)], "").await;
            assert_eq!(answer.status, 200);
        }
    }
    process.signal("INT").await;
    process.log.find("stopped").await;
    let lines: Vec<_> = process
        .log
        .past
        .iter()
        .filter(|line| line["target"] == "seaworthy::access")
        .collect();
    assert_eq!(lines.len(), 16);
    for line in lines {
        assert_eq!(line["trace_id"], "4bf92f3577b34da60000000000000001", "{line}");
        assert!(line["request_id"].is_string() && line["span_id"].is_string(), "{line}");
    }
}
