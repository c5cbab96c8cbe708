//! The pooled HTTP client that a declared dependency is called by.

mod base;
mod bounded;
#[cfg(feature = "otlp")]
mod collector;
mod config;
#[cfg(not(feature = "tls"))]
mod no_tls;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod unreachable;

pub(crate) use base::{ALLOWED, BaseUrl};
#[cfg(feature = "otlp")]
pub(crate) use collector::{collector_over_grpc, collector_over_http};
pub(crate) use config::TransportConfig;
pub(crate) use transport::Transport;
