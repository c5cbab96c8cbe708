//! Tries again what failed, within a budget and a deadline.
mod appraise;
mod backoff;
mod config;
mod engine;
mod future;
mod layer;
mod service;

pub use appraise::{Appraisal, Appraise, ByOutcome};
pub use backoff::{Backoff, Jitter};
pub use config::RetryConfig;
pub use future::{Call, ResponseFuture};
pub use layer::{Retry, RetryBuilder, RetryLayer};
pub use service::RetryService;
