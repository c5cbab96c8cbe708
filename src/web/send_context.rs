use std::task::{Context, Poll};

use http::Request;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use tower_layer::Layer;
use tower_service::Service;

use super::context::{BAGGAGE, IDEMPOTENCY_KEY, TRACEPARENT, TRACESTATE, X_REQUEST_ID, to_header};
use crate::base::context::Origin;

/// Tells whoever is called which request it is called for: sends the context of the task along.
///
/// For the outbound side, next to the client. `x-request-id`, `traceparent`, `tracestate` and `baggage` become those of
/// the task ([`ContextLayer`](super::ContextLayer) gives them to it), whatever the request brings along: one that is
/// passed on must not speak for its caller. The caller's `Idempotency-Key` goes with requests of methods that are not
/// idempotent and have none of their own; whoever sends several different ones for one request gives each its own. It is
/// no proof that a request may be sent again. Outside of any request nothing is sent.
///
/// # Examples
///
/// ```
/// use http::{Request, Response};
/// use seaworthy::{Body, web::{ContextLayer, SendContextLayer}};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let client = SendContextLayer::new().layer(service_fn(|request: Request<()>| async move {
///     assert!(request.headers().contains_key("traceparent"));
///     Ok::<_, ()>(Response::new(Body::from(request.headers()["x-request-id"].as_bytes().to_vec())))
/// }));
/// let response = ContextLayer::default().layer(client).oneshot(Request::new(())).await.unwrap();
/// assert!(response.headers().contains_key("x-request-id"));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SendContextLayer(());

impl SendContextLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for SendContextLayer {
    type Service = SendContextService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SendContextService { inner }
    }
}

/// The tower shell of a [`SendContextLayer`].
#[derive(Clone, Debug)]
pub struct SendContextService<S> {
    inner: S,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for SendContextService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let is_idempotent = request.method().is_idempotent();
        Origin::with(|origin| write(request.headers_mut(), origin, is_idempotent));
        self.inner.call(request)
    }
}

fn write(headers: &mut HeaderMap, origin: &Origin, is_idempotent: bool) {
    if let Some(id) = &origin.request_id {
        set(headers, X_REQUEST_ID, to_header(id));
    }
    if let Some(trace) = &origin.trace {
        set(headers, TRACEPARENT, HeaderValue::try_from(trace.to_string()).ok());
        set(
            headers,
            TRACESTATE,
            trace.state().and_then(|state| state.try_into().ok()),
        );
        let baggage = origin.baggage.as_ref();
        set(
            headers,
            BAGGAGE,
            baggage.and_then(|baggage| baggage.to_string().try_into().ok()),
        );
    }
    if let (Some(key), false) = (&origin.idempotency_key, is_idempotent)
        && let Ok(key) = HeaderValue::from_str(key.as_str())
    {
        headers.entry(IDEMPOTENCY_KEY).or_insert(key);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => headers.insert(name, value),
        None => headers.remove(name),
    };
}
