//! Turns events, counters and the ends of requests into logs and metrics.
//!
//! [`names`] holds every name. A policy on its own is seen by putting it into an
//! [`Inventory`](crate::inventory::Inventory) and [publishing](Publisher) that.

#[cfg(feature = "app")]
mod handles;
#[cfg(feature = "app")]
mod logs;
#[cfg(feature = "app")]
mod metrics;
pub mod names;
mod publish;
#[cfg(feature = "app")]
mod service;

#[cfg(feature = "app")]
pub(crate) use logs::{
    LogEntry, LogFormat, Unchanged, flush as flush_logs, install as install_logs, is_filter, log_filter,
};
pub use publish::Publisher;
#[cfg(feature = "app")]
pub(crate) use service::Telemetry;
