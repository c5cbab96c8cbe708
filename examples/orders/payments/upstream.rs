//! A stand-in for `payments` that can be told to be slow, to fail or to hang.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use seaworthy::BoxError;
use seaworthy::request::{RequestEnded, RequestSink};
use seaworthy::web::{ContextLayer, MatchedPathLayer, ObserveLayer};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower::ServiceBuilder;

/// What it is told by `PUT /control`.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    latency_ms: u64,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Healthy,
    Failing,
    Hanging,
}

type Shared = Arc<Mutex<Control>>;

/// Starts it on a free port of the loopback interface; it ends with the process.
pub async fn start() -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let app = Router::new()
        .route("/ping", get(answer))
        .route("/charges", post(answer))
        .route("/control", put(control))
        .with_state(Shared::default())
        .layer(
            ServiceBuilder::new()
                // Its spans stand in the trace of the order.
                .layer(ContextLayer::default().trust_request_id(true))
                .layer(ObserveLayer::new(Arc::new(Untold)))
                .layer(MatchedPathLayer::new()),
        );
    // Not tracked: orders in flight need it until the very end of the drain.
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(url)
}

/// Orders' metrics are not about it.
struct Untold;

impl RequestSink for Untold {
    fn began(&self, _: &'static str, _: &'static str) {}
    fn ended(&self, _: &RequestEnded<'_>) {}
}

async fn answer(State(shared): State<Shared>) -> StatusCode {
    let Control { mode, latency_ms } = *shared.lock().unwrap_or_else(PoisonError::into_inner);
    tokio::time::sleep(Duration::from_millis(latency_ms)).await;
    match mode {
        Mode::Healthy => StatusCode::OK,
        Mode::Failing => StatusCode::INTERNAL_SERVER_ERROR,
        Mode::Hanging => std::future::pending().await,
    }
}

async fn control(State(shared): State<Shared>, Json(control): Json<Control>) -> StatusCode {
    *shared.lock().unwrap_or_else(PoisonError::into_inner) = control;
    StatusCode::NO_CONTENT
}
