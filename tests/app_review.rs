//! The review of a service, where it is asked for: on the admin plane, before it starts, in a test.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Method, StatusCode};
use seaworthy::review::{Criterion, Evidence, Item, Kind, Level, Scene};
use seaworthy::testing::{TestClient, text};
use seaworthy::{App, AppBuilder, AppError};
use serde_json::Value;

fn client(app: AppBuilder) -> TestClient {
    app.build()
        .unwrap()
        .test_client(Router::new().route("/", get(|| async { "ahoy" })))
}

async fn page(client: &TestClient, path: &str) -> (http::response::Parts, String) {
    let (head, body) = client.admin_get(path).await.into_parts();
    let body = text(http::Response::new(body)).await.unwrap();
    (head, body)
}

#[tokio::test]
async fn the_admin_plane_answers_in_each_format_with_the_same_verdict() {
    let client = client(App::builder("orders"));
    for (format, content_type, begins) in [
        ("json", "application/json", "{"),
        ("html", "text/html; charset=utf-8", "<!doctype html>"),
        ("markdown", "text/markdown; charset=utf-8", "# "),
        ("text", "text/plain; charset=utf-8", "orders: NO-GO for L2 stable"),
        ("ansi", "text/plain; charset=utf-8", "orders: \u{1b}["),
    ] {
        let (head, body) = page(&client, &format!("/review?level=stable&format={format}")).await;
        assert_eq!(head.status, StatusCode::OK);
        assert_eq!(head.headers["content-type"], content_type);
        assert_eq!(head.headers["x-review-verdict"], "NO-GO");
        assert_eq!(head.headers["cache-control"], "no-store");
        assert!(body.starts_with(begins), "{format}: {body}");
    }
    for wrong in ["/review?level=L5", "/review?format=pdf"] {
        let (head, body) = page(&client, wrong).await;
        assert_eq!(head.status, StatusCode::BAD_REQUEST);
        assert!(body.contains("must be"), "{body}");
    }
}

#[tokio::test]
async fn a_live_review_sees_what_was_switched_off_since_it_was_built() {
    let mut app = App::builder("orders");
    let payments = app.dependency("payments").http("http://127.0.0.1:9");
    let client = client(app);
    let breakers = async || {
        let (_, body) = page(&client, "/review?format=json").await;
        let review: Value = serde_json::from_str(&body).unwrap();
        let items = review["items"].as_array().unwrap();
        items.iter().find(|item| item["id"] == "circuit-breakers").unwrap()["kind"].clone()
    };
    assert_eq!(breakers().await, "proven");
    payments.dependency().breaker().disable();
    assert_eq!(breakers().await, "missing");
    payments.dependency().breaker().reset();
    assert_eq!(breakers().await, "proven");
}

#[tokio::test]
async fn a_plane_that_exposes_the_probes_alone_has_no_review() {
    let client = client(App::builder("orders").setting("admin.listen", "192.0.2.1:9090"));
    let (head, _) = page(&client, "/review").await;
    assert_eq!(head.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_service_below_its_level_does_not_start_and_says_what_to_do() {
    let orders = |level: &str| {
        let app = App::builder("orders")
            .criterion(Panics)
            .setting("review.require", level);
        app.setting("server.listen", "127.0.0.1:0")
            .setting("admin.listen", "127.0.0.1:0")
            .signals(false)
    };
    let error = orders("mvp").build().unwrap().serve(Router::new()).await.unwrap_err();
    assert!(matches!(&error, AppError::NotReady(not_ready) if not_ready.review().target == Level::Mvp));
    let said = error.to_string();
    assert!(
        said.starts_with("not started, as the setting `review.require` asks for L1 mvp"),
        "{said}"
    );
    assert!(said.contains("\norders: NO-GO for L1 mvp\n"), "{said}");
    assert!(said.contains("rollback-plan") && !said.contains("slos"), "{said}");

    let wrong = orders("L0").build().unwrap_err().to_string();
    assert!(
        wrong.contains("`review.require`") && wrong.contains("`resilient`"),
        "{wrong}"
    );
}

/// Cannot be examined.
struct Panics;

impl Criterion for Panics {
    fn item(&self) -> Item {
        Item::new("panics", Level::Optimized, "It panics")
    }

    fn examine(&self, _: &Scene<'_>) -> Vec<Evidence> {
        panic!("as it says")
    }
}

/// Says what it has seen.
struct Seen(Level);

impl Criterion for Seen {
    fn item(&self) -> Item {
        Item::new("seen", self.0, "What the assembly has wired can be seen")
            .how("Nothing to do")
            .docs("https://wiki/seen")
    }

    fn examine(&self, scene: &Scene<'_>) -> Vec<Evidence> {
        let endpoints = scene
            .wired()
            .iter()
            .filter(|entries| entries[0].kind == "endpoint")
            .count();
        let found = format!("{endpoints} endpoints, {} checks", scene.health().checks.len());
        vec![Evidence::measured("", found, scene.at())]
    }
}

#[test]
fn items_of_ones_own_count_as_the_others_and_one_that_panics_is_missing() {
    let app = App::builder("orders").criterion(Seen(Level::Mvp)).criterion(Panics);
    let app = app.endpoint(Method::GET, "/", Default::default()).build().unwrap();
    let at = Duration::from_secs(1_800_000_000);
    let review = app.review_at(at);
    let seen = review.item("seen").unwrap();
    assert_eq!((seen.kind, seen.evidence[0].at), (Kind::Measured, Some(at)));
    assert_eq!(seen.evidence[0].found, "2 endpoints, 0 checks");
    let panicked = review.item("panics").unwrap();
    assert_eq!(panicked.kind, Kind::Missing);
    assert_eq!(panicked.evidence[0].found, "its examination panicked");
    assert_eq!(review, app.review_at(at), "the same input gives the same review");
}

#[test]
fn an_item_with_a_name_that_is_taken_or_none_is_refused() {
    struct Named(&'static str);
    impl Criterion for Named {
        fn item(&self) -> Item {
            Item::new(self.0, Level::Mvp, "")
        }

        fn examine(&self, _: &Scene<'_>) -> Vec<Evidence> {
            Vec::new()
        }
    }
    let app = App::builder("orders")
        .criterion(Named("metrics"))
        .criterion(Named("No Id"));
    let wrong = app.build().unwrap_err().to_string();
    assert!(wrong.contains("`review.criterion.metrics` is there twice"), "{wrong}");
    assert!(
        wrong.contains("`review.criterion` is a text of 5 characters"),
        "{wrong}"
    );
}
