use super::config::ServerConfig;
use super::engine::Cause;
use crate::base::Counter;
use crate::base::inventory::{Describe, Entry};
use crate::shutdown::Shutdown;

/// Counts what became of a server's connections.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    accepted: Counter,
    closed: Counter,
    ended: [Counter; Cause::ALL.len()],
}

impl Counters {
    pub(super) fn accepted(&self) {
        self.accepted.increment();
    }

    pub(super) fn closed(&self) {
        self.closed.increment();
    }

    /// Counts what happened to a connection.
    pub(super) fn count(&self, cause: Cause) {
        self.ended[cause as usize].increment();
    }
}

/// A server's entry in the inventory.
#[derive(Debug)]
pub(crate) struct ServerEntry {
    pub(crate) name: &'static str,
    pub(crate) config: ServerConfig,
    pub(crate) counters: std::sync::Arc<Counters>,
    pub(crate) shutdown: Shutdown,
}

impl Describe for ServerEntry {
    fn describe(&self) -> Entry {
        let Self { config, counters, .. } = self;
        let connections = self.shutdown.connections();
        let entry = Entry::new("server", self.name, self.shutdown.phase().label())
            .saturation(connections as f64 / config.max_connections as f64)
            .setting("connections", connections)
            .setting("max_connections", config.max_connections)
            .setting("max_connections_per_address", config.max_connections_per_address)
            .setting("first_byte_timeout", format!("{:?}", config.first_byte_timeout))
            .setting("tls_handshake_timeout", format!("{:?}", config.tls_handshake_timeout))
            .setting("preface_timeout", format!("{:?}", config.preface_timeout))
            .setting("header_timeout", format!("{:?}", config.header_timeout))
            .setting("header_limit", config.header_limit)
            .setting("http2_window", config.http2_window)
            .setting("write_timeout", format!("{:?}", config.write_timeout))
            .setting("idle_timeout", format!("{:?}", config.idle_timeout))
            .setting("tls", config.tls.is_some())
            .setting("max_age", format!("{:?}", config.max_age))
            .counter("accepted", counters.accepted.sum())
            .counter("closed", counters.closed.sum());
        let ended = Cause::ALL.into_iter().zip(&counters.ended);
        ended.fold(entry, |entry, (cause, counter)| {
            entry.counter(cause.label(), counter.sum())
        })
    }
}
