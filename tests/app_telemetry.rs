//! What `/metrics` says of every kind of end, over real sockets.

mod support;

use axum::Router;
use axum::routing::{any, get as on_get};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::Method;
use seaworthy::{App, Body, BoxError, Endpoint};
use support::{Connection, Served, builder, eventually, get, metric, send};

const COUNT: &str = "http_server_request_duration_seconds_count";

fn app() -> App {
    builder()
        .endpoint(Method::GET, "/things/{id}", Endpoint::default())
        .build()
        .unwrap()
}

fn router() -> Router {
    Router::new()
        .route("/things/{id}", any(|| async { "thing" }))
        .route("/hang", on_get(std::future::pending::<()>))
        .route("/panic", on_get(|| async { assert_eq!(1, 2) }))
        .route(
            "/breaks",
            on_get(|| async {
                let broken = async {
                    // Lets the head and the first piece go out before.
                    tokio::task::yield_now().await;
                    Err::<Bytes, BoxError>("broken".into())
                };
                let pieces = stream::iter([Ok(Bytes::from_static(b"begun"))]).chain(stream::once(broken));
                axum::body::Body::from_stream(pieces)
            }),
        )
}

async fn series(served: &Served, name: &str, labels: &[&str]) -> Option<f64> {
    metric(&get(served.admin, "/metrics").await.body, name, labels)
}

#[tokio::test]
async fn labels_are_of_a_bounded_set_whatever_is_asked_for() {
    let served = Served::start(app(), router());
    for n in 0..50 {
        send(served.addr, "GET", &format!("/things/{n}"), &[], "").await;
        send(served.addr, "GET", &format!("/nowhere/{n}?q={n}"), &[], "").await;
        send(served.addr, &format!("METHOD{n}"), "/things/1", &[], "").await;
    }
    let text = get(served.admin, "/metrics").await.body;
    let series = text.lines().filter(|line| line.starts_with(COUNT)).collect::<Vec<_>>();
    assert_eq!(series.len(), 3, "{series:#?}");
    for (labels, count) in [
        ([r#"method="GET""#, r#"route="/things/{id}""#, r#"code="200""#], 50.0),
        ([r#"method="GET""#, r#"route="undeclared""#, r#"code="404""#], 50.0),
        ([r#"method="_OTHER""#, r#"route="undeclared""#, r#"code="200""#], 50.0),
    ] {
        assert_eq!(metric(&text, COUNT, &labels), Some(count), "{series:#?}");
    }
}

#[tokio::test]
async fn a_panic_is_counted_with_its_status_and_not_as_a_cancellation() {
    let served = Served::start(app(), router());
    get(served.addr, "/panic").await;
    assert_eq!(
        series(&served, COUNT, &[r#"code="500""#, r#"error_type="panic""#]).await,
        Some(1.0)
    );
    assert_eq!(series(&served, COUNT, &[r#"error_type="cancelled""#]).await, None);
}

#[tokio::test]
async fn a_caller_who_goes_away_is_counted_as_cancelled() {
    let served = Served::start(app(), router());
    let mut caller = Connection::open(served.addr).await;
    caller.write("GET /hang HTTP/1.1\r\nhost: test\r\n\r\n").await;
    eventually("in flight", || async {
        series(&served, "http_server_active_requests", &[]).await == Some(1.0)
    })
    .await;
    drop(caller);
    let cancelled = [r#"error_type="cancelled""#];
    eventually("counted", || async {
        series(&served, COUNT, &cancelled).await == Some(1.0)
    })
    .await;
    assert_eq!(series(&served, "http_server_active_requests", &[]).await, Some(0.0));
}

#[tokio::test]
async fn a_body_that_breaks_after_a_200_head_is_an_error() {
    let served = Served::start(app(), router());
    get(served.addr, "/breaks").await;
    assert_eq!(
        series(&served, COUNT, &[r#"code="200""#, r#"error_type="body""#]).await,
        Some(1.0)
    );
}

#[tokio::test]
async fn a_success_has_no_error_type() {
    let served = Served::start(app(), router());
    get(served.addr, "/things/1").await;
    get(served.addr, "/nowhere").await;
    let text = get(served.admin, "/metrics").await.body;
    assert!(!text.contains("error_type"), "{text}");
    let buckets = text
        .lines()
        .filter(|line| line.contains("_bucket{") && line.contains("things"))
        .count();
    assert_eq!(buckets, 15, "OpenTelemetry's fourteen and +Inf: {text}");
}

#[tokio::test]
async fn the_inventory_shows_what_is_wired_from_its_live_state() {
    let served = Served::start(app(), router());
    get(served.addr, "/things/1").await;
    let answer = get(served.admin, "/inventory").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let inventory: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let entries = inventory["entries"].as_array().unwrap();
    let inbound = entries.iter().find(|entry| entry["kind"] == "timeout").unwrap();
    assert_eq!([&inbound["name"], &inbound["settings"]["limit"]], ["inbound", "10s"]);
    assert_eq!(inbound["counters"]["calls"], 1);
    assert!(
        entries
            .iter()
            .any(|entry| entry["kind"] == "shutdown" && entry["state"] == "running"),
        "{inventory:#}"
    );
}

#[tokio::test]
async fn a_service_without_bodies_to_read_answers_head_and_is_not_cancelled_by_it() {
    let served = Served::start(
        app(),
        Router::new().route(
            "/things/{id}",
            on_get(|| async { http::Response::new(Body::from("thing")) }),
        ),
    );
    assert_eq!(send(served.addr, "HEAD", "/things/1", &[], "").await.status, 200);
    assert_eq!(
        series(&served, COUNT, &[r#"method="HEAD""#, r#"code="200""#]).await,
        Some(1.0)
    );
    assert_eq!(series(&served, COUNT, &[r#"error_type="cancelled""#]).await, None);
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn what_no_endpoint_declares_is_labelled_with_the_template_of_axums_router() {
    let router = router().layer(seaworthy::web::MatchedPathLayer::new());
    let router = Router::new().nest("/shop", router.clone()).merge(router);
    let served = Served::start(app(), router);
    for n in 0..20 {
        send(served.addr, "GET", &format!("/things/{n}"), &[], "").await;
        send(served.addr, "PUT", &format!("/things/{n}"), &[], "").await;
        send(served.addr, "GET", &format!("/shop/things/{n}"), &[], "").await;
        send(served.addr, "GET", &format!("/shop/{n}"), &[], "").await;
    }
    let text = get(served.admin, "/metrics").await.body;
    for labels in [
        [r#"method="GET""#, r#"route="/things/{id}""#],
        [r#"method="PUT""#, r#"route="/things/{id}""#],
        [r#"method="GET""#, r#"route="/shop/things/{id}""#],
        [r#"method="GET""#, r#"route="undeclared""#],
    ] {
        assert_eq!(metric(&text, COUNT, &labels), Some(20.0), "{labels:?}: {text}");
    }
}

#[tokio::test]
async fn a_panic_of_a_grpc_call_is_counted_as_one_under_its_200() {
    let served = Served::start(app(), router());
    let kind = ["content-type: application/grpc"];
    let answer = send(served.addr, "GET", "/panic", &kind, "").await;
    assert_eq!((answer.status, answer.header("grpc-status")), (200, Some("13")));
    assert_eq!(
        series(&served, COUNT, &[r#"code="200""#, r#"error_type="panic""#]).await,
        Some(1.0)
    );
}
