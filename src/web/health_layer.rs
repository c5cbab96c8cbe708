//! Answers the probes in front of any HTTP service.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::probes::{Detail, probe};
use crate::base::ready::Call;
use crate::health::Health;

/// Answers `/livez`, `/readyz`, `/startupz` and `/healthz` from a [`Health`], in front of any HTTP service.
///
/// Put it outermost, so that probes are answered when everything behind it is saturated: a probe takes no permit and
/// polls nothing inside. Every other request costs a comparison of its path. Probes take `?verbose` and `?exclude=name`,
/// and `/readyz/name` asks for one check. They show names and states, never the text of an error.
///
/// The body type is the service's own; the service that comes out is always ready, and needs a `Clone` service.
///
/// # Examples
///
/// ```
/// use axum::{Router, body::Body, routing::get};
/// use seaworthy::{health::Health, web::HealthLayer};
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let health = Health::new();
/// let app = Router::new().route("/", get(|| async { "ahoy" })).layer(HealthLayer::new(health.clone()));
/// let probe = || http::Request::get("/readyz").body(Body::empty()).unwrap();
///
/// assert_eq!(app.clone().oneshot(probe()).await.unwrap().status(), 503);
/// health.start(&tokio::runtime::Handle::current()); // once the listener is bound
/// assert_eq!(app.oneshot(probe()).await.unwrap().status(), 200);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HealthLayer {
    health: Health,
    detail: Detail,
}

impl HealthLayer {
    /// Makes a layer whose probes tell the names of checks, startup tasks and heartbeats.
    pub fn new(health: Health) -> Self {
        Self {
            health,
            detail: Detail::Full,
        }
    }

    /// Tells the status alone, for a port that anybody can reach: no names, no queries, no paths for one check.
    #[must_use]
    pub fn status_only(mut self) -> Self {
        self.detail = Detail::StatusOnly;
        self
    }
}

impl<S> Layer<S> for HealthLayer {
    type Service = HealthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HealthService {
            inner,
            probes: self.clone(),
        }
    }
}

/// The tower shell of a [`HealthLayer`].
#[derive(Clone, Debug)]
pub struct HealthService<S> {
    inner: S,
    probes: HealthLayer,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for HealthService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
    ResB: From<Bytes>,
{
    type Response = Response<ResB>;
    type Error = S::Error;
    type Future = HealthFuture<S, Request<ReqB>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let answer = match probe(&request, &self.probes.health, self.probes.detail) {
            Some(response) => Answer::Probe {
                response: Some(response),
            },
            None => Answer::Forward {
                call: Call::new(&mut self.inner, request),
            },
        };
        HealthFuture { answer }
    }
}

pin_project! {
    /// The response of a service inside a [`HealthLayer`], or the answer to a probe.
    ///
    /// # Cancellation
    ///
    /// Dropping it drops the call inside, if there is one.
    pub struct HealthFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        answer: Answer<S, Req>,
    }
}

pin_project! {
    #[project = AnswerProj]
    enum Answer<S, Req>
    where
        S: Service<Req>,
    {
        Probe { response: Option<S::Response> },
        Forward { #[pin] call: Call<S, Req> },
    }
}

impl<S: Service<Req>, Req> Future for HealthFuture<S, Req> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().answer.project() {
            AnswerProj::Forward { call } => call.poll(cx),
            AnswerProj::Probe { response } => response
                .take()
                .map_or(Poll::Pending, |response| Poll::Ready(Ok(response))),
        }
    }
}
