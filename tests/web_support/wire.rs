//! A server on a socket that shows every byte of what it is sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers one request a connection with these, one after another, and keeps what it reads; `None` closes at once.
pub async fn serve(answers: &'static [Option<&'static str>]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&seen);
    tokio::spawn(async move {
        for answer in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let request = read(&mut connection).await;
            kept.lock().unwrap().push(request);
            if let Some(head) = answer {
                let response = format!("HTTP/1.1 {head}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
                connection.write_all(response.as_bytes()).await.unwrap();
            }
        }
    });
    (addr, seen)
}

/// Reads a request with its body, whose length it must declare.
async fn read(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let declared = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= declared.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        assert!(
            connection.read_buf(&mut bytes).await.unwrap() > 0,
            "closed within {text:?}"
        );
    }
}
