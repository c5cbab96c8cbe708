//! Turns events, counters and the ends of requests into logs and metrics, and exports spans.
//!
//! [`names`] holds every name. A policy on its own is seen by putting it into an
//! [`Inventory`](crate::inventory::Inventory) and [publishing](Publisher) that.

#[cfg(feature = "app")]
mod attempts;
#[cfg(feature = "app")]
mod calls;
#[cfg(feature = "app")]
mod handles;
#[cfg(feature = "app")]
mod logs;
#[cfg(feature = "app")]
mod metrics;
pub mod names;
#[cfg(feature = "otlp")]
pub mod otlp;
mod publish;
#[cfg(feature = "app")]
mod service;

#[cfg(feature = "app")]
pub(crate) use calls::{Account, Calls};
#[cfg(feature = "app")]
pub(crate) use logs::{LogEntry, LogFormat, flush as flush_logs, install as install_logs, is_filter};
pub use publish::Publisher;
#[cfg(feature = "app")]
pub(crate) use service::Telemetry;
