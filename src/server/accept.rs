use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::config::ServerConfig;
use super::connection;
use crate::base::clock::sleep;
use crate::shutdown::Shutdown;
use crate::web::HttpService;

/// How long to pause when the system refuses to accept, as when it has run out of file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Accepts connections until the shutdown closes, each in a task that the shutdown waits for.
pub(crate) async fn accept(listener: TcpListener, config: ServerConfig, shutdown: Shutdown, service: impl HttpService) {
    let slots = Arc::new(Semaphore::new(config.max_connections));
    let builder = connection::builder(&config);
    let closing = shutdown.closing();
    tokio::pin!(closing);
    // Owns the service, which may be sent to another thread but not shared with one.
    let spawn = move |stream: TcpStream, peer: SocketAddr, slot| {
        let connection = connection::serve(builder.clone(), stream, peer, service.clone(), shutdown.closing());
        shutdown.spawn_connection(async move {
            connection.await;
            drop(slot);
        });
    };
    loop {
        let next = async { (Arc::clone(&slots).acquire_owned().await, listener.accept().await) };
        match tokio::select! { biased; () = &mut closing => break, next = next => next } {
            (slot, Ok((stream, peer))) => spawn(stream, peer, slot.ok()),
            (_, Err(error)) => pause(&error).await,
        }
    }
}

async fn pause(error: &io::Error) {
    // A peer that has gone before it was accepted is no reason to wait.
    if !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    ) {
        tracing::error!(%error, "cannot accept connections; trying again");
        sleep(BREATH).await;
    }
}
