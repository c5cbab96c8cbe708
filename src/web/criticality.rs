use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::body::Body;
use crate::base::criticality::{Criticality, Scope};
use crate::base::error::BoxError;

/// The header that says how much a request matters: one of `sheddable`, `sheddable-plus`, `critical`, `critical-plus`.
pub const X_CRITICALITY: HeaderName = HeaderName::from_static("x-criticality");

/// Finds out how much a request matters, and tells all that is inside.
///
/// Callers that are [trusted](Self::trust_callers) say so in the header [`X_CRITICALITY`]. Otherwise it is the
/// [`Criticality`] in the request's extensions, where whoever knows the endpoint has put it (`Endpoint::criticality`),
/// and `Critical` if nobody has. It is the task's ([`Criticality::current`]) inside, also whenever the response's body is
/// polled, and in the extensions. What is no class in the header counts as none: no request fails because of it. Of
/// several headers the first counts.
///
/// A header that does not count stays where it is: whoever passes requests on as they came takes it out.
///
/// # Examples
///
/// ```
/// use http::{Request, Response};
/// use http_body_util::BodyExt;
/// use seaworthy::{criticality::Criticality, web::{CriticalityLayer, X_CRITICALITY}};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut service = ServiceBuilder::new()
///     .layer(CriticalityLayer::default().trust_callers(true))
///     .service(service_fn(|_: Request<()>| async {
///         Ok::<_, ()>(Response::new(Criticality::current().to_string()))
///     }));
/// let request = Request::builder().header(X_CRITICALITY, "sheddable").body(()).unwrap();
/// let body = service.call(request).await.unwrap().into_body();
/// assert_eq!(body.collect().await.unwrap().to_bytes(), "sheddable");
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CriticalityLayer {
    trusts_callers: bool,
}

impl CriticalityLayer {
    /// Whether the header counts. Default: no, because whoever can reach the service could be critical-plus.
    #[must_use]
    pub fn trust_callers(mut self, trust: bool) -> Self {
        self.trusts_callers = trust;
        self
    }
}

impl<S> Layer<S> for CriticalityLayer {
    type Service = CriticalityService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let trusts_callers = self.trusts_callers;
        CriticalityService { inner, trusts_callers }
    }
}

/// The tower shell of a [`CriticalityLayer`].
#[derive(Clone, Debug)]
pub struct CriticalityService<S> {
    inner: S,
    trusts_callers: bool,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CriticalityService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = CriticalityFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let told = self.trusts_callers.then(|| told(&request)).flatten();
        let declared = request.extensions().get().copied();
        let class: Criticality = told.or(declared).unwrap_or_default();
        if declared != Some(class) {
            request.extensions_mut().insert(class);
        }
        let response = class.scope(class.run(|| self.inner.call(request)));
        CriticalityFuture { response, class }
    }
}

pin_project! {
    /// The response of a service behind a [`CriticalityLayer`].
    #[derive(Debug)]
    pub struct CriticalityFuture<F> {
        #[pin]
        response: Scope<F>,
        class: Criticality,
    }
}

impl<F, ResB, E> Future for CriticalityFuture<F>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    ResB: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Output = Result<Response<Body>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.response.poll(cx))?.map(Body::new);
        response.body_mut().set_criticality(*this.class);
        Poll::Ready(Ok(response))
    }
}

fn told<B>(request: &Request<B>) -> Option<Criticality> {
    request.headers().get(X_CRITICALITY)?.to_str().ok()?.trim().parse().ok()
}

/// Sends the class that the task was given with every request that has none, in the header [`X_CRITICALITY`].
///
/// Round a client, so that what a request causes further on matters as much as itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendCriticalityLayer;

impl<S> Layer<S> for SendCriticalityLayer {
    type Service = SendCriticalityService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SendCriticalityService { inner }
    }
}

/// The tower shell of a [`SendCriticalityLayer`].
#[derive(Clone, Debug)]
pub struct SendCriticalityService<S> {
    inner: S,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for SendCriticalityService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(class) = Criticality::told() {
            let class = http::HeaderValue::from_static(class.label());
            request.headers_mut().entry(X_CRITICALITY).or_insert(class);
        }
        self.inner.call(request)
    }
}
