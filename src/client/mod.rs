//! The pooled HTTP client that a declared dependency is called by.

mod base;
mod bounded;
mod config;
#[cfg(not(feature = "tls"))]
mod no_tls;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod unreachable;

pub(crate) use base::{ALLOWED, BaseUrl};
pub(crate) use config::TransportConfig;
pub(crate) use transport::Transport;
