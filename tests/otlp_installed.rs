//! What `App` installs by itself; one test, as a process has one subscriber.

mod otlp_support;
mod support;

use axum::Router;
use axum::routing::get as on_get;
use otlp_support::{Sink, told};
use support::{Served, builder, get};

#[tokio::test]
async fn the_first_service_exports_whatever_the_log_leaves_out_and_the_second_works_without() {
    let (sink, other) = (Sink::over_http(), Sink::over_http());
    let router = Router::new().route("/", on_get(|| async { "ok" }));
    let app = |sink: &Sink| builder().setting("traces.endpoint", sink.url()).build().unwrap();
    let (first, second) = (app(&sink), app(&other));
    let inventories = [first.inventory().clone(), second.inventory().clone()];
    let first = Served::start(first, router.clone());
    let second = Served::start(second, router);
    for served in [&first, &second] {
        assert_eq!(get(served.addr, "/").await.status, 200);
    }
    second.end().await;
    assert_eq!(told(&inventories[1]).state, "off");
    // Without a flush of the test's own: the drain has one.
    first.end().await;
    assert_eq!(sink.spans().len(), 2, "the subscriber is the process's");
    assert_eq!(other.spans(), []);
    assert_eq!(told(&inventories[0]).exported, 2);
}
