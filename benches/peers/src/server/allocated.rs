//! What a request makes the server allocate.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::load::request;
use super::variants::{ALLOCATED, ANSWER};

/// How long a server may say nothing at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns how many allocations a request costs the server, and of how many bytes.
pub(super) fn per_request(address: SocketAddr) -> io::Result<[f64; 2]> {
    const REQUESTS: u64 = 1_000;
    let mut stream = connect(address)?;
    // The first of each kind may make room for those after it.
    so_far(&mut stream)?;
    ask(&mut stream, "/")?;
    let before = so_far(&mut stream)?;
    for _ in 0..REQUESTS {
        ask(&mut stream, "/")?;
    }
    let after = so_far(&mut stream)?;
    Ok([0, 1].map(|which| (after[which] - before[which]) as f64 / REQUESTS as f64))
}

pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn so_far(stream: &mut TcpStream) -> io::Result<[u64; 2]> {
    let said = ask(stream, ALLOCATED)?;
    let mut numbers = said.split_whitespace().map_while(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(count), Some(bytes)) => Ok([count, bytes]),
        _ => Err(unexpected(&said)),
    }
}

/// Asks, and returns the body of the answer.
pub(super) fn ask(stream: &mut TcpStream, path: &str) -> io::Result<String> {
    stream.write_all(request(path).as_bytes())?;
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        filled += read;
        let text = String::from_utf8_lossy(&buffer[..filled]);
        let is_ok = "HTTP/1.1 200 ".starts_with(text.get(..13).unwrap_or(&text));
        if read == 0 || !is_ok {
            return Err(unexpected(&text));
        }
        match text.split_once("\r\n\r\n") {
            Some((_, body)) if body == ANSWER || body.ends_with('\n') => return Ok(body.to_owned()),
            _ => {}
        }
    }
}

fn unexpected(said: &str) -> io::Error {
    io::Error::other(format!("the server says {said:?}"))
}
