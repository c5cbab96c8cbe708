//! One layer on a plain axum router, and one on a plain hyper client: no assembly.
//!
//! `ci/check default_features` compiles and runs this without the feature `app`.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use seaworthy::timeout::Timeout;
use seaworthy::web::ErrorBoundaryLayer;
use seaworthy::{Body, Reason, Refusal};
use tower::{Layer, ServiceBuilder, ServiceExt};

#[tokio::test(start_paused = true)]
async fn a_timeout_on_a_plain_axum_router_needs_no_assembly() {
    let limit = Timeout::builder("inbound").build().unwrap();
    let guards = ServiceBuilder::new()
        .layer(ErrorBoundaryLayer::new())
        .layer(limit.http_layer());
    let app = Router::new().route("/", get(std::future::pending::<()>)).layer(guards);

    let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
    assert_eq!(
        app.oneshot(request).await.unwrap().status(),
        StatusCode::GATEWAY_TIMEOUT
    );
}

#[tokio::test]
async fn a_timeout_on_a_plain_hyper_client_needs_no_assembly() {
    // Accepts, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());

    let limit = Timeout::builder("payments")
        .limit(Duration::from_millis(50))
        .build()
        .unwrap();
    let client = limit
        .http_layer()
        .layer(Client::builder(TokioExecutor::new()).build_http());

    let error = client
        .oneshot(Request::get(url).body(Body::empty()).unwrap())
        .await
        .unwrap_err();
    let refusal = Refusal::find(error.as_ref()).expect("a refusal");
    assert!(matches!(refusal.reason(), Reason::Elapsed { .. }), "{refusal}");
}
