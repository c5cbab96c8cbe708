use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;

use super::admission::Admission;
use super::config::ServerConfig;
use super::connection::Server;
use super::counters::Counters;
use super::listen::BACKLOG;
use crate::base::clock::sleep;
use crate::shutdown::Shutdown;
use crate::web::HttpService;

/// How long to pause when the system refuses to accept, as when it has run out of file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Accepts connections until the shutdown closes, each in a task of its own.
///
/// What had already connected when it closed is still served: the peers believe that they are connected.
pub(crate) async fn accept(
    listener: TcpListener,
    config: ServerConfig,
    counters: Arc<Counters>,
    shutdown: Shutdown,
    service: impl HttpService,
) {
    let admission = Admission::new(&config, Arc::clone(&counters));
    let server = Server::new(Arc::new(config), counters, shutdown.clone());
    let closing = shutdown.closing();
    tokio::pin!(closing);
    let admit = admission.clone();
    // Owns the service, which may be sent to another thread but not shared with one.
    let spawn = move |stream: TcpStream, peer: SocketAddr, total: Option<OwnedSemaphorePermit>| {
        let Some(place) = admit.admit(total, peer.ip(), shutdown.open_connection()) else {
            return;
        };
        // Fails only for a socket that is gone already.
        let _ = stream.set_nodelay(true);
        tokio::spawn(server.clone().greet(stream, peer, place, service.clone()));
    };
    loop {
        let next = async { (admission.free().await, listener.accept().await) };
        match tokio::select! { biased; () = &mut closing => break, next = next => next } {
            (total, Ok((stream, peer))) => spawn(stream, peer, total),
            (_, Err(error)) => pause(&error).await,
        }
    }
    if let Err(error) = backlog(listener, spawn) {
        tracing::debug!(%error, "the backlog cannot be served");
    }
}

/// Serves what is still in the system's backlog, and closes the listener.
fn backlog(
    listener: TcpListener,
    spawn: impl Fn(TcpStream, SocketAddr, Option<OwnedSemaphorePermit>),
) -> io::Result<()> {
    // Asks the system itself: tokio learns of connections only when its driver runs.
    let listener = listener.into_std()?;
    for _ in 0..BACKLOG {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                spawn(TcpStream::from_std(stream)?, peer, None);
            }
            Err(error) if has_gone(&error) => {}
            Err(_) => break,
        }
    }
    Ok(())
}

/// A peer that has gone before it was accepted says nothing of the system.
fn has_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

async fn pause(error: &io::Error) {
    if !has_gone(error) {
        tracing::error!(%error, "cannot accept connections; trying again");
        sleep(BREATH).await;
    }
}
