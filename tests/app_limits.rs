//! The rate limits of endpoints, over real sockets.

mod support;

use axum::Router;
use axum::routing::get as on_get;
use http::Method;
use seaworthy::rate_limit::Quota;
use seaworthy::{App, AppBuilder, Endpoint};
use support::{Answer, Served, builder, get, metric, send};

/// Nothing comes back while a test runs.
fn a_day(requests: u32) -> Quota {
    Quota::per(requests, std::time::Duration::from_secs(24 * 60 * 60))
}

fn router() -> Router {
    Router::new()
        .route("/items/{id}", on_get(|| async { "item" }))
        .route("/free", on_get(|| async { "free" }))
}

/// Behind one proxy: two requests of each client, three of all together.
fn limited(builder: AppBuilder) -> App {
    let endpoint = Endpoint::default().rate_limit(a_day(3)).per_client(a_day(2));
    let builder = builder.setting("clients.trusted_hops", "1");
    builder.endpoint(Method::GET, "/items/{id}", endpoint).build().unwrap()
}

async fn ask(served: &Served, client: &str, path: &str) -> Answer {
    send(served.addr, "GET", path, &[&format!("x-forwarded-for: {client}")], "").await
}

#[tokio::test]
async fn each_client_has_its_own_allowance_and_what_it_is_refused_is_not_taken_from_all() {
    let served = Served::start(limited(builder()), router());
    for (client, expected) in [
        ("192.0.2.1", [200, 200, 429, 429, 429]),
        ("192.0.2.2", [200, 429, 429, 429, 429]),
    ] {
        for (n, expected) in expected.into_iter().enumerate() {
            let answer = ask(&served, client, &format!("/items/{n}")).await;
            assert_eq!(answer.status, expected, "{client}, request {n}: {answer:?}");
        }
    }
    // The address of the proxy is a client, too, and there is nothing left for it.
    assert_eq!(get(served.addr, "/items/1").await.status, 429);
    assert_eq!(
        ask(&served, "192.0.2.1", "/free").await.status,
        200,
        "no limit was declared"
    );
    assert_eq!(get(served.addr, "/livez").await.status, 200);
}

#[tokio::test]
async fn a_refusal_says_whose_limit_it_is_and_when_to_come_back() {
    let served = Served::start(limited(builder()), router());
    let first = ask(&served, "192.0.2.1", "/items/1").await;
    let told = |answer: &Answer| {
        let all = answer.headers.iter().filter(|(name, _)| name == "ratelimit");
        all.map(|(_, value)| value.clone()).collect::<Vec<_>>().join(", ")
    };
    let told_first = told(&first);
    for left in [
        r#""GET /items/{id} per client";r=1;t=43200"#,
        r#""GET /items/{id}";r=2;t=28800"#,
    ] {
        assert!(told_first.contains(left), "{first:?}");
    }
    ask(&served, "192.0.2.1", "/items/1").await;
    let refused = ask(&served, "192.0.2.1", "/items/1").await;
    assert_eq!(told(&refused), r#""GET /items/{id} per client";r=0;t=43200"#);
    assert_eq!(refused.header("retry-after"), Some("43200"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.header("x-request-id").is_some());
    for member in [
        r#""violated-policies":["GET /items/{id} per client"]"#,
        r#""status":429"#,
        "#quota-exceeded",
    ] {
        assert!(refused.body.contains(member), "{member}: {}", refused.body);
    }
}

#[tokio::test]
async fn the_settings_say_who_is_a_client_and_how_it_is_told() {
    let app = |setting: (&str, &str)| {
        limited(
            builder()
                .setting("clients.rate_limit_headers", "off")
                .setting(setting.0, setting.1),
        )
    };
    let served = Served::start(app(("clients.header", "forwarded")), router());
    // A header that no proxy of ours writes tells nothing: all of these are one client, the proxy.
    for (client, expected) in [("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.3", 429)] {
        let answer = ask(&served, client, "/items/1").await;
        assert_eq!(
            (answer.status, answer.header("ratelimit")),
            (expected, None),
            "{client}"
        );
    }
    let served = Served::start(app(("clients.ipv6_prefix", "48")), router());
    for (client, expected) in [
        ("2001:db8:1:1::1", 200),
        ("2001:db8:1:2::1", 200),
        ("2001:db8:1:3::1", 429),
    ] {
        assert_eq!(ask(&served, client, "/items/1").await.status, expected, "{client}");
    }
    let wrong = builder()
        .setting("clients.trusted_hops", "many")
        .setting("clients.rate_limit_headers", "draft-5")
        .build()
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("clients.trusted_hops") && wrong.contains("clients.rate_limit_headers"),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_limit_is_in_the_inventory_and_in_the_metrics() {
    let served = Served::start(limited(builder()), router());
    for _ in 0..3 {
        ask(&served, "192.0.2.1", "/items/1").await;
    }
    let inventory = get(served.admin, "/inventory").await.body;
    for name in ["GET /items/{id}", "GET /items/{id} per client"] {
        assert!(inventory.contains(&format!(r#""name":"{name}""#)), "{inventory}");
    }
    let text = get(served.admin, "/metrics").await.body;
    let labels = [
        r#"kind="rate_limit""#,
        r#"name="GET /items/{id} per client""#,
        r#"counter="refused""#,
    ];
    assert_eq!(metric(&text, "seaworthy_counts_total", &labels), Some(1.0), "{text}");
}
