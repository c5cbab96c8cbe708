//! What the tests over real sockets share: a service in this process, and a client that shows every byte.

#![allow(dead_code, reason = "every test binary uses some of it")]

pub mod h2;
pub mod identity;
pub mod process;
pub mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use seaworthy::shutdown::{Cause, Drained, Shutdown};
use seaworthy::web::HttpService;
use seaworthy::{App, AppBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Longer than anything here takes; whoever waits this long waits in vain.
///
/// `ci/faults/run` sets it lower, as there most waits are in vain.
fn patience() -> Duration {
    let seconds = std::env::var("TEST_PATIENCE")
        .ok()
        .and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}

/// A builder whose ports are free ones, which leaves signals alone and holds for no time.
pub fn builder() -> AppBuilder {
    App::builder("tested")
        .signals(false)
        .setting("server.listen", "127.0.0.1:0")
        .setting("admin.listen", "127.0.0.1:0")
        .setting("shutdown.hold", "0s")
        .setting("log.filter", "off")
        // All of a test's requests come from one address.
        .setting("clients.per_second", "100000")
}

/// A service that is served until it is told to end.
pub struct Served {
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    pub shutdown: Shutdown,
    served: JoinHandle<Drained>,
}

impl Served {
    pub fn start(app: App, service: impl HttpService) -> Self {
        let bound = app.bind().unwrap();
        let (addr, admin) = (bound.local_addr(), bound.admin_addr());
        let shutdown = bound.app().shutdown().clone();
        let served = tokio::spawn(async move { bound.serve(service).await.unwrap() });
        Self {
            addr,
            admin,
            shutdown,
            served,
        }
    }

    pub async fn end(self) -> Drained {
        self.shutdown.begin(Cause::Requested);
        self.ended().await
    }

    pub async fn ended(self) -> Drained {
        within(self.served).await.unwrap()
    }
}

/// Fails the test if `future` takes longer than the tests' patience.
pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(patience(), future)
        .await
        .expect("took longer than the test's patience")
}

/// Waits until `condition` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience(), waited)
        .await
        .unwrap_or_else(|_| panic!("never happened: {what}"));
}

/// A response as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
        Some(Self { status, headers, body })
    }
}

/// Sends bytes as they are on a new connection and reads until the server closes it; `None` without a response.
pub async fn send_raw(addr: SocketAddr, bytes: impl AsRef<[u8]>) -> Option<Answer> {
    let mut stream = TcpStream::connect(addr).await.ok()?;
    stream.write_all(bytes.as_ref()).await.ok()?;
    let mut answer = Vec::new();
    // A reset after the response is the server's right: it need not read what it has refused.
    let _ = within(stream.read_to_end(&mut answer)).await;
    Answer::parse(&answer)
}

/// Sends one request, with further header lines if there are any, and expects a response.
pub async fn send(addr: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for header in headers {
        request += header;
        request += "\r\n";
    }
    if !body.is_empty() {
        request += &format!("content-length: {}\r\n", body.len());
    }
    request += "\r\n";
    request += body;
    send_raw(addr, request).await.expect("no response")
}

pub async fn get(addr: SocketAddr, path: &str) -> Answer {
    send(addr, "GET", path, &[], "").await
}

/// A connection that stays open, for what happens on it over time.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub async fn open(addr: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(addr).await.unwrap(),
            read: Vec::new(),
        }
    }

    pub fn of(stream: TcpStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    pub async fn write(&mut self, text: &str) {
        self.write_bytes(text.as_bytes()).await;
    }

    pub async fn write_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Returns whether the connection still took it.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Reads until what has come contains these bytes.
    pub async fn read_bytes_until(&mut self, bytes: &[u8]) {
        assert!(self.try_read_bytes_until(bytes).await, "closed before {bytes:?} came");
    }

    /// Returns whether these bytes came before the end.
    pub async fn try_read_bytes_until(&mut self, bytes: &[u8]) -> bool {
        while !bytes.is_empty() && !self.read.windows(bytes.len()).any(|window| window == bytes) {
            let mut piece = [0; 4096];
            match within(self.stream.read(&mut piece)).await {
                Ok(count @ 1..) => self.read.extend_from_slice(&piece[..count]),
                _ => return false,
            }
        }
        true
    }

    /// Reads until what has come contains `text`; returns all that has come so far.
    pub async fn read_until(&mut self, text: &str) -> String {
        loop {
            let all = String::from_utf8_lossy(&self.read).into_owned();
            if all.contains(text) {
                return all;
            }
            let mut piece = [0; 4096];
            let count = within(self.stream.read(&mut piece)).await.unwrap();
            assert!(count > 0, "closed before {text:?} came: {all:?}");
            self.read.extend_from_slice(&piece[..count]);
        }
    }

    /// Returns how many bytes have come after the first `text`, and forgets all.
    pub fn read_so_far_after(&mut self, text: &str) -> usize {
        let all = std::mem::take(&mut self.read);
        let end = all
            .windows(text.len())
            .position(|window| window == text.as_bytes())
            .unwrap();
        all.len() - end - text.len()
    }

    /// Reads at most so many bytes, and returns how many; 0 at the end.
    pub async fn read_some(&mut self, most: usize) -> usize {
        let mut piece = vec![0; most];
        within(self.stream.read(&mut piece)).await.unwrap_or(0)
    }

    /// Returns whether at least so many bytes have come that nobody has read.
    pub async fn is_waiting(&self, least: usize) -> bool {
        let mut piece = vec![0; least];
        within(self.stream.peek(&mut piece)).await.unwrap_or(0) == least
    }

    /// Reads one response with a declared length, and forgets it.
    pub async fn read_response(&mut self) {
        assert!(self.try_read_response().await, "closed without a whole response");
    }

    /// Returns whether there was a whole response.
    pub async fn try_read_response(&mut self) -> bool {
        loop {
            if let Some(end) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.read[..end]).to_ascii_lowercase();
                let length = head.split("content-length: ").nth(1).expect("a declared length");
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if self.read.len() >= end + 4 + length {
                    self.read.drain(..end + 4 + length);
                    return true;
                }
            }
            let mut piece = [0; 4096];
            match within(self.stream.read(&mut piece)).await {
                Ok(count @ 1..) => self.read.extend_from_slice(&piece[..count]),
                _ => return false,
            }
        }
    }

    /// Waits until the server closes; returns all that has come.
    pub async fn closed(self) -> String {
        String::from_utf8_lossy(&self.closed_bytes().await).into_owned()
    }

    pub async fn closed_bytes(mut self) -> Vec<u8> {
        let _ = within(self.stream.read_to_end(&mut self.read)).await;
        self.read
    }
}

/// Finds the value of a metric's series in a text exposition: the one whose line has all `labels`.
pub fn metric(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let mut lines = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let line = lines.find(|line| labels.iter().all(|label| line.contains(label)))?;
    line.rsplit(' ').next()?.parse().ok()
}
