//! Caps how many calls are under way at once, and lets a bounded number wait for a bounded time.

mod config;
mod engine;
mod error;
mod future;
mod layer;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod partition;
mod permit;
mod placed;
mod rules;
mod service;
mod snapshot;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;
mod wait;

pub use config::BulkheadConfig;
pub use error::BulkheadFull;
pub use future::{Acquire, Call, ResponseFuture};
pub use layer::{Bulkhead, BulkheadBuilder, BulkheadLayer};
pub use partition::{
    PartitionedBulkhead, PartitionedBulkheadBuilder, PartitionedBulkheadLayer, PartitionedBulkheadService,
};
pub use permit::Permit;
pub use service::BulkheadService;
pub use snapshot::Snapshot;

#[cfg(feature = "http")]
pub(crate) use {future::Held, placed::Placed, service::Door};
