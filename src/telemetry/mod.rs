//! Turns events, counters and the ends of requests into logs and metrics, and exports spans.
//!
//! [`names`] holds every name. A policy on its own is seen by putting it into an
//! [`Inventory`](crate::inventory::Inventory) and [publishing](Publisher) that.

#[cfg(feature = "app")]
mod aside;
#[cfg(feature = "app")]
mod attempts;
#[cfg(feature = "app")]
mod calls;
#[cfg(feature = "app")]
mod exposition;
#[cfg(feature = "app")]
mod guard;
#[cfg(feature = "app")]
mod handles;
#[cfg(feature = "app")]
mod known;
#[cfg(feature = "app")]
mod logs;
#[cfg(feature = "app")]
mod metrics;
pub mod names;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(all(feature = "app", target_os = "linux"))]
mod process;
#[cfg(all(feature = "app", not(target_os = "linux")))]
#[path = "no_process.rs"]
mod process;
mod publish;
#[cfg(feature = "app")]
mod service;
#[cfg(feature = "app")]
mod system;
#[cfg(feature = "app")]
mod timeline;

#[cfg(feature = "app")]
pub(crate) use aside::{aside, aside_of_task};
#[cfg(feature = "app")]
pub(crate) use calls::{Account, Calls};
#[cfg(feature = "app")]
pub(crate) use exposition::Exposition;
#[cfg(feature = "app")]
pub(crate) use logs::{
    LogEntry, LogFormat, Unchanged, flush as flush_logs, install as install_logs, is_filter, log_filter,
};
#[cfg(feature = "app")]
pub(crate) use process::open_files;
pub use publish::Publisher;
#[cfg(feature = "app")]
pub(crate) use service::Telemetry;
#[cfg(feature = "app")]
pub(crate) use timeline::{FlightRecorder, LAST_ENTRIES, TimelineFile, install_panic_hook};
