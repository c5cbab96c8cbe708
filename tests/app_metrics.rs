//! What `/metrics` says of the service itself, in both formats, over real sockets.

mod support;

use axum::Router;
use axum::routing::{any, get as on_get};
use http::Method;
use seaworthy::{App, Endpoint};
use support::{Answer, Connection, Served, builder, eventually, get, metric, send};

fn app() -> App {
    builder()
        .endpoint(Method::GET, "/things/{id}", Endpoint::default())
        .setting("server.critical_places", "4")
        .setting("server.other_places", "4")
        .build()
        .unwrap()
}

fn router() -> Router {
    Router::new()
        .route("/things/{id}", any(|| async { "thing" }))
        .route("/panic", on_get(|| async { assert_eq!(1, 2) }))
        .route("/hang", on_get(std::future::pending::<()>))
}

async fn scrape(served: &Served, accept: &str) -> Answer {
    send(served.admin, "GET", "/metrics", &[accept], "").await
}

#[tokio::test]
async fn a_scraper_gets_the_format_that_it_asks_for() {
    let served = Served::start(app(), router());
    get(served.addr, "/things/1").await;
    let text = get(served.admin, "/metrics").await;
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert_eq!(text.header("vary"), Some("accept"));
    assert!(
        text.body.contains("\n# TYPE process_cpu_seconds_total counter\n"),
        "{text:?}"
    );
    let accept = "accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let open = scrape(&served, accept).await;
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("content-type"), Some(expected));
    assert!(open.body.ends_with("\n# EOF\n"), "{}", open.body);
    assert!(!open.body.contains("\n\n"), "{}", open.body);
    for text in [&text.body, &open.body] {
        let undescribed = text
            .lines()
            .zip(text.lines().skip(1))
            .find(|(help, kind)| kind.starts_with("# TYPE") && !help.starts_with("# HELP"));
        assert_eq!(undescribed, None);
        assert!(text.starts_with("# HELP "), "{text}");
    }
}

