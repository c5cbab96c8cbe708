use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::handle::Dependency;
use super::outbound::Http;
use crate::base::error::BoxError;
use crate::client::Transport;
use crate::web::{Body, ByStatus, HttpReplay, RetryByStatus};

/// Calls a dependency over HTTP, under all its guards, on pooled connections.
///
/// A cheap handle, and a [`tower_service::Service`] that is always ready; made by
/// [`DependencyBuilder::http`](super::DependencyBuilder::http). A request names a path, which is one of the dependency's,
/// or begins with the dependency's own scheme and host; a request to any other host is refused. Whatever comes back is a response,
/// also a 500 after the last attempt; an error is a [`Refusal`](crate::Refusal) or the transport's own. A call keeps its
/// place in the bulkhead until its response's body has ended or is dropped, and counts for the breaker then.
///
/// # Cancellation
///
/// Dropping the future gives up the attempt under way, and gives its place back.
#[derive(Clone)]
pub struct HttpClient {
    stack: Http<Transport>,
    transport: Transport,
    dependency: Dependency,
}

impl HttpClient {
    pub(super) fn new(dependency: Dependency, transport: Transport) -> Self {
        dependency.wire();
        let stack = dependency
            .0
            .guards
            .http(transport.clone(), HttpReplay::default(), RetryByStatus, ByStatus);
        Self {
            stack,
            transport,
            dependency,
        }
    }

    /// Sends a request; as [`call`](Service::call), without a service to be made ready.
    ///
    /// # Errors
    ///
    /// A [`Refusal`](crate::Refusal), what the transport says, or that the request is for another host. Nothing is sent
    /// of such a request, and of any before [`AppBuilder::build`](crate::AppBuilder::build); no guard counts it.
    pub fn send(&self, request: Request<impl Into<Body>>) -> HttpClientFuture {
        self.clone().call(request.map(Into::into))
    }

    /// Returns the dependency.
    pub fn dependency(&self) -> &Dependency {
        &self.dependency
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpClient").field(&self.dependency).finish()
    }
}

impl Service<Request<Body>> for HttpClient {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = HttpClientFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Service::<Request<Body>>::poll_ready(&mut self.stack, cx)
    }

    fn call(&mut self, request: Request<Body>) -> HttpClientFuture {
        let mut request = request;
        request.body_mut().go_with_task();
        let addressed = self.transport.address(&mut request);
        HttpClientFuture {
            response: addressed.is_ok().then(|| self.stack.call(request)),
            refused: addressed.err(),
        }
    }
}

pin_project! {
    /// The response of an [`HttpClient`].
    #[must_use = "futures do nothing unless polled"]
    pub struct HttpClientFuture {
        #[pin]
        response: Option<<Http<Transport> as Service<Request<Body>>>::Future>,
        // Why there is no response.
        refused: Option<BoxError>,
    }
}

impl Future for HttpClientFuture {
    type Output = Result<Response<Body>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.response.as_pin_mut() {
            Some(response) => response.poll(cx),
            None => this
                .refused
                .take()
                .map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }
}

impl fmt::Debug for HttpClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClientFuture")
    }
}
