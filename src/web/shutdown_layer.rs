//! The drain's gate: counts requests, and tells clients to go elsewhere while draining.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use crate::base::error::BoxError;
use crate::shutdown::{InFlight, Shutdown};

/// Counts requests as in flight to the end of their bodies, for a [`Shutdown`] to wait for.
///
/// Every request finds a [`Draining`](crate::shutdown::Draining) token in its extensions. While draining, HTTP/1
/// responses carry `Connection: close`. Nothing is refused: what still arrives is served.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, routing::get};
/// use seaworthy::shutdown::{Cause, Shutdown};
/// use seaworthy::web::ShutdownLayer;
/// use tokio::{net::TcpListener, runtime::Handle};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let shutdown = Shutdown::builder().hold(Duration::ZERO).build().unwrap();
/// let app = Router::new().route("/", get(|| async { "ahoy" })).layer(ShutdownLayer::new(&shutdown));
/// let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
/// let server = axum::serve(listener, app).with_graceful_shutdown(shutdown.closing());
/// tokio::spawn(server.into_future());
///
/// shutdown.begin(Cause::Requested); // in a service: `shutdown.drive_by_signals(…)` instead of these two lines
/// let drained = shutdown.drive(&Handle::current()).await;
/// assert_eq!(drained.exit_code(), 0);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ShutdownLayer(Shutdown);

impl ShutdownLayer {
    /// Makes the layer.
    pub fn new(shutdown: &Shutdown) -> Self {
        Self(shutdown.clone())
    }
}

impl<S> Layer<S> for ShutdownLayer {
    type Service = ShutdownService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ShutdownService {
            inner,
            shutdown: self.0.clone(),
        }
    }
}

/// The tower shell of a [`ShutdownLayer`].
#[derive(Clone, Debug)]
pub struct ShutdownService<S> {
    inner: S,
    shutdown: Shutdown,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for ShutdownService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = ShutdownFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let in_flight = self.shutdown.enter();
        let closes = request.version() < Version::HTTP_2;
        request.extensions_mut().insert(self.shutdown.draining());
        ShutdownFuture {
            response: self.inner.call(request),
            in_flight: Some(in_flight),
            closes,
        }
    }
}

pin_project! {
    /// The response of a service inside a [`ShutdownLayer`].
    #[derive(Debug)]
    pub struct ShutdownFuture<F> {
        #[pin]
        response: F,
        in_flight: Option<InFlight>,
        closes: bool,
    }
}

impl<F, ResB, E> Future for ShutdownFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.response.poll(cx))?.map(Body::new);
        let Some(in_flight) = this.in_flight.take() else {
            return Poll::Ready(Ok(response));
        };
        // The header of a switch names the protocol that the connection goes over to.
        let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if *this.closes && !switches && in_flight.is_draining() {
            let headers = response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.body_mut().keep_in_flight(in_flight);
        Poll::Ready(Ok(response))
    }
}
