use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::routes::AdminRoutes;
use crate::base::clock::sleep;
use crate::base::inventory::Inventory;
use crate::server::{Counters, ServerConfig, ServerEntry, accept};
use crate::shutdown::{Shutdown, Signals};

/// How often the metrics' sample buffers are emptied, as the exporter itself would.
const UPKEEP: Duration = Duration::from_secs(5);

/// How often the flight recorder looks at what was refused.
const REFUSALS: Duration = Duration::from_secs(1);

/// How often somebody looks at the health, so that a heartbeat which falls silent is told even if nobody probes.
const LOOK: Duration = Duration::from_millis(500);

/// The most connections at a time: probes, a scraper, some people.
const MAX_CONNECTIONS: usize = 256;

/// The most connections of one address, so that no prober takes the place of another.
const MAX_CONNECTIONS_PER_ADDRESS: usize = 32;

/// A prober that asks for nothing gives its place back soon.
const IDLE: Duration = Duration::from_secs(15);

/// The plane's thread before it runs.
pub(crate) struct Plane {
    runtime: Background,
    listener: tokio::net::TcpListener,
    config: ServerConfig,
    counters: Arc<Counters>,
    /// Only counts the plane's own connections: a service's shutdown must not wait for its prober.
    connections: Shutdown,
}

impl Plane {
    /// Makes the runtime and the socket, so that what the system refuses is known before anything runs.
    pub(crate) fn new(listener: TcpListener, inventory: &Inventory) -> io::Result<Self> {
        let runtime = Background(Some(Builder::new_current_thread().enable_all().build()?));
        let config = ServerConfig {
            max_connections: MAX_CONNECTIONS,
            max_connections_per_address: MAX_CONNECTIONS_PER_ADDRESS,
            idle_timeout: IDLE,
            ..ServerConfig::default()
        };
        let listener = {
            let _entered = runtime.get().map(Runtime::enter);
            tokio::net::TcpListener::from_std(listener)?
        };
        let connections = Shutdown::builder().build().map_err(io::Error::other)?;
        let counters = Arc::<Counters>::default();
        inventory.wire(ServerEntry {
            name: "admin",
            config: config.clone(),
            counters: Arc::clone(&counters),
            shutdown: connections.clone(),
        });
        Ok(Self {
            runtime,
            listener,
            config,
            counters,
            connections,
        })
    }

    /// Listens for signals from now on, on the plane's runtime.
    pub(crate) fn signals(&self) -> io::Result<Signals> {
        let _entered = self.runtime.get().map(Runtime::enter);
        Signals::listen()
    }

    /// Serves from a new thread until `duty`, which runs there too, has ended.
    pub(crate) fn spawn<F, Fut>(self, routes: AdminRoutes, duty: F) -> io::Result<()>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        thread::Builder::new()
            .name("seaworthy-admin".to_owned())
            .spawn(|| self.run(routes, duty))
            .map(drop)
    }

    fn run<F, Fut>(self, routes: AdminRoutes, duty: F)
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = ()>,
    {
        let Self {
            runtime,
            listener,
            config,
            counters,
            connections,
        } = self;
        let serve = async {
            let telemetry = routes.telemetry().clone();
            let health = routes.health().clone();
            let (recorder, inventory) = (telemetry.recorder.clone(), routes.inventory().clone());
            tokio::spawn(accept(listener, config, counters, connections, routes));
            tokio::spawn(async move {
                loop {
                    sleep(UPKEEP).await;
                    telemetry.metrics.upkeep();
                }
            });
            tokio::spawn(async move {
                loop {
                    sleep(REFUSALS).await;
                    recorder.look(&inventory);
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
        };
        if let Some(runtime) = runtime.get() {
            runtime.block_on(serve);
        }
    }
}

/// A runtime that may be dropped anywhere: it waits for none of its blocking tasks.
struct Background(Option<Runtime>);

impl Background {
    fn get(&self) -> Option<&Runtime> {
        self.0.as_ref()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
