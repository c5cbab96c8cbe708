use std::task::{Context, Poll};

use http::{HeaderName, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::base::criticality::{Criticality, Scope};

/// The header that says how much a request matters: one of `sheddable`, `sheddable-plus`, `critical`, `critical-plus`.
pub const X_CRITICALITY: HeaderName = HeaderName::from_static("x-criticality");

/// Finds out how much a request matters, and tells all that is inside.
///
/// Callers that are [trusted](Self::trust_callers) say so in the header [`X_CRITICALITY`]. Otherwise it is the
/// [`Criticality`] in the request's extensions, where whoever knows the endpoint has put it (`Endpoint::criticality`),
/// and `Critical` if nobody has. It is the task's ([`Criticality::current`]) inside, and in the extensions. What is no class
/// in the header counts as none: no request fails because of it.
///
/// # Examples
///
/// ```
/// use http::Request;
/// use seaworthy::{criticality::Criticality, web::{CriticalityLayer, X_CRITICALITY}};
/// use tower::{Service, ServiceBuilder, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut service = ServiceBuilder::new()
///     .layer(CriticalityLayer::default().trust_callers(true))
///     .service(service_fn(|_: Request<()>| async { Ok::<_, ()>(Criticality::current()) }));
/// let request = Request::builder().header(X_CRITICALITY, "sheddable").body(()).unwrap();
/// assert_eq!(service.call(request).await, Ok(Criticality::Sheddable));
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

impl<S: Service<Request<B>>, B> Service<Request<B>> for CriticalityService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Scope<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let told = self.trusts_callers.then(|| told(&request)).flatten();
        let declared = request.extensions().get().copied();
        let class: Criticality = told.or(declared).unwrap_or_default();
        if declared != Some(class) {
            request.extensions_mut().insert(class);
        }
        class.scope(class.run(|| self.inner.call(request)))
    }
}

fn told<B>(request: &Request<B>) -> Option<Criticality> {
    request.headers().get(X_CRITICALITY)?.to_str().ok()?.trim().parse().ok()
}

/// Sends the task's class with every request that has none, in the header [`X_CRITICALITY`].
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
        let class = http::HeaderValue::from_static(Criticality::current().label());
        request.headers_mut().entry(X_CRITICALITY).or_insert(class);
        self.inner.call(request)
    }
}
