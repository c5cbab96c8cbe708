use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, VARY};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tower_service::Service;

use super::accept::accepted;
use super::log::{self, LogPage};
use super::review::{self, ReviewPage};
use super::timeline;
use super::token::Token;
use crate::base::inventory::{Entry, Inventory};
use crate::health::Health;
use crate::review::Reviewer;
use crate::telemetry::Telemetry;
use crate::web::{Body, Detail, probe};

/// Answers the plane's paths.
#[derive(Clone, Debug)]
pub(crate) struct AdminRoutes {
    health: Health,
    inventory: Inventory,
    telemetry: Telemetry,
    log: LogPage,
    review: Option<ReviewPage>,
    exposes_all: bool,
}

impl AdminRoutes {
    /// Unless `exposes_all`, only the probes and `/metrics` answer.
    pub(crate) fn new(health: Health, inventory: Inventory, telemetry: Telemetry, exposes_all: bool) -> Self {
        Self {
            health,
            inventory,
            log: LogPage::new(telemetry.clone(), None),
            telemetry,
            review: None,
            exposes_all,
        }
    }

    /// Lets whoever has this token change things.
    pub(crate) fn token(mut self, token: Option<Token>) -> Self {
        self.log = LogPage::new(self.telemetry.clone(), token);
        self
    }

    /// Answers with the review of the service.
    pub(crate) fn reviewer(mut self, reviewer: Reviewer) -> Self {
        self.review = Some(ReviewPage::new(reviewer));
        self
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub(super) fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        let detail = if self.exposes_all {
            Detail::Full
        } else {
            Detail::StatusOnly
        };
        if let Some(response) = probe(request, &self.health, detail) {
            return response;
        }
        let known = match request.uri().path() {
            "/metrics" => Some(self.metrics(request)),
            "/inventory" if self.exposes_all => Some(self.wired()),
            "/timeline" if self.exposes_all => Some(timeline::page(request, &self.telemetry.recorder)),
            log::PATH if self.exposes_all => Some(log::in_force()),
            // Every other method of it.
            review::PATH if self.exposes_all && self.review.is_some() => Some(text(StatusCode::OK, String::new())),
            _ => None,
        };
        match known {
            None => text(StatusCode::NOT_FOUND, "no such page on the admin plane\n".into()),
            Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => {
                let allowed = if request.uri().path() == log::PATH {
                    "GET, HEAD, PUT"
                } else {
                    "GET, HEAD"
                };
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format!("only {allowed}\n"));
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
                response
            }
            Some(response) => response,
        }
    }

    fn metrics(&self, request: &Request<Body>) -> Response<Body> {
        let exposition = accepted(request.headers());
        let mut response = text(
            StatusCode::OK,
            self.telemetry.metrics.render(&self.inventory, exposition),
        );
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(exposition.content_type()));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        response
    }

    fn wired(&self) -> Response<Body> {
        let entries: Vec<Value> = self.inventory.entries().iter().map(entry).collect();
        value(&json!({ "entries": entries }))
    }
}

fn entry(entry: &Entry) -> Value {
    let settings: serde_json::Map<_, _> = entry
        .settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_str().into()))
        .collect();
    let counters: serde_json::Map<_, _> = entry
        .counters
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    let gauges: serde_json::Map<_, _> = entry
        .gauges
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).into()))
        .collect();
    json!({
        "kind": entry.kind,
        "name": entry.name,
        "state": entry.state,
        "settings": settings,
        "counters": counters,
        "gauges": gauges,
    })
}

pub(super) fn value(value: &Value) -> Response<Body> {
    let mut response = text(StatusCode::OK, value.to_string());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(super) fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Service<Request<Body>> for AdminRoutes {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if self.exposes_all && log::is_change(&request) {
            let log = self.log.clone();
            return Box::pin(async move { Ok(log.change(request).await) });
        }
        if let Some(review) = self
            .review
            .as_ref()
            .filter(|_| self.exposes_all && review::is_asked(&request))
        {
            let answer = review.clone().answer(&request);
            return Box::pin(async { Ok(answer.await) });
        }
        Box::pin(ready(Ok(self.answer(&request))))
    }
}
