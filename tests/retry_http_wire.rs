//! Bodies that are sent more than once, through hyper's client and over a socket.

mod web_support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, StatusCode};
use http_body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use seaworthy::Body;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::{Layer, ServiceExt};
use web_support::retry::eager;
use web_support::wire::serve;
use web_support::{Step, script};

fn client() -> Client<HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn put(addr: SocketAddr, body: Body) -> Request<Body> {
    Request::put(format!("http://{addr}/orders")).body(body).unwrap()
}

#[tokio::test]
async fn a_streamed_body_keeps_its_length_on_the_wire() {
    let (addr, seen) = serve(&[Some("503 Busy"), None, Some("200 OK")]).await;
    let body = script([Step::Data("an "), Step::Yield, Step::Data("order")]).of_known_length();
    let client = eager().build().unwrap().http_layer().layer(client());
    let response = client.oneshot(put(addr, Body::new(body))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    for request in seen.iter() {
        assert!(request.contains("content-length: 8\r\n"), "{request}");
        assert!(!request.contains("transfer-encoding"), "{request}");
        assert!(request.ends_with("\r\n\r\nan order"), "{request}");
    }
}

#[tokio::test]
async fn a_body_that_still_streams_when_the_answer_comes_is_whole_in_the_next_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (go_on, rest) = oneshot::channel();
    let server = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        until(&mut first, "an \r\n").await;
        first
            .write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        // Only now, while both connections are open.
        let (mut second, _) = listener.accept().await.unwrap();
        let begin = until(&mut second, "an \r\n").await;
        go_on.send(Bytes::from("order")).unwrap();
        let end = until(&mut second, "0\r\n\r\n").await;
        second
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        (begin + &end, to_end(&mut first).await)
    });
    let pieces = stream::once(async { Ok(Bytes::from("an ")) }).chain(stream::once(rest));
    let body = http_body_util::StreamBody::new(Box::pin(pieces.map(|piece| piece.map(Frame::data))));
    let client = eager().build().unwrap().http_layer().layer(client());
    let sent = client.oneshot(put(addr, Body::new(body)));
    let response = tokio::time::timeout(Duration::from_secs(30), sent)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let (second, first) = server.await.unwrap();
    assert!(second.ends_with("3\r\nan \r\n5\r\norder\r\n0\r\n\r\n"), "{second}");
    assert!(!first.contains("order") && !first.contains("0\r\n\r\n"), "{first}");
}

/// Reads until it ends with that.
async fn until(connection: &mut tokio::net::TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut buffer = [0; 1024];
        let read = connection.read(&mut buffer).await.unwrap();
        assert!(read > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    text
}

async fn to_end(connection: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = connection.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}
