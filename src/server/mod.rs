//! Accepts connections and serves HTTP/1 and HTTP/2 on them, within limits, until a shutdown closes them.
//!
//! `admission` gives out places, `sniff` finds out the protocol, `connection` drives it, `activity` notes what happens
//! on it, `engine` decides from that when it ends, `io` is the socket that can be cut.

mod accept;
mod activity;
mod admission;
mod config;
mod connection;
mod counters;
mod engine;
mod io;
mod listen;
mod sniff;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;

pub(crate) use accept::accept;
pub(crate) use config::ServerConfig;
pub(crate) use counters::{Counters, ServerEntry};
pub use listen::ListenError;
pub(crate) use listen::listen;
pub(crate) use tls::Tls;
