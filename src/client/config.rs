use std::path::PathBuf;
use std::time::Duration;

/// How a dependency is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransportConfig {
    /// The longest time to open a connection, name and TLS handshake included. Default 1 s: less than an attempt has, so
    /// that an attempt can still fail for what it is.
    pub(crate) connect_timeout: Duration,
    /// How many connections are kept while nobody uses them.
    pub(crate) max_idle: usize,
    /// How long each of them is kept. Default 55 s: less than the 60 s of common proxies, so that it is not closed on the
    /// other side just when it is used again.
    pub(crate) idle_timeout: Duration,
    /// Whether HTTP/2 is spoken from the first byte, as gRPC without TLS does.
    pub(crate) http2: bool,
    /// A PEM file with the certificates that are trusted instead of the system's.
    pub(crate) ca_certificate: Option<PathBuf>,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            max_idle: 64,
            idle_timeout: Duration::from_secs(55),
            http2: false,
            ca_certificate: None,
        }
    }
}
