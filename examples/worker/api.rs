//! What accepts invoices, and what looks after those that were given up on.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router};
use http::StatusCode;
use http::header::RETRY_AFTER;
use seaworthy::BoxError;
use seaworthy::context::RequestId;
use seaworthy::web::problem;
use seaworthy::worker::{DeadLetter, DeadLetterFile, Jobs};
use serde_json::json;

use crate::mail::{Invoice, Mail};

#[derive(Clone)]
pub struct Api {
    pub invoices: Jobs<Invoice>,
    pub dead_letters: DeadLetterFile,
    pub mail: Mail,
}

impl Api {
    pub fn router(self) -> Router {
        Router::new()
            .route("/invoices", post(accept))
            .route("/dead-letters", get(list))
            .route("/dead-letters/replay", post(replay))
            .route("/mail/{state}", put(switch))
            .with_state(self)
    }
}

async fn accept(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    invoice: Result<Json<Invoice>, JsonRejection>,
) -> Response {
    let invoice = match invoice {
        Ok(Json(invoice)) => invoice,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text(), Some(&id)).into_response(),
    };
    // Whoever is told no can come again; whoever waits holds a connection.
    match api.invoices.try_send(invoice) {
        Ok(()) => StatusCode::ACCEPTED.into_response(),
        Err(error) => {
            let refused = problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string(), Some(&id));
            ([(RETRY_AFTER, "1")], refused).into_response()
        }
    }
}

/// Shows what somebody has bought: put it behind your own access control.
async fn list(State(api): State<Api>, Extension(id): Extension<RequestId>) -> Response {
    match api.dead_letters.list().await {
        Ok(letters) => Json(letters.iter().map(shown).collect::<Vec<_>>()).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string(), Some(&id)).into_response(),
    }
}

fn shown(letter: &DeadLetter) -> serde_json::Value {
    json!({
        "invoice": letter.payload,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "request_id": letter.request_id,
    })
}

async fn replay(State(api): State<Api>, Extension(id): Extension<RequestId>) -> Response {
    let again = |letter: DeadLetter| {
        let mail = api.mail.clone();
        async move {
            let invoice: Invoice = serde_json::from_str(&letter.payload)?;
            mail.send(Arc::new(invoice)).await?;
            Ok::<_, BoxError>(())
        }
    };
    match api.dead_letters.replay(again).await {
        Ok(replayed) => Json(json!({"sent": replayed.done, "left": replayed.left})).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string(), Some(&id)).into_response(),
    }
}

async fn switch(State(api): State<Api>, Path(state): Path<String>) -> StatusCode {
    api.mail.switch(state == "down");
    StatusCode::NO_CONTENT
}
