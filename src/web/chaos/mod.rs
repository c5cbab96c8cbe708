//! The HTTP face of [`Chaos`]: a connection breaks within the response's body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use crate::base::error::BoxError;
use crate::policy::chaos::{Chaos, Door, Injected, InjectedFault};

#[cfg(feature = "chaos")]
#[path = "armed.rs"]
mod cut;
#[cfg(not(feature = "chaos"))]
#[path = "inert.rs"]
mod cut;

impl Chaos {
    /// Makes the layer for HTTP services.
    ///
    /// As the plain [layer](Self::layer), but for the disconnect: the inside is called, the response's head comes, and its
    /// body breaks off within the first piece. A response without a body, such as one to `HEAD` or of 204, 304 or
    /// `content-length: 0`, does not come: the error is there instead. A [`Deadline`](crate::deadline::Deadline) in the request's extensions ends a
    /// latency as the task's does.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{Request, Response};
    /// use seaworthy::{Body, chaos::Chaos};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let chaos = Chaos::builder("payments").disconnect_share(1.0).build().unwrap();
    /// let client = chaos.http_layer().layer(service_fn(|_: Request<Body>| async {
    ///     Ok::<_, std::io::Error>(Response::new(Body::from("42")))
    /// }));
    /// // Nobody has enabled it.
    /// assert_eq!(client.oneshot(Request::new(Body::empty())).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn http_layer(&self) -> HttpChaosLayer {
        HttpChaosLayer(self.clone())
    }
}

/// Puts every exchange of an HTTP service behind a [`Chaos`].
#[derive(Clone, Debug)]
pub struct HttpChaosLayer(Chaos);

impl<S> Layer<S> for HttpChaosLayer {
    type Service = HttpChaosService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let door = Door::new(self.0.clone(), true);
        HttpChaosService { inner, door }
    }
}

/// The tower shell of an [`HttpChaosLayer`]; its readiness is that of a [`ChaosService`](crate::chaos::ChaosService).
#[derive(Clone, Debug)]
pub struct HttpChaosService<S> {
    inner: S,
    door: Door,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for HttpChaosService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpChaosFuture<S::Future>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let inner = &mut self.inner;
        self.door.poll_ready(|| inner.poll_ready(cx)).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let is_head = request.method() == Method::HEAD;
        let given = request.extensions().get().copied();
        let (injected, cut) = self.door.pass(given, || self.inner.call(request));
        HttpChaosFuture { injected, cut, is_head }
    }
}

pin_project! {
    /// The response of an HTTP service behind a chaos.
    pub struct HttpChaosFuture<F: Future> {
        #[pin]
        injected: Injected<F>,
        cut: Option<InjectedFault>,
        is_head: bool,
    }
}

impl<F, ResB, E> Future for HttpChaosFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    E: Into<BoxError>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        Poll::Ready(match ready!(this.injected.poll(cx)) {
            Ok(end) => end.map_err(Into::into).and_then(|response| {
                let response = response.map(Body::new);
                match this.cut.take() {
                    Some(fault) => cut::cut(response, *this.is_head, fault),
                    None => Ok(response),
                }
            }),
            Err(fault) => Err(fault.into_error()),
        })
    }
}