#[tokio::test]
async fn panics_cancellations_and_refusals_are_what_they_are_in_open_metrics_too() {
    let served = Served::start(app(), router());
    get(served.addr, "/panic").await;
    send(served.addr, "GET", "/hang", &["x-request-timeout-ms: 20"], "").await;
    let mut caller = Connection::open(served.addr).await;
    caller.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let series = async |name: &str, labels: &[&str]| {
        let accept = "accept: application/openmetrics-text";
        metric(&scrape(&served, accept).await.body, name, labels)
    };
    eventually("in flight", || async {
        series("http_server_active_requests", &[]).await == Some(1.0)
    })
    .await;
    drop(caller);
    const COUNT: &str = "http_server_request_duration_seconds_count";
    eventually("counted", || async {
        series(COUNT, &[r#"error_type="cancelled""#]).await == Some(1.0)
    })
    .await;
    assert_eq!(series(COUNT, &[r#"code="500",error_type="panic""#]).await, Some(1.0));
    assert_eq!(
        series("seaworthy_refusals_total", &[r#"policy="timeout""#]).await,
        Some(1.0)
    );
    assert_eq!(series(COUNT, &[r#"code="504""#]).await, Some(1.0));
}

#[tokio::test]
async fn the_runtime_that_serves_says_what_it_does() {
    let served = Served::start(app(), router());
    let text = get(served.admin, "/metrics").await.body;
    let value = |name: &str| metric(&text, name, &[]).unwrap_or_else(|| panic!("{name}: {text}"));
    // This test's, of one thread; the admin plane has another.
    assert_eq!(value("tokio_workers"), 1.0);
    // The accept loop, what the health does, and this request of the test's own client is none.
    assert!(value("tokio_alive_tasks") >= 1.0, "{text}");
    assert!(value("tokio_busy_seconds_total") > 0.0, "{text}");
    assert!(value("tokio_global_queue_depth") >= 0.0, "{text}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_says_what_it_uses() {
    let served = Served::start(app(), router());
    let text = get(served.admin, "/metrics").await.body;
    let value = |name: &str| metric(&text, name, &[]).unwrap_or_else(|| panic!("{name}: {text}"));
    for name in ["process_resident_memory_bytes", "process_virtual_memory_bytes"] {
        assert!(value(name) > 1e6, "{text}");
    }
    assert!(value("process_start_time_seconds") > 1.6e9, "{text}");
    assert!(value("process_threads") >= 2.0, "{text}");
    let (open, most) = (value("process_open_fds"), value("process_max_fds"));
    assert!(open > 3.0 && open < most, "{text}");
    let files = metric(&text, "seaworthy_saturation", &[r#"kind="open_files""#]).unwrap();
    assert!(files > 0.0 && files < 1.0, "{text}");
    let before = value("process_cpu_seconds_total");
    eventually("time of a CPU is used", || async {
        let text = get(served.admin, "/metrics").await.body;
        let now = metric(&text, "process_cpu_seconds_total", &[]).unwrap();
        assert!(now >= before);
        // In fractions, which a counter of the facade has not.
        now > before && now.fract() > 0.0
    })
    .await;
}

#[tokio::test]
async fn saturation_rises_with_what_is_taken_and_falls_again() {
    let served = Served::start(app(), router());
    let mut caller = Connection::open(served.addr).await;
    caller.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let saturation = async |labels: &[&str]| {
        let text = get(served.admin, "/metrics").await.body;
        metric(&text, "seaworthy_saturation", labels).unwrap_or_else(|| panic!("{labels:?}: {text}"))
    };
    let places = [r#"kind="bulkhead""#, r#"name="inbound/critical""#];
    eventually("a place of four is taken", || async {
        saturation(&places).await == 0.25
    })
    .await;
    assert!(saturation(&[r#"kind="server",name="server""#]).await > 0.0);
    assert!(saturation(&[r#"kind="adaptive""#]).await > 0.0);
    let inventory: serde_json::Value = serde_json::from_str(&get(served.admin, "/inventory").await.body).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let critical = entries
        .iter()
        .find(|entry| entry["name"] == "inbound/critical")
        .unwrap();
    assert_eq!(critical["gauges"]["saturation"], 0.25);
    drop(caller);
    eventually("it is free again", || async { saturation(&places).await == 0.0 }).await;
}

#[tokio::test]
async fn every_metric_stands_in_the_docs() {
    let served = Served::start(app(), router());
    send(served.addr, "GET", "/hang", &["x-request-timeout-ms: 20"], "").await;
    let docs = std::fs::read_to_string("src/docs/telemetry.md").unwrap();
    let text = get(served.admin, "/metrics").await.body;
    let families = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let missing: Vec<_> = families
        .filter(|(name, kind)| !docs.contains(&format!("| `{name}` | {kind} | ")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// So many lines may one service's `/metrics` have that declares one endpoint, whatever it is asked for.
const MOST_LINES: usize = 1_000;

#[tokio::test]
async fn five_thousand_hostile_requests_add_no_more_series_than_they_may() {
    let served = Served::start(app(), router());
    let mut random = fastrand::Rng::with_seed(9);
    let known = [
        "GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND",
    ];
    for number in 0..5_000 {
        let mut word = || -> String { (0..random.usize(1..20)).map(|_| random.alphanumeric()).collect() };
        let (method, path, name, value) = (word(), word(), word(), word());
        let method = if number % 2 == 0 {
            known[number % known.len()]
        } else {
            &method
        };
        let path = format!("/{}{path}", ["", "things/", "panic?", "%2e%2e/"][number % 4]);
        let headers = [
            format!("x-{name}: {value}"),
            format!("host: {value}.example"),
            format!("x-request-id: {value}"),
            format!("user-agent: {value}\"}} 1"),
            format!("traceparent: 00-{value}-{name}-01"),
            format!("x-criticality: {value}"),
        ];
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        let answer = send(served.addr, method, &path, &headers[number % 5..], "").await;
        assert!(answer.status < 600);
    }
    let text = get(served.admin, "/metrics").await.body;
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(lines <= MOST_LINES, "{lines}: {text}");
    let counted: f64 = text
        .lines()
        .filter(|line| line.starts_with("http_server_request_duration_seconds_count"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    assert!(counted > 4_000.0, "{counted}");
}
