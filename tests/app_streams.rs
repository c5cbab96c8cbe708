//! A response's body that streams is still its request's, over real sockets.

mod support;

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Connection, Served, builder, get, metric};

const PIECE: Bytes = Bytes::from_static(b"piece");

fn router() -> Router {
    let piece = || async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        Ok::<_, Infallible>(PIECE)
    };
    let pieces = move |count| stream::repeat_with(piece).then(|piece| piece).take(count);
    Router::new()
        .route("/endless", on_get(async move || Body::from_stream(pieces(usize::MAX))))
        .route("/whole", on_get(async move || Body::from_stream(pieces(50))))
        .route(
            "/panics",
            on_get(async move || {
                let panics = stream::once(async {
                    // Lets the first piece go out before.
                    tokio::task::yield_now().await;
                    panic!("on purpose")
                });
                Body::from_stream(pieces(1).chain(panics))
            }),
        )
}

fn served() -> Served {
    Served::start(builder().setting("server.deadline", "1s").build().unwrap(), router())
}

#[tokio::test]
async fn a_stream_ends_at_its_requests_deadline_and_is_counted() {
    let served = served();
    let mut connection = Connection::open(served.addr).await;
    connection.write("GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let answer = connection.closed().await;
    assert!(
        answer.contains("piece") && !answer.ends_with("0\r\n\r\n"),
        "it is broken off"
    );
    let text = get(served.admin, "/metrics").await.body;
    let refused = [r#"policy="timeout""#, r#"name="inbound""#, r#"reason="body_elapsed""#];
    assert_eq!(metric(&text, "seaworthy_refusals_total", &refused), Some(1.0), "{text}");
}

#[tokio::test]
async fn a_panic_in_a_stream_ends_that_response_alone_and_is_counted() {
    let served = served();
    let stream = tokio::net::TcpStream::connect(served.addr).await.unwrap();
    let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut client, connection) = client.await.unwrap();
    tokio::spawn(connection);
    let uri = |path| format!("http://{}{path}", served.addr);
    let mut ask = |path| {
        let request = http::Request::get(uri(path)).body(seaworthy::Body::empty()).unwrap();
        client.send_request(request)
    };
    let whole = ask("/whole").await.unwrap();
    let panics = ask("/panics").await.unwrap();
    let error = panics.into_body().collect().await.unwrap_err();
    assert!(
        format!("{error:?}").contains("INTERNAL_ERROR"),
        "the service failed: {error:?}"
    );
    assert_eq!(
        whole.into_body().collect().await.unwrap().to_bytes().len(),
        50 * PIECE.len()
    );
    let after = ask("/whole").await.expect("the connection lives");
    after.into_body().collect().await.unwrap();

    let mut connection = Connection::open(served.addr).await;
    connection.write("GET /panics HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let answer = connection.closed().await;
    assert!(
        answer.contains("piece") && !answer.ends_with("0\r\n\r\n"),
        "it is broken off"
    );
    let text = get(served.admin, "/metrics").await.body;
    let panicked = [r#"code="200""#, r#"error_type="panic""#];
    let count = metric(&text, "http_server_request_duration_seconds_count", &panicked);
    assert_eq!(count, Some(2.0), "{text}");
}
