//! The client of `payments`: a pooled HTTP client that tries again, behind a circuit breaker and under timeouts.
//!
//! All of it, the waits too, happens within what is left of the order's own deadline, and `payments` is told how long
//! that is.

pub mod upstream;

use std::fmt;
use std::time::Duration;

use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::events::EventSink;
use seaworthy::inventory::Inventory;
use seaworthy::retry::{Retry, RetryService};
use seaworthy::timeout::Timeout;
use seaworthy::web::{
    ByStatus, HttpCircuitBreakerService, HttpReplay, HttpTimeoutService, RequestId, RetryByStatus, SendDeadlineLayer,
    SendDeadlineService, X_REQUEST_ID,
};
use seaworthy::{Body, BoxError, Guarded};
use tower::{Layer, Service, ServiceExt};

use crate::api::{Order, guarded};

#[derive(Clone)]
pub struct Payments {
    client: Guards,
    /// Without the breaker: a check asks the dependency, and not what we think of it.
    direct: Direct,
    base: String,
}

/// From outside: what one order may cost, what each attempt tells about `payments`, how long it may take.
type Guards = RetryService<HttpCircuitBreakerService<Direct, ByStatus>, HttpReplay, RetryByStatus>;
type Direct = HttpTimeoutService<SendDeadlineService<Client<HttpConnector, Body>>>;

/// Three attempts of this fit into the two seconds that an order has.
const ATTEMPT: Duration = Duration::from_millis(500);

/// `payments` answered, but did not agree; or it could not be reached.
#[derive(Debug)]
pub struct PaymentError(pub String);

impl fmt::Display for PaymentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PaymentError {}

impl Payments {
    /// Enters its policies into `inventory`; their changes go to `events`.
    pub fn new(url: &Uri, inventory: &Inventory, events: impl EventSink) -> Result<Self, BoxError> {
        let retry = Retry::builder("payments").build()?;
        // A shop of this size does not make 20 calls in 30 s, which is the default.
        let breaker = CircuitBreaker::builder("payments")
            .minimum_calls(10)
            .events(events)
            .build()?;
        let timeout = Timeout::builder("payments")
            .limit(ATTEMPT)
            .body_total(ATTEMPT)
            .build()?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let direct = timeout.http_layer().layer(SendDeadlineLayer::new().layer(client));
        let guarded = breaker.http_layer().layer(direct.clone());
        inventory.add(retry.clone());
        inventory.add(breaker);
        inventory.add(timeout);
        Ok(Self {
            client: retry.http_layer().layer(guarded),
            direct,
            base: url.to_string().trim_end_matches('/').to_owned(),
        })
    }

    pub async fn charge(&self, order: &Order, id: &RequestId) -> Result<(), Guarded<PaymentError>> {
        let body = serde_json::to_vec(order).map_err(|error| guarded(error.into()))?;
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/charges", self.base))
            .header(X_REQUEST_ID, id.as_str())
            // `payments` charges once, however often it is asked with this key.
            .header("idempotency-key", format!("\"{id}\""))
            .body(Body::from(body));
        send(self.client.clone(), request.map_err(|error| guarded(error.into()))?).await
    }

    /// Asks whether it is there; for the health check.
    pub async fn ping(self) -> Result<(), Guarded<PaymentError>> {
        let request = Request::get(format!("{}/ping", self.base)).body(Body::empty());
        send(self.direct, request.map_err(|error| guarded(error.into()))?).await
    }
}

async fn send<S>(client: S, request: Request<Body>) -> Result<(), Guarded<PaymentError>>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError>,
{
    let response = client.oneshot(request).await.map_err(guarded)?;
    let status = response.status();
    // Read to its end, so that the connection goes back to the pool.
    response.into_body().collect().await.map_err(guarded)?;
    if status.is_success() {
        Ok(())
    } else {
        Err(Guarded::Inner(PaymentError(format!("payments answered {status}"))))
    }
}
