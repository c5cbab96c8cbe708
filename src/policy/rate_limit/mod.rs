//! Limits how many requests are let through in a time.

mod adaptive;
mod config;
mod engine;
mod error;
mod future;
mod keyed;
mod layer;
mod limit;
mod line;
mod meter;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod quota;
mod rules;
mod service;
mod snapshot;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;
mod turn;
mod weight;

pub use config::{Adaptive, RateLimitConfig};
pub use error::RateLimited;
pub use future::{Call, ResponseFuture};
pub use keyed::{AtCapacity, Key, KeyedRateLimit};
pub use layer::{PerKey, PerService, RateLimitLayer};
pub use limit::{RateLimit, RateLimitBuilder};
pub use quota::Quota;
pub use service::RateLimitService;
pub use snapshot::Snapshot;
pub use weight::{One, Weigh};

#[cfg(feature = "http")]
pub(crate) use {future::Visited, snapshot::Spent};
