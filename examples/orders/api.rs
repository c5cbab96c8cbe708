//! The service's routes. What they do not do is the point: no limits, no timeouts, no probes, no metrics.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_util::stream::{self, Stream};
use http::StatusCode;
use http::header::LOCATION;
use seaworthy::Guarded;
use seaworthy::context::RequestId;
use seaworthy::shutdown::Draining;
use seaworthy::web::{problem, refused};
use serde::{Deserialize, Serialize};

use crate::drills;
use crate::payments::{PaymentError, Payments};

#[derive(Clone)]
pub struct Api {
    payments: Payments,
    orders: Arc<Mutex<Vec<Order>>>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub item: String,
    pub quantity: u32,
}

/// The most orders that are kept; a real service has a database.
const MOST_ORDERS: usize = 100_000;

impl Api {
    pub fn new(payments: Payments) -> Self {
        Self {
            payments,
            orders: Arc::default(),
        }
    }

    pub fn router(self) -> Router {
        Router::new()
            .route("/orders", post(place))
            .route("/orders/{id}", get(read))
            .route("/slow", get(slow))
            .route("/events", get(events))
            .merge(drills::routes())
            .fallback(|Extension(id): Extension<RequestId>| async move {
                problem(StatusCode::NOT_FOUND, "there is no such path", Some(&id))
            })
            .with_state(self)
    }
}

impl Order {
    /// Says what is wrong with it, if anything is.
    fn complaint(&self) -> Option<&'static str> {
        match self {
            Self { item, .. } if !(1..=64).contains(&item.len()) => Some("`item` must have 1 to 64 bytes"),
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
    if let Err(error) = api.payments.charge(&order, &id).await {
        return declined(error, &id);
    }
    let mut orders = api.orders.lock().unwrap_or_else(PoisonError::into_inner);
    if orders.len() == MOST_ORDERS {
        return problem(StatusCode::INSUFFICIENT_STORAGE, "the order book is full", Some(&id)).into_response();
    }
    orders.push(order);
    let location = format!("/orders/{}", orders.len());
    (StatusCode::CREATED, [(LOCATION, location)]).into_response()
}

fn declined(error: Guarded<PaymentError>, id: &RequestId) -> Response {
    match error {
        Guarded::Refused(refusal) => refused(refusal, Some(id)).into_response(),
        Guarded::Inner(error) => {
            tracing::warn!(%error, "payments failed");
            problem(StatusCode::BAD_GATEWAY, "payments did not agree", Some(id)).into_response()
        }
    }
}

async fn read(State(api): State<Api>, Extension(id): Extension<RequestId>, Path(number): Path<String>) -> Response {
    let orders = api.orders.lock().unwrap_or_else(PoisonError::into_inner);
    let index = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    match index.and_then(|index| orders.get(index)) {
        Some(order) => Json(order).into_response(),
        None => problem(StatusCode::NOT_FOUND, "there is no such order", Some(&id)).into_response(),
    }
}

#[derive(Deserialize)]
pub struct Wait {
    pub ms: u64,
}

async fn slow(Query(wait): Query<Wait>) -> String {
    tokio::time::sleep(Duration::from_millis(wait.ms)).await;
    format!("waited {} ms\n", wait.ms)
}

/// One tick a second, until the service drains.
async fn events(Extension(draining): Extension<Draining>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold(0u64, move |tick| {
        let draining = draining.clone();
        async move {
            tokio::select! {
                () = draining.draining() => None,
                () = tokio::time::sleep(Duration::from_secs(1)) => {
                    Some((Ok(Event::default().event("tick").data(tick.to_string())), tick + 1))
                }
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_one_to_a_thousand_of_an_item_with_a_name() {
        let complaint = |bytes: usize, quantity| {
            let item = "a".repeat(bytes);
            Order { item, quantity }.complaint()
        };
        for (bytes, quantity) in [(1, 1), (64, 1000)] {
            assert_eq!(complaint(bytes, quantity), None, "{bytes} bytes, {quantity}");
        }
        for (bytes, quantity) in [(0, 1), (65, 1), (1, 0), (1, 1001)] {
            assert!(complaint(bytes, quantity).is_some(), "{bytes} bytes, {quantity}");
        }
    }
}
