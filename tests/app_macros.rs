//! The recorder that a service installs for the macros of `metrics`. In a binary of its own, as a process has one.

mod support;

use std::convert::Infallible;

use metrics::{counter, describe_counter};
use seaworthy::Body;
use support::{Served, builder, get, metric};
use tower::service_fn;

#[tokio::test]
async fn labels_that_users_make_without_end_fold() {
    let hello = service_fn(|_: http::Request<Body>| async { Ok::<_, Infallible>(http::Response::new(Body::empty())) });
    let served = Served::start(builder().build().unwrap(), hello);
    describe_counter!("logins", "Logins by user.");
    for user in 0..3_000 {
        counter!("logins", "user" => format!("user-{user}")).increment(1);
    }
    let text = get(served.admin, "/metrics").await.body;
    let series = text.lines().filter(|line| line.starts_with("logins_total{")).count();
    assert_eq!(series, 1_001);
    let folded = [r#"metric="logins""#];
    assert_eq!(metric(&text, "logins_total", &[r#"user="_other""#]), Some(2_000.0));
    assert_eq!(metric(&text, "seaworthy_folded_series_total", &folded), Some(2_000.0));
    assert!(
        text.contains("# HELP logins_total Logins by user.\n# TYPE logins_total counter\n"),
        "{text}"
    );
}
