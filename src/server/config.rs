use std::time::Duration;

use super::tls::Tls;

/// The most bytes of a response that wait here for a peer who does not take them, beside one piece. hyper's own 400 KiB,
/// for each of 200 streams of each connection, would be no limit.
pub(super) const BUFFER: usize = 64 << 10;

/// Limits of the connections that a server accepts.
#[derive(Clone, Debug)]
pub(crate) struct ServerConfig {
    /// The most connections at one time; further ones wait in the system's backlog.
    pub(crate) max_connections: usize,
    /// The most connections of one address (IPv6: of one /64); further ones are closed at once.
    pub(crate) max_connections_per_address: usize,
    /// The longest wait for the first byte.
    pub(crate) first_byte_timeout: Duration,
    /// The longest TLS handshake.
    pub(crate) tls_handshake_timeout: Duration,
    /// The longest time from the first byte until it is known which protocol is spoken.
    pub(crate) preface_timeout: Duration,
    /// The longest time for a request's headers.
    pub(crate) header_timeout: Duration,
    /// The most bytes of a request's head; over HTTP/2 each field counts 32 more.
    pub(crate) header_limit: u32,
    /// The most bytes that a stream of HTTP/2 may send ahead of who reads its body; a connection twice as many.
    pub(crate) http2_window: u32,
    /// The longest time in which a peer takes nothing of what is sent to it.
    pub(crate) write_timeout: Duration,
    /// The longest time without a request.
    pub(crate) idle_timeout: Duration,
    /// When a connection is closed between two requests, however busy it is.
    pub(crate) max_age: Duration,
    /// Speaks TLS if there is one.
    pub(crate) tls: Option<Tls>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            // Half, so that no peer alone can take every place.
            max_connections_per_address: 5_000,
            first_byte_timeout: Duration::from_secs(10),
            tls_handshake_timeout: Duration::from_secs(10),
            preface_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            // hyper's own for HTTP/2. Its 400 KiB for HTTP/1 are 4 GB for as many connections as there may be.
            header_limit: 16 << 10,
            // What HTTP/2 begins with, nearly; hyper's own is 1 MiB.
            http2_window: 64 << 10,
            write_timeout: Duration::from_secs(30),
            // Longer than the 60 s of common proxies, so that the proxy closes first and no request meets a close.
            idle_timeout: Duration::from_secs(75),
            max_age: Duration::from_secs(60 * 60),
            tls: None,
        }
    }
}

impl ServerConfig {
    /// Returns how many bytes a connection holds at most for its peer while one request is under way: a head, what waits
    /// of a response, and bodies over HTTP/2 that nobody reads yet.
    pub(crate) fn bytes_per_connection(&self) -> u64 {
        u64::from(self.header_limit) + BUFFER as u64 + 2 * u64::from(self.http2_window)
    }
}
