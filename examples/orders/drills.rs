//! Routes that misbehave on purpose, to try what the service is made of. Leave this file out of a copy.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, Query};
use axum::response::Response;
use axum::routing::get;
use futures_util::stream;
use seaworthy::shutdown::Draining;

use crate::api::Wait;

pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/drills/block", get(block))
        .route("/drills/endless", get(endless))
        .route("/drills/websocket", get(websocket))
}

/// Blocks the thread that runs it, which no asynchronous code should ever do.
async fn block(Query(wait): Query<Wait>) -> String {
    tracing::warn!("a worker is blocked for {} ms", wait.ms);
    std::thread::sleep(Duration::from_millis(wait.ms));
    format!("blocked a worker for {} ms\n", wait.ms)
}

/// Sends for as long as somebody reads.
async fn endless() -> Body {
    let piece = Bytes::from_static(&[b'.'; 16 * 1024]);
    Body::from_stream(stream::repeat(Ok::<_, std::convert::Infallible>(piece)))
}

/// Echoes until the service drains.
async fn websocket(upgrade: WebSocketUpgrade, Extension(draining): Extension<Draining>) -> Response {
    upgrade.on_upgrade(|socket| echo(socket, draining))
}

async fn echo(mut socket: WebSocket, draining: Draining) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = draining.draining() => {
                // Waits for the peer's own goodbye: whoever never says it is cut at the drain's deadline.
                let _ = socket.send(Message::Close(None)).await;
                while let Some(Ok(_)) = socket.recv().await {}
                return;
            }
        };
        let Some(Ok(message)) = message else { return };
        if socket.send(message).await.is_err() {
            return;
        }
    }
}
