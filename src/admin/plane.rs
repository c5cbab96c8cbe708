use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;

use super::routes::AdminRoutes;
use crate::base::clock::sleep;
use crate::server::{ServerConfig, accept};
use crate::shutdown::Shutdown;

/// How often the metrics' sample buffers are emptied, as the exporter itself would.
const UPKEEP: Duration = Duration::from_secs(5);

/// How often somebody looks at the health, so that a heartbeat which falls silent is told even if nobody probes.
const LOOK: Duration = Duration::from_millis(500);

/// The most connections at a time: probes, a scraper, some people.
const MAX_CONNECTIONS: usize = 256;

/// Serves the plane from a new thread until `duty`, which runs there too, has ended.
///
/// `connections` only counts the plane's own connections: a service's shutdown must not wait for its prober.
pub(crate) fn spawn<F, Fut>(
    listener: TcpListener,
    routes: AdminRoutes,
    connections: Shutdown,
    duty: F,
) -> io::Result<()>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = ()>,
{
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let config = ServerConfig {
        max_connections: MAX_CONNECTIONS,
        max_connections_per_address: MAX_CONNECTIONS,
        ..ServerConfig::default()
    };
    let listener = {
        let _entered = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let serve = move || {
        runtime.block_on(async {
            let telemetry = routes.telemetry().clone();
            let health = routes.health().clone();
            tokio::spawn(accept(listener, config, Arc::default(), connections, routes));
            tokio::spawn(async move {
                loop {
                    sleep(UPKEEP).await;
                    telemetry.metrics.upkeep();
                }
            });
            tokio::spawn(async move {
                loop {
                    sleep(LOOK).await;
                    // Looking is enough: what has changed is told by whoever notices it.
                    health.report();
                }
            });
            duty().await;
        });
        // Dropping a runtime waits for blocking tasks; there is nothing here worth waiting for.
        runtime.shutdown_background();
    };
    thread::Builder::new()
        .name("seaworthy-admin".to_owned())
        .spawn(serve)
        .map(drop)
}
