//! Load: requests over connections that are kept alive, one at a time on each.
//!
//! In a closed loop each connection asks again once it has been answered, so that the server says how fast it is asked;
//! in an open one requests are due when their time has come, whatever became of those before.

pub(super) mod closed;
mod connection;
mod done;
#[cfg(test)]
mod fake;
pub(super) mod open;
pub(super) mod schedule;

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use connection::Connection;
pub(super) use connection::request;
pub(super) use done::Done;

/// Lines to a server, on each of which one request can be under way, and the clock by which it is asked.
pub(super) trait Lines {
    /// How many there are.
    fn count(&self) -> usize;
    /// How long ago it all began.
    fn now(&self) -> Duration;
    /// Sends a request; what was sent on this line before has been answered.
    fn ask(&mut self, line: usize) -> io::Result<()>;
    /// Looks whether the answer is there.
    fn is_answered(&mut self, line: usize) -> io::Result<bool>;
    /// There is nothing to do right now.
    fn pause(&mut self);
}

/// Connections to one server.
///
/// One thread has them all, and asks each in turn whether its answer is there. It never sleeps: whoever answers somebody
/// who sleeps has to wake him, which costs more than all that is measured here, and he sleeps the more, the slower the
/// server is.
pub(super) struct Load {
    connections: Vec<Connection>,
    begun: Instant,
}

impl Load {
    pub(super) fn connect(address: SocketAddr, connections: usize) -> io::Result<Self> {
        let connected = (0..connections).map(|_| Connection::to(address));
        Ok(Self {
            connections: connected.collect::<io::Result<_>>()?,
            begun: Instant::now(),
        })
    }
}

impl Lines for Load {
    fn count(&self) -> usize {
        self.connections.len()
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn ask(&mut self, line: usize) -> io::Result<()> {
        self.connections[line].ask()
    }

    fn is_answered(&mut self, line: usize) -> io::Result<bool> {
        self.connections[line].is_answered()
    }

    fn pause(&mut self) {
        // For whoever else wants this core.
        thread::yield_now();
    }
}
