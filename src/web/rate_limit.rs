//! The HTTP face of [`RateLimit`]: callers are told what is left, and a service that throttles is listened to.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::rate_limit_headers::Teller;
use crate::base::allowance::{Allowance, RateLimitHeaders};
use crate::base::error::BoxError;
use crate::base::refusal::Refusal;
use crate::base::stripe::{self, Lane, MOST_STRIPES, Striped};
use crate::policy::rate_limit::{Ask, Key, KeyedRateLimit, Limit, One, PerKey, PerService, RateLimit, Spent, Visited};

impl RateLimit {
    /// Makes the layer for HTTP services; each request counts as one, whatever is answered.
    ///
    /// On the way in, an [`ErrorBoundaryLayer`](super::ErrorBoundaryLayer) outside makes a refusal a 429 with
    /// `Retry-After`, and responses say what is left ([`HttpRateLimitLayer::headers`]).
    ///
    /// On the way out, it keeps a client below the quota of a supplier. If it is
    /// [adaptive](crate::rate_limit::RateLimitConfig::adaptive), the rate falls when the supplier throttles, which is a
    /// status of 429, one of 503 with `Retry-After`, or `grpc-status: 8` among the headers (where gRPC has it when a call
    /// is turned down without a message). Refusals of this crate's own policies further in are not the supplier's, and do
    /// not count. Turn the headers off there: a supplier's response says what the supplier has left.
    ///
    /// # Cancellation
    ///
    /// As [`RateLimit::call`]: a request that is dropped while it waits gives its turn to those behind.
    ///
    /// # Examples
    ///
    /// At most ten requests a second to a supplier, each of which waits up to 1 s for its turn:
    ///
    /// ```
    /// use std::{convert::Infallible, time::Duration};
    /// use http::{Request, Response};
    /// use seaworthy::{inventory::Describe, web::RateLimitHeaders};
    /// use seaworthy::rate_limit::{Adaptive, Quota, RateLimit};
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let limit = RateLimit::builder("supplier").quota(Quota::per_second(10));
    /// let limit = limit.wait(Duration::from_secs(1)).adaptive(Adaptive::default()).build().unwrap();
    /// let throttles = |_: Request<String>| async {
    ///     Ok::<_, Infallible>(Response::builder().status(429).body(String::new()).unwrap())
    /// };
    /// let layer = limit.http_layer().headers(RateLimitHeaders::Off);
    /// let client = ServiceBuilder::new().layer(layer).service(service_fn(throttles));
    /// client.oneshot(Request::default()).await.unwrap();
    /// assert_eq!(limit.describe().state, "lowered");
    /// # }
    /// ```
    pub fn http_layer(&self) -> HttpRateLimitLayer<PerService> {
        HttpRateLimitLayer::new(PerService::new(self.clone()))
    }
}

impl<K: Key> KeyedRateLimit<K> {
    /// Makes the layer for HTTP services; `key` says whose each request is, such as a [`ClientIp`](super::ClientIp).
    ///
    /// As [`RateLimit::http_layer`], but for the rate, which does not follow a service that throttles.
    ///
    /// # Examples
    ///
    /// Each client has its own allowance, behind one proxy of ours:
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use seaworthy::rate_limit::{AtCapacity, Quota, RateLimit};
    /// use seaworthy::web::{ClientIp, ErrorBoundaryLayer};
    /// use tower::{ServiceBuilder, ServiceExt};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let limit = RateLimit::builder("clients").quota(Quota::per_minute(1));
    /// let limit = limit.build_keyed(100_000, AtCapacity::Forget).unwrap();
    /// let app = Router::new().route("/", get(|| async { "ahoy" })).layer(
    ///     ServiceBuilder::new()
    ///         .layer(ErrorBoundaryLayer::new())
    ///         .layer(limit.http_layer(ClientIp::x_forwarded_for(1))),
    /// );
    /// let ask = |client: &str| http::Request::get("/").header("x-forwarded-for", client).body(axum::body::Body::empty());
    /// let first = app.clone().oneshot(ask("192.0.2.1").unwrap()).await.unwrap();
    /// assert_eq!(first.headers()["ratelimit"], r#""clients";r=0;t=60"#);
    /// assert_eq!(app.clone().oneshot(ask("192.0.2.1").unwrap()).await.unwrap().status(), 429);
    /// assert_eq!(app.oneshot(ask("192.0.2.2").unwrap()).await.unwrap().status(), 200);
    /// # }
    /// ```
    pub fn http_layer<X>(&self, key: X) -> HttpRateLimitLayer<PerKey<K, X>> {
        HttpRateLimitLayer::new(PerKey::new(self.clone(), key))
    }
}

/// Puts every request of an HTTP service under a rate limit, and says in responses what is left.
///
/// A refusal is the error, a [`Refusal`], and knows the headers it is told with. In shadow mode all requests pass and the
/// headers are the same as otherwise: with nothing left, callers who keep to them slow down, as they will have to.
#[derive(Clone, Debug)]
pub struct HttpRateLimitLayer<A> {
    ask: A,
    headers: RateLimitHeaders,
}

