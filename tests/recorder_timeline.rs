//! `/timeline` over real sockets: what a service tells of what happened to it.

mod support;

use std::future::pending;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use http::Method;
use seaworthy::rate_limit::Quota;
use seaworthy::timeout::Timeout;
use seaworthy::{App, AppBuilder, AppError, Endpoint};
use serde_json::Value;
use support::{Served, builder, eventually, get, send};

fn router() -> Router {
    Router::new()
        .route("/ok", on_get(|| async { "ok" }))
        .route("/panics", on_get(|| async { assert_eq!(1, 2, "hunter2") }))
        .route("/hang", on_get(pending::<()>))
}

async fn entries(served: &Served) -> Vec<Value> {
    let answer = get(served.admin, "/timeline").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let timeline: Value = serde_json::from_str(&answer.body).unwrap();
    timeline["entries"].as_array().unwrap().clone()
}

/// Those of one kind and name.
async fn of(served: &Served, kind: &str, name: &str) -> Vec<Value> {
    let mut entries = entries(served).await;
    entries.retain(|entry| entry["kind"] == kind && entry["name"] == name);
    entries
}

#[tokio::test]
async fn the_timeline_is_told_oldest_first_with_times_and_causes() {
    let served = Served::start(builder().build().unwrap(), router());
    eventually("ready", || async { get(served.admin, "/readyz").await.status == 200 }).await;
    eventually("serving", || async {
        !of(&served, "service", "tested").await.is_empty()
    })
    .await;
    let entries = entries(&served).await;
    let serving = entries.iter().find(|entry| entry["what"] == "serving").unwrap();
    let expected = format!("listening on {}, admin on {}", served.addr, served.admin);
    assert_eq!(
        [&serving["kind"], &serving["name"], &serving["detail"]],
        ["service", "tested", &expected]
    );
    let ready = entries.iter().find(|entry| entry["to"] == "ready").unwrap();
    assert_eq!([&ready["what"], &ready["from"]], ["state", "starting"], "{ready}");
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(entry["seq"], number);
        let time = entry["time"].as_str().unwrap();
        assert!(
            time.len() == 24 && time.starts_with("20") && time.ends_with('Z'),
            "{time}"
        );
    }
    assert!(entries.is_sorted_by_key(|entry| entry["at_ms"].as_f64().unwrap()));
}

#[tokio::test]
async fn phases_of_the_shutdown_are_told_while_it_lasts() {
    let app = builder()
        .setting("shutdown.drain", "60s")
        .setting("shutdown.grace_period", "120s");
    let served = Served::start(app.build().unwrap(), router());
    let mut hanging = support::Connection::open(served.addr).await;
    hanging.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("in flight", || async {
        let text = get(served.admin, "/metrics").await.body;
        support::metric(&text, "http_server_active_requests", &[]) == Some(1.0)
    })
    .await;
    served.shutdown.begin(seaworthy::shutdown::Cause::Requested);
    eventually("draining", || async {
        let told = of(&served, "shutdown", "").await;
        told.iter()
            .map(|entry| entry["to"].as_str().unwrap())
            .eq(["holding", "draining"])
    })
    .await;
    let held = of(&served, "shutdown_phase", "holding").await;
    assert_eq!([&held[0]["what"], &held[0]["result"]], ["finished", "done"], "{held:?}");
    assert_eq!(of(&served, "shutdown", "").await[0]["detail"], "request");
}

#[tokio::test]
async fn text_is_one_escaped_line_an_entry() {
    let app = builder().build().unwrap();
    let hostile = Timeout::builder("pay\nments\u{1b}[2J")
        .events(app.events())
        .build()
        .unwrap();
    hostile
        .reconfigure(|config| config.limit = Duration::from_secs(2))
        .unwrap();
    let served = Served::start(app, router());
    eventually("serving", || async {
        !of(&served, "service", "tested").await.is_empty()
    })
    .await;
    for answer in [
        get(served.admin, "/timeline?format=text").await,
        send(served.admin, "GET", "/timeline", &["accept: text/plain"], "").await,
    ] {
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let mut lines = answer.body.lines();
        assert!(lines.next().unwrap().starts_with("# tested: "), "{}", answer.body);
        assert!(lines.all(|line| line.contains(" #")), "{}", answer.body);
        assert!(
            answer.body.contains(r"timeout pay\nments\u{1b}[2J: settings"),
            "{}",
            answer.body
        );
        assert!(
            answer.body.contains("service tested: serving: listening on "),
            "{}",
            answer.body
        );
    }
}

