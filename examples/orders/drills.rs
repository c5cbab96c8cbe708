//! Routes that misbehave on purpose, to try what the service is made of. Leave this file out of a copy.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, Query};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::stream::{self, StreamExt};
use seaworthy::shutdown::Draining;

use crate::api::Wait;

pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/drills/block", get(block))
        .route("/drills/endless", get(endless))
        .route("/drills/swallow", post(swallow))
        .route("/drills/websocket", get(websocket))
}

/// Blocks the thread that runs it, which no asynchronous code should ever do.
async fn block(Query(wait): Query<Wait>) -> String {
    tracing::warn!("a worker is blocked for {} ms", wait.ms);
    std::thread::sleep(Duration::from_millis(wait.ms));
    format!("blocked a worker for {} ms\n", wait.ms)
}

/// Sends for as long as somebody reads; each piece is made anew, so that what is not taken shows in the memory.
async fn endless() -> Body {
    let piece = || Ok::<_, Infallible>(Bytes::from(vec![b'.'; 16 * 1024]));
    Body::from_stream(stream::repeat_with(piece))
}

/// Reads a body of any length to its end, not before it has waited, and says how many bytes it had.
async fn swallow(Query(wait): Query<Wait>, body: Body) -> String {
    tokio::time::sleep(Duration::from_millis(wait.ms)).await;
    let mut pieces = body.into_data_stream();
    let mut bytes = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        bytes += piece.len();
    }
    format!("swallowed {bytes} bytes\n")
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