impl<A> HttpRateLimitLayer<A> {
    fn new(ask: A) -> Self {
        let headers = RateLimitHeaders::default();
        Self { ask, headers }
    }

    /// Sets how callers are told what is left. Default [`RateLimitHeaders::Draft11`].
    ///
    /// A response costs one allocation in draft 11, beside the room that its headers take; with
    /// [`Off`](RateLimitHeaders::Off) nothing is computed or allocated. Limits that stand around each other are all told
    /// in a response; in a refusal, the one that refuses. An error of the service itself carries no headers.
    pub fn headers(mut self, headers: RateLimitHeaders) -> Self {
        self.headers = headers;
        self
    }
}

impl HttpRateLimitLayer<PerService<One>> {
    /// Lets `weight`, such as a closure from the request to a `u32`, say how many requests each one counts for.
    pub fn weight<V>(self, weight: V) -> HttpRateLimitLayer<PerService<V>> {
        let Self { ask, headers } = self;
        let ask = ask.weight(weight);
        HttpRateLimitLayer { ask, headers }
    }
}

impl<K: Key, X> HttpRateLimitLayer<PerKey<K, X, One>> {
    /// Lets `weight`, such as a closure from the request to a `u32`, say how many requests each one counts for.
    pub fn weight<V>(self, weight: V) -> HttpRateLimitLayer<PerKey<K, X, V>> {
        let Self { ask, headers } = self;
        let ask = ask.weight(weight);
        HttpRateLimitLayer { ask, headers }
    }
}

impl<S, A: Limit + Clone> Layer<S> for HttpRateLimitLayer<A> {
    type Service = HttpRateLimitService<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        let ask = self.ask.clone();
        let teller = Teller::new(self.headers, ask.name());
        let face = Striped::new(Face { ask, teller }, stripe::count(MOST_STRIPES));
        HttpRateLimitService { inner, face }
    }
}

/// What a request needs again when it is answered.
struct Face<A> {
    ask: A,
    teller: Teller,
}

/// The tower shell of an [`HttpRateLimitLayer`]; always ready, because only a request tells its key and weight.
pub struct HttpRateLimitService<S, A> {
    inner: S,
    face: Striped<Face<A>>,
}

impl<S: Clone, A> Clone for HttpRateLimitService<S, A> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            face: self.face.clone(),
        }
    }
}

impl<S: fmt::Debug, A: fmt::Debug> fmt::Debug for HttpRateLimitService<S, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRateLimitService")
            .field("inner", &self.inner)
            .field("ask", &self.face.ask)
            .finish_non_exhaustive()
    }
}

impl<S, A, ReqB, ResB> Service<Request<ReqB>> for HttpRateLimitService<S, A>
where
    S: Service<Request<ReqB>, Response = Response<ResB>, Error: Into<BoxError>> + Clone,
    A: Ask<Request<ReqB>> + Limit,
{
    type Response = Response<ResB>;
    type Error = BoxError;
    type Future = HttpRateLimitFuture<S, Request<ReqB>, A>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let face = self.face.lane();
        let entrance = face.ask.ask(&request);
        let gated = Visited::of_service(entrance, &mut self.inner, request);
        HttpRateLimitFuture { gated, face }
    }
}

pin_project! {
    /// The response of an HTTP service behind a rate limit.
    pub struct HttpRateLimitFuture<S, Req, A>
    where
        S: Service<Req>,
    {
        #[pin]
        gated: Visited<S, Req>,
        face: Lane<Face<A>>,
    }
}

impl<S, Req, A, ResB> Future for HttpRateLimitFuture<S, Req, A>
where
    S: Service<Req, Response = Response<ResB>, Error: Into<BoxError>>,
    A: Limit,
{
    type Output = Result<Response<ResB>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Face { ask, teller } = &**this.face;
        Poll::Ready(match ready!(this.gated.poll_spent(cx)) {
            Ok((Ok(mut response), spent)) => {
                if is_throttled(&response) {
                    ask.throttled();
                }
                teller.write(response.headers_mut(), || allowance(spent));
                Ok(response)
            }
            Ok((Err(error), _)) => Err(error.into()),
            Err(refusal) => Err(Box::new(refusal.announce(teller.how()))),
        })
    }
}

pub(super) fn allowance(spent: Spent) -> Allowance {
    let (quota, window) = spent.quota();
    Allowance {
        quota,
        window,
        remaining: spent.remaining(),
        reset: spent.full_in(),
    }
}

/// Says whether the service behind has turned the request down because there are too many.
fn is_throttled<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let says_so = match response.status() {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::SERVICE_UNAVAILABLE => headers.contains_key(RETRY_AFTER),
        _ => headers
            .get(GRPC_STATUS)
            .is_some_and(|status| status == RESOURCE_EXHAUSTED),
    };
    says_so && response.extensions().get::<Refusal>().is_none()
}

const GRPC_STATUS: &str = "grpc-status";
const RESOURCE_EXHAUSTED: &str = "8";
