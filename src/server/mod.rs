//! Accepts connections and serves HTTP/1 and HTTP/2 on them, within limits, until a shutdown closes them.

mod accept;
mod config;
mod connection;
mod listen;

pub(crate) use accept::accept;
pub(crate) use config::ServerConfig;
pub use listen::ListenError;
pub(crate) use listen::listen;
