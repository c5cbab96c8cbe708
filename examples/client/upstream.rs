//! The service that is called, which is as well as it is told to be. Leave this file out of a copy.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use seaworthy::BoxError;
use seaworthy::web::X_REQUEST_ATTEMPT;
use tokio::net::TcpListener;
use tokio::time::sleep;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Healthy,
    /// Every first attempt fails.
    Flaky,
    /// Answers, but takes a moment.
    Slow,
    Hanging,
    Down,
}

/// A handle; clones share one upstream, which ends with the process.
#[derive(Clone, Default)]
pub struct Upstream(Arc<Mutex<Mood>>);

impl Upstream {
    /// Serves on a free port of the loopback interface, and returns where.
    pub async fn serve(&self) -> Result<String, BoxError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let app = Router::new().route("/rates/eur", get(rate)).with_state(self.clone());
        tokio::spawn(axum::serve(listener, app).into_future());
        Ok(url)
    }

    pub fn set(&self, mood: Mood) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    fn mood(&self) -> Mood {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn rate(State(upstream): State<Upstream>, headers: HeaderMap) -> Result<String, StatusCode> {
    // A first attempt carries no such header.
    let attempt = headers.get(X_REQUEST_ATTEMPT).and_then(|number| number.to_str().ok());
    match upstream.mood() {
        Mood::Flaky if attempt.is_none() => return Err(StatusCode::SERVICE_UNAVAILABLE),
        Mood::Healthy | Mood::Flaky => {}
        Mood::Slow => sleep(Duration::from_millis(100)).await,
        Mood::Hanging => std::future::pending().await,
        Mood::Down => return Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
    Ok(format!("1.08 (attempt {})", attempt.unwrap_or("1")))
}
