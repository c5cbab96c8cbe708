//! The service's routes.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use http::StatusCode;
use http::header::LOCATION;
use seaworthy::Guarded;
use seaworthy::context::RequestId;
use seaworthy::web::{problem, refused};

use crate::error::DatabaseError;
use crate::orders::{Order, Orders};

#[derive(Clone)]
pub struct Api {
    orders: Orders,
}

impl Api {
    pub fn new(orders: Orders) -> Self {
        Self { orders }
    }

    pub fn router(self) -> Router {
        Router::new()
            .route("/orders", post(place))
            .route("/orders/{id}", get(read))
            .with_state(self)
    }
}

impl Order {
    /// Says what is wrong with it, if anything is.
    fn complaint(&self) -> Option<&'static str> {
        match self {
            Self { item, .. } if !(1..=64).contains(&item.len()) => Some("`item` must have 1 to 64 bytes"),
            // PostgreSQL has no such texts: to the breaker it would look like a failure of the database.
            Self { item, .. } if item.contains('\0') => Some("`item` must be text"),
            Self { quantity, .. } if !(1..=1000).contains(quantity) => Some("`quantity` must be from 1 to 1000"),
            _ => None,
        }
    }
}

async fn place(
    State(api): State<Api>,
    Extension(id): Extension<RequestId>,
    order: Result<Json<Order>, JsonRejection>,
) -> Response {
    let order = match order {
        Ok(Json(order)) => order,
        Err(rejection) => return problem(rejection.status(), &rejection.body_text(), Some(&id)).into_response(),
    };
    if let Some(complaint) = order.complaint() {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, complaint, Some(&id)).into_response();
    }
    match api.orders.place(&order, &id).await {
        Ok(number) => (StatusCode::CREATED, [(LOCATION, format!("/orders/{number}"))]).into_response(),
        Err(error) => failed(error, &id),
    }
}

async fn read(State(api): State<Api>, Extension(id): Extension<RequestId>, Path(number): Path<String>) -> Response {
    let Ok(number) = number.parse() else {
        return missing(&id);
    };
    match api.orders.read(number).await {
        Ok(Some(order)) => Json(order).into_response(),
        Ok(None) => missing(&id),
        Err(error) => failed(error, &id),
    }
}

fn missing(id: &RequestId) -> Response {
    problem(StatusCode::NOT_FOUND, "there is no such order", Some(id)).into_response()
}

fn failed(error: Guarded<DatabaseError>, id: &RequestId) -> Response {
    match error {
        Guarded::Refused(refusal) => refused(refusal, Some(id)).into_response(),
        Guarded::Inner(error) => {
            tracing::error!(%error, "the database failed");
            problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "the database does not answer",
                Some(id),
            )
            .into_response()
        }
    }
}
