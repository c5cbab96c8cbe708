//! Asks over connections that are kept alive, one request at a time on each.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::variant::{ALLOCATIONS, ANSWER};

/// Connections to one server.
///
/// One thread has them all, and asks each in turn whether its answer is there. It never sleeps: whoever answers somebody
/// who sleeps has to wake him, which costs more than all that is measured here, and he sleeps the more, the slower the
/// server is.
pub(super) struct Load(Vec<Connection>);

/// What was asked and answered.
pub(super) struct Done {
    pub(super) took: Duration,
    pub(super) latencies: Vec<Duration>,
}

impl Load {
    pub(super) fn connect(address: SocketAddr, connections: usize) -> io::Result<Self> {
        let connected = (0..connections).map(|_| Connection::to(address));
        connected.collect::<io::Result<_>>().map(Self)
    }

    /// Asks for so long.
    pub(super) fn run(&mut self, length: Duration) -> io::Result<Done> {
        let begun = Instant::now();
        let mut latencies = Vec::with_capacity(1 << 18);
        for connection in &mut self.0 {
            connection.ask()?;
        }
        let mut asking = self.0.len();
        while asking > 0 {
            let mut is_idle = true;
            for connection in &mut self.0 {
                let Some(latency) = connection.answer()? else { continue };
                latencies.push(latency);
                is_idle = false;
                if begun.elapsed() < length {
                    connection.ask()?;
                } else {
                    asking -= 1;
                }
            }
            if is_idle {
                // For whoever else wants this core.
                thread::yield_now();
            }
        }
        Ok(Done {
            took: begun.elapsed(),
            latencies,
        })
    }

    /// Returns how many allocations a request costs the server.
    pub(super) fn allocations(&mut self) -> io::Result<f64> {
        const REQUESTS: u64 = 1_000;
        let Some(connection) = self.0.first_mut() else {
            return Ok(0.0);
        };
        let before = connection.count()?;
        for _ in 0..REQUESTS {
            connection.ask()?;
            while connection.answer()?.is_none() {}
        }
        let allocated = connection.count()? - before;
        Ok(allocated as f64 / REQUESTS as f64)
    }
}

struct Connection {
    stream: TcpStream,
    buffer: [u8; 4096],
    filled: usize,
    /// When the question was asked that is not answered yet.
    asked: Option<Instant>,
}

impl Connection {
    fn to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            buffer: [0; 4096],
            filled: 0,
            asked: None,
        })
    }

    fn ask(&mut self) -> io::Result<()> {
        self.asked = Some(Instant::now());
        self.stream
            .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nuser-agent: load\r\naccept: */*\r\n\r\n")
    }

    /// Reads what the handler says, if it is there, and tells how long that took.
    fn answer(&mut self) -> io::Result<Option<Duration>> {
        let Some(asked) = self.asked else { return Ok(None) };
        let Some(text) = self.read(|text| text.ends_with(ANSWER.as_bytes()))? else {
            return Ok(None);
        };
        if !text.starts_with(b"HTTP/1.1 200 ") {
            return Err(unexpected(text));
        }
        self.asked = None;
        Ok(Some(asked.elapsed()))
    }

    /// Asks how much the server's thread has allocated.
    fn count(&mut self) -> io::Result<u64> {
        write!(self.stream, "GET {ALLOCATIONS} HTTP/1.1\r\nhost: localhost\r\n\r\n")?;
        loop {
            let is_whole = |text: &[u8]| text.ends_with(b"\n") && !text.ends_with(b"\r\n");
            let Some(text) = self.read(is_whole)? else { continue };
            let line = text.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
            let number = line.and_then(|line| str::from_utf8(line).ok()?.parse().ok());
            return number.ok_or_else(|| unexpected(text));
        }
    }

    /// Returns the whole answer, once it is there.
    fn read(&mut self, is_whole: impl Fn(&[u8]) -> bool) -> io::Result<Option<&[u8]>> {
        let read = match self.stream.read(&mut self.buffer[self.filled..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            read => read?,
        };
        self.filled += read;
        let text = &self.buffer[..self.filled];
        if read == 0 {
            return Err(unexpected(text));
        }
        if !is_whole(text) {
            return Ok(None);
        }
        self.filled = 0;
        Ok(Some(text))
    }
}

fn unexpected(text: &[u8]) -> io::Error {
    io::Error::other(format!("the server says {:?}", String::from_utf8_lossy(text)))
}
