//! Our policies, with their defaults wherever they have some; nobody is refused.

use seaworthy::Body;
use seaworthy::adaptive::AdaptiveLimit;
use seaworthy::breaker::CircuitBreaker;
use seaworthy::bulkhead::Bulkhead;
use seaworthy::load_shed::LoadShed;
use seaworthy::rate_limit::{Quota, RateLimit};
use seaworthy::retry::Retry;
use seaworthy::timeout::Timeout;
use tower::ServiceBuilder;

use super::ahoy::Ahoy;
use super::door::{Failed, Served};

pub(super) const NAME: &str = "inbound";
/// More requests a second than anybody can make.
pub(super) const QUOTA: u32 = 1_000_000;
/// The longest body, in bytes.
pub(super) const BODY: u64 = 1 << 20;

pub(super) fn timeout() -> Result<Timeout, Failed> {
    Ok(Timeout::builder(NAME).build()?)
}

pub(super) fn rate_limit() -> Result<RateLimit, Failed> {
    Ok(RateLimit::builder(NAME).quota(Quota::per_second(QUOTA)).build()?)
}

pub(super) fn adaptive() -> Result<AdaptiveLimit, Failed> {
    Ok(AdaptiveLimit::builder(NAME).build()?)
}

/// Looks at what an [`App`](seaworthy::App) lets it look at.
pub(super) fn load_shed() -> Result<LoadShed, Failed> {
    Ok(LoadShed::builder(NAME).signal("adaptive_limit", adaptive()?).build()?)
}

pub(super) fn bulkhead() -> Result<Bulkhead, Failed> {
    Ok(Bulkhead::builder(NAME).build()?)
}

/// Rate limit, retry, circuit breaker, timeout and bulkhead, in this order from outside.
pub(super) fn five() -> Result<impl Served, Failed> {
    Ok(ServiceBuilder::new()
        .layer(rate_limit()?.http_layer())
        .layer(Retry::builder(NAME).build()?.http_layer())
        .layer(CircuitBreaker::builder(NAME).build()?.http_layer())
        .layer(timeout()?.http_layer())
        .layer(bulkhead()?.http_layer())
        .service(Ahoy::<Body>::new()))
}
