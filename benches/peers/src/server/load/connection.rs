use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::server::variants::ANSWER;

const OK: &[u8] = b"HTTP/1.1 200 ";

/// Returns what is sent to ask for a path: in one piece, as whoever is sent several reads more than once.
pub(in crate::server) fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: load\r\naccept: */*\r\n\r\n")
}

/// A connection that never waits.
pub(super) struct Connection {
    stream: TcpStream,
    request: String,
    buffer: [u8; 4096],
    filled: usize,
}

impl Connection {
    pub(super) fn to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            request: request("/"),
            buffer: [0; 4096],
            filled: 0,
        })
    }

    pub(super) fn ask(&mut self) -> io::Result<()> {
        self.stream.write_all(self.request.as_bytes())
    }

    /// Reads what has come, and returns whether that is all that the handler says.
    pub(super) fn is_answered(&mut self) -> io::Result<bool> {
        let read = match self.stream.read(&mut self.buffer[self.filled..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            read => read?,
        };
        self.filled += read;
        let text = &self.buffer[..self.filled];
        // Who is refused must not wait for the handler's text.
        let is_ok = text.iter().zip(OK).all(|(said, expected)| said == expected);
        if read == 0 || !is_ok {
            return Err(unexpected(text));
        }
        let is_whole = text.ends_with(ANSWER.as_bytes());
        if is_whole {
            self.filled = 0;
        }
        Ok(is_whole)
    }
}

fn unexpected(text: &[u8]) -> io::Error {
    let text = String::from_utf8_lossy(text);
    io::Error::other(format!("the server says {text:?}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};

    use super::Connection;

    fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let connection = Connection::to(address).expect("somebody listens");
        (connection, listener.accept().expect("somebody has connected").0)
    }

    /// Looks until there is something, or nothing more to come.
    fn first(connection: &mut Connection) -> std::io::Result<()> {
        while !connection.is_answered()? {
            std::thread::yield_now();
        }
        Ok(())
    }

    #[test]
    fn an_answer_in_two_parts_is_one() {
        let (mut connection, mut server) = pair();
        server.write_all(b"HTTP/1.1 200 OK\r\n").expect("it is connected");
        assert!(matches!(connection.is_answered(), Ok(false)));
        server.write_all(b"\r\nahoy").expect("it is connected");
        first(&mut connection).expect("it is the answer");
    }

    #[test]
    fn a_refusal_is_no_answer() {
        let (mut connection, mut server) = pair();
        server
            .write_all(b"HTTP/1.1 503 Service Unavailable\r\n")
            .expect("it is connected");
        let error = first(&mut connection).expect_err("it is refused");
        assert!(error.to_string().contains("503"), "{error}");
    }

    #[test]
    fn the_end_of_a_connection_is_no_answer() {
        let (mut connection, server) = pair();
        drop(server);
        first(&mut connection).expect_err("nobody is there");
    }
}
