//! Asks a second time when the answer is late, and takes the first success.

mod config;
mod future;
mod latency;
mod layer;
mod pace;
mod rules;
mod service;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;

pub use config::{Delay, HedgeConfig, Percentile};
pub use future::{Call, ResponseFuture};
pub use layer::{Hedge, HedgeBuilder, HedgeLayer};
pub use service::HedgeService;
