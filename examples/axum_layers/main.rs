//! A plain axum service behind single layers: no `App`, no admin plane, no settings.
//!
//! ```sh
//! cargo run --example axum_layers --features axum
//! ```
//!
//! It listens on `127.0.0.1:8080`, or where `LISTEN` says. Take from it the list of layers in `guards.rs`, in its order,
//! and the dozen lines here that answer the probes and drain. What it leaves to you, and `App` brings, is in the
//! documentation, under `docs::add_one_layer`.

mod guards;

use std::env;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use seaworthy::BoxError;
use seaworthy::events::Event;
use seaworthy::health::Health;
use seaworthy::shutdown::{Drained, Shutdown};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().init();
    match serve().await {
        Ok(drained) => ExitCode::from(drained.exit_code()),
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<Drained, BoxError> {
    let health = Health::builder().events(log).build();
    let shutdown = Shutdown::builder().events(log).build()?;
    let app = guards::guarded(routes(), &health, &shutdown)?;

    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listen: SocketAddr = listen.parse().map_err(|_| format!("LISTEN is no address: {listen}"))?;
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;

    // Without it the rate limit would take all clients for one.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(shutdown.closing());
    let server = tokio::spawn(server.into_future());

    let draining = health.clone();
    shutdown.on_begin(move || draining.drain());
    health.start(&Handle::current());
    tracing::info!("serving: curl -i http://{address}/");
    tracing::info!("is it ready: curl -i http://{address}/readyz");

    let drained = shutdown.drive_by_signals(&Handle::current()).await?;
    // All requests have ended or were cut; the last bytes of them are on their way.
    let _ = timeout(Duration::from_secs(1), server).await;
    Ok(drained)
}

fn routes() -> Router {
    Router::new()
        .route("/", get(async || "ahoy\n"))
        .route("/slow/{ms}", get(slow))
        .route("/echo", post(async |text: String| text))
}

async fn slow(Path(ms): Path<u64>) -> String {
    sleep(Duration::from_millis(ms)).await;
    format!("waited {ms} ms\n")
}

/// Says what has changed, such as the phase of the shutdown.
fn log(event: &Event<'_>) {
    tracing::info!(kind = event.kind, name = event.name, change = ?event.change, "changed");
}
