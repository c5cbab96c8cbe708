//! The client of `payments`: what it says, and not how it is guarded.

pub mod upstream;

use std::fmt;

use http::Request;
use http_body_util::BodyExt;
use seaworthy::context::RequestId;
use seaworthy::{Body, BoxError, Guarded, HttpClient, Refusal};

use crate::api::Order;

#[derive(Clone)]
pub struct Payments {
    client: HttpClient,
}

/// `payments` answered, but did not agree; or it could not be reached.
#[derive(Debug)]
pub struct PaymentError(String);

impl fmt::Display for PaymentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PaymentError {}

impl Payments {
    pub fn new(client: HttpClient) -> Self {
        Self { client }
    }

    pub async fn charge(&self, order: &Order, id: &RequestId) -> Result<(), Guarded<PaymentError>> {
        let body = serde_json::to_vec(order).map_err(|error| guarded(error.into()))?;
        let request = Request::post("/charges")
            // `payments` charges once, however often it is asked with this key.
            .header("idempotency-key", format!("\"{id}\""))
            .body(Body::from(body))
            .map_err(|error| guarded(error.into()))?;
        let response = self.client.send(request).await.map_err(guarded)?;
        let status = response.status();
        // Read to its end, so that the connection goes back to the pool.
        response.into_body().collect().await.map_err(guarded)?;
        if status.is_success() {
            Ok(())
        } else {
            Err(Guarded::Inner(PaymentError(format!("payments answered {status}"))))
        }
    }
}

/// Gets a refusal back out of a client's error.
fn guarded(error: BoxError) -> Guarded<PaymentError> {
    match Refusal::find(error.as_ref()) {
        Some(refusal) => Guarded::Refused(refusal.clone()),
        None => Guarded::Inner(PaymentError(error.to_string())),
    }
}
