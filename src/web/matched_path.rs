//! Labels of requests that only axum's router knows.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::extract::MatchedPath;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::observe::RouteTemplate;

/// Tells whoever observes from outside which route of an axum `Router` a request took.
///
/// For `Router::layer`: inside of the router, where its [`MatchedPath`] is known. The template goes into the response's
/// extensions as a [`RouteTemplate`], where [`ObserveLayer`](super::ObserveLayer) finds it, with [`App`](crate::App)
/// too. It costs one copy of the template; nothing if the request's endpoint is declared, whose own template holds, and
/// nothing where no route matched: a fallback's requests stay `undeclared`, because their paths are without bound.
///
/// A response that is made further out has no template: declare the endpoint if its timeouts and panics need a label.
///
/// # Examples
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use seaworthy::web::{MatchedPathLayer, RouteTemplate};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let app = Router::new()
///     .route("/items/{id}", get(|| async { "item" }))
///     .layer(MatchedPathLayer::new());
/// let request = http::Request::get("/items/7").body(Body::empty()).unwrap();
/// let response = app.oneshot(request).await.unwrap();
/// let route = response.extensions().get::<RouteTemplate>().unwrap();
/// assert_eq!(&*route.0, "/items/{id}");
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MatchedPathLayer(());

impl MatchedPathLayer {
    /// Makes the layer.
    pub fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for MatchedPathLayer {
    type Service = MatchedPathService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MatchedPathService { inner }
    }
}

/// The tower shell of a [`MatchedPathLayer`]; as ready as the service inside.
#[derive(Clone, Debug)]
pub struct MatchedPathService<S> {
    inner: S,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for MatchedPathService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = MatchedPathFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let extensions = request.extensions();
        let is_declared = extensions.get::<RouteTemplate>().is_some();
        let matched = extensions.get::<MatchedPath>().filter(|_| !is_declared).cloned();
        MatchedPathFuture {
            response: self.inner.call(request),
            matched,
        }
    }
}

pin_project! {
    /// The response with its route.
    #[derive(Debug)]
    pub struct MatchedPathFuture<F> {
        #[pin]
        response: F,
        matched: Option<MatchedPath>,
    }
}

impl<F: Future<Output = Result<Response<B>, E>>, B, E> Future for MatchedPathFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.response.poll(cx))?;
        if let Some(matched) = this.matched.take() {
            let route = || RouteTemplate(matched.as_str().into());
            // What a router further in has said is more exact.
            response.extensions_mut().get_or_insert_with(route);
        }
        Poll::Ready(Ok(response))
    }
}
