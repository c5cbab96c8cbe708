//! tower's layers and tower-http's timeout, with what they lack: governor's rate limit, as tower's own cannot be
//! cloned, and recloser's breaker.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{Quota, RateLimiter};
use http::StatusCode;
use http_body_util::Full;
use tokio::time::Sleep;
use tower::buffer::BufferLayer;
use tower::filter::FilterLayer;
use tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, RetryLayer};
use tower::{BoxError, Service, ServiceBuilder};
use tower_http::timeout::TimeoutLayer;

use super::{Answer, Bodiless, LIMIT, PLACES, without_body};
use crate::groups::together::reclosed;
use crate::server::variants::ahoy::Ahoy;
use crate::server::variants::door::Served;
use crate::server::variants::ours::QUOTA;

/// How many requests wait for a worker.
const WAITING: usize = 1024;

/// With governor's rate limit, which is asked by a filter.
pub(in crate::server::variants) fn five() -> impl Served {
    let quota = Quota::per_second(NonZeroU32::new(QUOTA).unwrap_or(NonZeroU32::MAX));
    let limiter = Arc::new(RateLimiter::direct(quota));
    let limit = move |request: Bodiless| match limiter.check() {
        Ok(()) => Ok(request),
        Err(_) => Err("there are too many requests"),
    };
    ServiceBuilder::new()
        .map_request(without_body)
        .layer(FilterLayer::new(limit))
        .service(four())
}

/// With tower's rate limit, behind the buffer that its users need: one worker has the stack, and all connections send
/// it their requests.
pub(in crate::server::variants) fn five_buffered() -> impl Served {
    ServiceBuilder::new()
        .map_request(without_body)
        .layer(BufferLayer::new(WAITING))
        .layer(RateLimitLayer::new(QUOTA.into(), Duration::from_secs(1)))
        .service(four())
}

/// Retry, circuit breaker, timeout and bulkhead, in this order from outside.
fn four() -> impl Service<Bodiless, Response = Answer, Error = BoxError, Future: Send> + Clone + Send + 'static {
    let inside = ServiceBuilder::new()
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LIMIT))
        .layer(ConcurrencyLimitLayer::new(PLACES))
        .service(Ahoy::<Full<_>>::new());
    ServiceBuilder::new()
        .layer(RetryLayer::new(Budgeted::new()))
        .map_err(|error: recloser::Error<Infallible>| match error {
            recloser::Error::Inner(never) => match never {},
            recloser::Error::Rejected => BoxError::from("the circuit is open"),
        })
        .service(reclosed(inside))
}

/// A policy as in tower's documentation, with tower's own budget and backoff: what fails on the server's side is tried
/// again.
#[derive(Clone)]
struct Budgeted {
    budget: Arc<TpsBudget>,
    backoff: ExponentialBackoff,
}

impl Budgeted {
    fn new() -> Self {
        Self {
            budget: Arc::default(),
            backoff: ExponentialBackoffMaker::default().make_backoff(),
        }
    }
}

impl<E> Policy<Bodiless, Answer, E> for Budgeted {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Bodiless, result: &mut Result<Answer, E>) -> Option<Sleep> {
        let has_failed = result.as_ref().map_or(true, |answer| answer.status().is_server_error());
        if !has_failed {
            self.budget.deposit();
            return None;
        }
        self.budget.withdraw().then(|| self.backoff.next_backoff())
    }

    fn clone_request(&mut self, request: &Bodiless) -> Option<Bodiless> {
        Some(request.clone())
    }
}
