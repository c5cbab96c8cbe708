//! The retry of a `reqwest::Client`, against a server on a socket that shows every byte.

mod web_support;

use std::net::SocketAddr;

use reqwest::{Body, Client, Method, Request};
use seaworthy::attempt::Attempt;
use seaworthy::web::ReqwestReplay;
use tower::{Layer, ServiceExt};
use web_support::retry::eager;
use web_support::wire::serve;

fn request(method: Method, addr: SocketAddr, body: impl Into<Body>) -> Request {
    let mut request = Request::new(method, format!("http://{addr}/orders").parse().unwrap());
    *request.body_mut() = Some(body.into());
    request
}

#[tokio::test]
async fn a_client_tries_again_what_failed_and_the_wire_shows_it() {
    let (addr, seen) = serve(&[Some("503 Busy"), None, Some("200 OK")]).await;
    let retry = eager().build().unwrap();
    let client = retry.reqwest_layer().layer(Client::new());
    let mut sent = request(Method::PUT, addr, "an order");
    sent.headers_mut().insert("x-request-attempt", "9".parse().unwrap());
    let response = client.oneshot(sent).await.unwrap();
    assert!(response.status().is_success());
    assert_eq!(response.text().await.unwrap(), "ok");

    let seen = seen.lock().unwrap();
    let number = |request: &String| {
        let header = |line: &str| line.strip_prefix("x-request-attempt: ").map(str::to_owned);
        request.lines().find_map(header)
    };
    let numbers: Vec<_> = seen.iter().map(number).collect();
    assert_eq!(numbers, [None, Some("2".to_owned()), Some("3".to_owned())]);
    for request in seen.iter() {
        assert!(request.starts_with("put /orders http/1.1\r\n"), "{request}");
        assert!(request.contains("content-length: 8\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\nan order"), "{request}");
    }
}

#[tokio::test]
async fn what_must_not_be_repeated_is_sent_once() {
    let retry = eager().build().unwrap();
    for (method, length, attempts) in [(Method::POST, 3, 1), (Method::PUT, 101, 1), (Method::PUT, 100, 2)] {
        let (addr, seen) = serve(&[Some("503 Busy"), Some("200 OK")]).await;
        let layer = retry.reqwest_layer().replay(ReqwestReplay::default().body_limit(100));
        let client = layer.layer(Client::new());
        let sent = request(method, addr, vec![b'.'; length]);
        let response = client.oneshot(sent).await.unwrap();
        assert_eq!(response.status().is_success(), attempts == 2);
        assert_eq!(seen.lock().unwrap().len(), attempts, "{length} bytes");
    }
}

#[tokio::test]
async fn a_body_that_streams_is_sent_once() {
    use seaworthy::replay::Replay;

    let addr = ([127, 0, 0, 1], 1).into();
    let streamed = Body::wrap(web_support::script([web_support::Step::Data("a")]));
    assert!(
        ReqwestReplay::default()
            .begin(request(Method::PUT, addr, streamed))
            .1
            .is_none()
    );

    let (_, kept) = ReqwestReplay::default().begin(request(Method::PUT, addr, "a"));
    let again = ReqwestReplay::default()
        .again(&mut kept.unwrap(), Attempt::FIRST)
        .unwrap();
    assert_eq!(again.body().unwrap().as_bytes(), Some(&b"a"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_response_says_when_to_come_back() {
    use std::time::Duration;

    let service = tower::service_fn(|_: Request| async {
        let (code, after) = if Attempt::current() == Attempt::FIRST {
            (429, "2")
        } else {
            (200, "0")
        };
        let response = http::Response::builder().status(code).header("retry-after", after);
        Ok::<_, reqwest::Error>(reqwest::Response::from(response.body("").unwrap()))
    });
    let retry = eager().build().unwrap();
    let start = tokio::time::Instant::now();
    let addr = ([127, 0, 0, 1], 1).into();
    let response = retry
        .reqwest_layer()
        .layer(service)
        .oneshot(request(Method::GET, addr, ""))
        .await;
    assert!(response.unwrap().status().is_success());
    assert_eq!(start.elapsed().as_secs(), Duration::from_secs(2).as_secs());
}
