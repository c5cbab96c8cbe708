//! A stand-in for `payments` that can be told to be slow, to fail or to hang.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::StatusCode;
use seaworthy::BoxError;
use serde::Deserialize;
use tokio::net::TcpListener;

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
        .with_state(Shared::default());
    // Not tracked: orders in flight need it until the very end of the drain.
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(url)
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
