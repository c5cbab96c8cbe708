//! A sink that keeps what it is told of every request, and exchanges to tell it of.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt;
use seaworthy::Body;
use seaworthy::outcome::Outcome;
use seaworthy::request::{RequestEnded, RequestSink};
use seaworthy::web::{ObserveLayer, ObserveService};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::Script;

/// Keeps what it is told.
#[derive(Clone, Default)]
pub struct Sink(pub Arc<Mutex<Told>>);

#[derive(Default)]
pub struct Told {
    pub began: Vec<&'static str>,
    pub ended: Vec<End>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct End {
    pub method: &'static str,
    pub route: String,
    pub status: Option<u16>,
    pub outcome: Outcome,
    pub error: Option<String>,
    pub policy: Option<&'static str>,
}

impl RequestSink for Sink {
    fn began(&self, method: &'static str, scheme: &'static str) {
        assert_eq!(scheme, "http");
        self.0.lock().unwrap().began.push(method);
    }

    fn ended(&self, request: &RequestEnded<'_>) {
        let end = End {
            method: request.method,
            route: request.route.to_owned(),
            status: request.status,
            outcome: request.outcome,
            error: request.error.map(str::to_owned),
            policy: request.refusal.map(|refusal| refusal.policy()),
        };
        self.0.lock().unwrap().ended.push(end);
    }
}

impl Sink {
    pub fn layer<S>(&self, inner: S) -> ObserveService<S> {
        ObserveLayer::new(Arc::new(self.clone())).layer(inner)
    }

    /// The one request that there was, which must have ended.
    pub fn only(&self) -> End {
        let told = self.0.lock().unwrap();
        assert_eq!((told.began.len(), told.ended.len()), (1, 1));
        assert_eq!(told.began[0], told.ended[0].method);
        told.ended[0].clone()
    }

    /// Status, outcome and error of the only request.
    pub fn end(&self) -> (Option<u16>, Outcome, Option<String>) {
        let End {
            status, outcome, error, ..
        } = self.only();
        (status, outcome, error)
    }
}

pub fn ended(status: impl Into<Option<u16>>, outcome: Outcome, error: &str) -> (Option<u16>, Outcome, Option<String>) {
    let error = Some(error).filter(|error| !error.is_empty());
    (status.into(), outcome, error.map(str::to_owned))
}

/// Answers 200 with the body.
pub fn body(body: Script) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    response(Response::new(Body::new(body)))
}

pub fn response(
    response: Response<Body>,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> {
    let response = Arc::new(Mutex::new(Some(response)));
    service_fn(move |_: Request<Body>| {
        let response = response.lock().unwrap().take().unwrap();
        async { Ok(response) }
    })
}

/// Calls the service and reads the answer's body as far as it goes.
pub async fn exchange<S>(sink: &Sink, service: S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<Body>>,
{
    if let Ok(response) = sink.layer(service).oneshot(request).await {
        let _ = response.into_body().collect().await;
    }
}
