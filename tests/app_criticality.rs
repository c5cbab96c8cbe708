//! How much a request matters, over real sockets: who says so, and what the service hears.

mod support;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Method;
use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::criticality::Criticality;
use seaworthy::load_shed::LoadShed;
use seaworthy::{AppBuilder, Endpoint};
use support::{Served, builder, get, metric, send};
use tower::ServiceBuilder;

/// Answers with the class of the request's task, once from the handler and once from the body.
async fn answer() -> Body {
    let head = Criticality::current();
    let pieces = stream::iter([()]).then(async |()| {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(Bytes::from(format!(", {}", Criticality::current())))
    });
    let first = Ok(Bytes::from(head.to_string()));
    Body::from_stream(stream::iter([first]).chain(Box::pin(pieces)))
}

fn served(builder: AppBuilder) -> Served {
    let of = |class| Endpoint::default().criticality(class);
    let app = builder
        .endpoint(Method::GET, "/reports/{id}", of(Criticality::Sheddable))
        .endpoint(Method::POST, "/orders", of(Criticality::CriticalPlus))
        .endpoint(Method::GET, "/plain", Endpoint::default());
    Served::start(app.build().unwrap(), Router::new().fallback(answer))
}

/// The class of the handler and of the body, as they came in chunks.
fn told(body: &str) -> String {
    let words = body
        .split("\r\n")
        .filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic() || c == ','));
    words.filter(|word| word.len() > 3).collect()
}

async fn class_of(served: &Served, method: &str, path: &str, headers: &[&str]) -> String {
    let answer = send(served.addr, method, path, headers, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let told = told(&answer.body);
    let (head, body) = told.split_once(", ").unwrap_or_else(|| panic!("{answer:?}"));
    assert_eq!(head, body, "the class of the handler and of the body");
    head.to_owned()
}

#[tokio::test]
async fn the_class_of_an_endpoint_reaches_the_service_and_what_is_unknown_is_critical() {
    let served = served(builder());
    for (method, path, class) in [
        ("GET", "/reports/1", "sheddable"),
        ("POST", "/orders", "critical-plus"),
        ("GET", "/orders", "critical"),
        ("GET", "/plain", "critical"),
        ("GET", "/unknown", "critical"),
        ("GET", "/reports/1/unknown", "critical"),
    ] {
        assert_eq!(class_of(&served, method, path, &[]).await, class, "{method} {path}");
    }
}

#[tokio::test]
async fn the_header_counts_only_if_callers_are_trusted() {
    for (settings, header, class) in [
        (None, "critical-plus", "sheddable"),
        (Some("false"), "critical-plus", "sheddable"),
        (Some("true"), "critical-plus", "critical-plus"),
        (Some("true"), "Sheddable-Plus", "sheddable-plus"),
        (Some("true"), "critical-plus, sheddable", "sheddable"),
        (Some("true"), "\u{fffd}", "sheddable"),
        (Some("true"), "", "sheddable"),
    ] {
        let app = match settings {
            Some(trust) => builder().setting("server.trust_criticality", trust),
            None => builder(),
        };
        let served = served(app);
        let header = format!("x-criticality: {header}");
        let told = class_of(&served, "GET", "/reports/1", &[&header]).await;
        assert_eq!(told, class, "{header}, trusted: {settings:?}");
    }
}

#[tokio::test]
async fn load_is_shed_round_a_service_by_the_class_of_its_endpoints() {
    let limit = AdaptiveLimit::builder("tested").build().unwrap();
    let shed = LoadShed::builder("tested").signal("limit", limit.clone());
    let shed = shed.signal("busy", || 0.75).build().unwrap();
    let guarded = ServiceBuilder::new()
        .layer(shed.http_layer())
        .layer(limit.http_layer())
        .service(Router::new().fallback(answer));
    let of = Endpoint::default().criticality(Criticality::Sheddable);
    let app = builder().endpoint(Method::GET, "/reports/{id}", of).build().unwrap();
    let served = Served::start(app, guarded);
    assert_eq!(get(served.addr, "/orders").await.status, 200);
    let refused = get(served.addr, "/reports/1").await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.header("x-request-id").is_some());
    let text = get(served.admin, "/metrics").await.body;
    let labels = [r#"policy="load_shed""#, r#"name="tested""#, r#"reason="shed""#];
    assert_eq!(metric(&text, "seaworthy_refusals_total", &labels), Some(1.0), "{text}");
}

#[tokio::test]
async fn a_setting_that_is_neither_true_nor_false_is_refused() {
    let wrong = builder()
        .setting("server.trust_criticality", "some")
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("`server.trust_criticality`") && wrong.contains("`true` or `false`"),
        "{wrong}"
    );
}

#[tokio::test]
async fn probes_are_answered_whatever_class_somebody_claims() {
    let served = served(builder().setting("server.trust_criticality", "true"));
    assert_eq!(get(served.addr, "/livez").await.status, 200);
    let claimed = send(served.addr, "GET", "/livez", &["x-criticality: sheddable"], "").await;
    assert_eq!(claimed.status, 200);
}
