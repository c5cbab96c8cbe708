use std::time::Duration;

/// Limits of the connections that a server accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// The most connections at one time; further ones wait in the system's backlog. Default 10,000.
    pub(crate) max_connections: usize,
    /// The longest time for a request's headers. Default 10 s.
    pub(crate) header_timeout: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_timeout: Duration::from_secs(10),
        }
    }
}