#[tokio::test]
async fn the_timeline_is_only_there_where_everything_is_and_only_for_reading() {
    let exposed = [
        ("0.0.0.0:0", "probes", 404),
        ("0.0.0.0:0", "all", 200),
        ("127.0.0.1:0", "probes", 200),
    ];
    for (address, expose, status) in exposed {
        let app = builder()
            .setting("admin.listen", address)
            .setting("admin.expose", expose);
        let served = Served::start(app.build().unwrap(), router());
        let admin = (std::net::Ipv4Addr::LOCALHOST, served.admin.port()).into();
        assert_eq!(get(admin, "/timeline").await.status, status, "{address} {expose}");
        assert_eq!(
            get(served.addr, "/timeline").await.status,
            404,
            "never on the service's own address"
        );
        if status == 200 {
            assert_eq!(send(admin, "POST", "/timeline", &[], "").await.status, 405);
        }
    }
}

#[tokio::test]
async fn refusals_are_told_in_aggregate_with_their_number() {
    let limited = Endpoint::default().rate_limit(Quota::per(1, Duration::from_secs(3600)));
    let app = builder().endpoint(Method::GET, "/ok", limited).build().unwrap();
    let served = Served::start(app, router());
    let mut refused = 0;
    for _ in 0..300 {
        refused += u64::from(get(served.addr, "/ok").await.status == 429);
    }
    assert_eq!(refused, 299);
    let told = async || {
        let mut counted = entries(&served).await;
        counted.retain(|entry| entry["kind"] == "rate_limit" && entry["what"] == "counted");
        counted
    };
    eventually("all are told", async || {
        let details: Vec<_> = told().await;
        let counts = details.iter().map(|entry| {
            let detail = entry["detail"].as_str().unwrap();
            let count = detail.strip_prefix("refused ").unwrap().split(' ').next().unwrap();
            count.parse::<u64>().unwrap()
        });
        counts.sum::<u64>() == refused
    })
    .await;
    let told = told().await;
    assert!(told.len() <= 8, "in aggregate: {told:?}");
    assert!(told[0]["detail"].as_str().unwrap().ends_with(" s"), "{told:?}");
}

#[tokio::test]
async fn a_request_that_panics_is_told_without_what_it_said() {
    let app = builder().endpoint(Method::GET, "/panics", Endpoint::default());
    let served = Served::start(app.build().unwrap(), router());
    assert_eq!(get(served.addr, "/panics").await.status, 500);
    eventually("told", || async { !of(&served, "request", "/panics").await.is_empty() }).await;
    let told = of(&served, "request", "/panics").await;
    assert_eq!([&told[0]["result"], &told[0]["detail"]], ["panic", "GET"], "{told:?}");
    assert!(!get(served.admin, "/timeline").await.body.contains("hunter2"));
}

#[tokio::test]
async fn two_services_have_timelines_of_their_own() {
    let [one, other] = ["one", "other"].map(|name| {
        let app = App::builder(name).signals(false).setting("log.filter", "off");
        let app = app
            .setting("server.listen", "127.0.0.1:0")
            .setting("admin.listen", "127.0.0.1:0");
        Served::start(app.build().unwrap(), router())
    });
    for (served, name, stranger) in [(&one, "one", "other"), (&other, "other", "one")] {
        eventually("serving", || async { !of(served, "service", name).await.is_empty() }).await;
        assert!(of(served, "service", stranger).await.is_empty());
    }
}

#[tokio::test]
async fn the_recorder_is_in_the_inventory() {
    let served = Served::start(builder().build().unwrap(), router());
    eventually("recorded", || async { !entries(&served).await.is_empty() }).await;
    let inventory: Value = serde_json::from_str(&get(served.admin, "/inventory").await.body).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["kind"] == "recorder").unwrap();
    assert_eq!(
        [&entry["state"], &entry["settings"]["slots"], &entry["settings"]["file"]],
        ["in_memory", "1024", "none"]
    );
    assert!(entry["counters"]["recorded"].as_u64() > Some(0), "{entry}");
    assert_eq!(
        [&entry["counters"]["overwritten"], &entry["counters"]["unwritten"]],
        [0, 0],
        "{entry}"
    );
}

#[test]
fn a_file_that_cannot_be_opened_stops_the_start_and_names_its_setting() {
    for path in ["/nowhere/timeline.jsonl", "/", "/dev/null"] {
        let app: AppBuilder = builder().setting("recorder.file", path);
        let refused = app.build().unwrap().bind().unwrap_err();
        let AppError::Settings(wrong) = refused else {
            panic!("{refused}");
        };
        let wrong = &wrong.as_slice()[0];
        assert_eq!(wrong.key, "recorder.file");
        assert!(
            wrong.found.contains("cannot be opened (") && !wrong.found.contains(path),
            "{wrong}"
        );
    }
}
