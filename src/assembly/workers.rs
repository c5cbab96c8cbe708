//! The workers of a service: wired and watched when it is built, begun when it is served.

use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use super::lint::worker_outlasts_drain;
use crate::base::clock::sleep;
use crate::base::error::{BoxError, InvalidSettings};
use crate::base::finding::Finding;
use crate::base::inventory::Inventory;
use crate::health::{Check, Health, Heartbeat, Phase};
use crate::shutdown::Draining;
use crate::worker::{Source, Worker};

/// How often it beats before the service has started.
const BEAT: Duration = Duration::from_secs(1);

/// How long a worker's loop may be silent: it beats every second.
const SILENCE: Duration = Duration::from_secs(30);

type Run = Box<dyn FnOnce(Draining, Heartbeat) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A worker with its source and its handler.
pub(super) struct DeclaredWorker {
    worker: Worker,
    run: Run,
}

/// One that is watched.
pub(super) struct ReadyWorker {
    run: Run,
    heartbeat: Heartbeat,
}

impl DeclaredWorker {
    pub(super) fn new<S, F, Fut, E>(worker: Worker, source: S, handler: F) -> Self
    where
        S: Source,
        F: Fn(Arc<S::Job>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let runs = worker.clone();
        let run: Run = Box::new(move |draining, heartbeat| {
            Box::pin(async move { runs.run(source, &draining, Some(heartbeat), handler).await })
        });
        Self { worker, run }
    }

    pub(super) fn finding(&self, drain: Duration) -> Option<Finding> {
        worker_outlasts_drain(self.worker.name(), self.worker.config().whole_drain(), drain)
    }

    pub(super) fn wire(self, health: &Health, inventory: &Inventory) -> Result<ReadyWorker, InvalidSettings> {
        let Self { worker, run } = self;
        let name = format!("worker-{}", worker.name());
        let heartbeat = health.watchdog().register(name, SILENCE)?;
        inventory.wire(worker);
        Ok(ReadyWorker { run, heartbeat })
    }
}

impl ReadyWorker {
    /// Works once the service has started: startup tasks may make what the source asks for, such as a table.
    pub(super) async fn run(self, health: Health, draining: Draining) {
        let Self { run, heartbeat } = self;
        let mut started = pin!(started(&health));
        loop {
            heartbeat.beat();
            tokio::select! {
                _ = &mut started => break,
                () = draining.draining() => break,
                () = sleep(BEAT) => {}
            }
        }
        run(draining, heartbeat).await;
    }
}

/// Waits until the service has started; for ever, if it drains before.
async fn started(health: &Health) {
    match health.changed_from(Phase::Starting).await {
        Phase::Ready | Phase::NotReady => {}
        _ => pending().await,
    }
}

/// Warns while there are dead letters: somebody has to look at them, and nobody has to restart the service.
pub(super) fn dead_letters(worker: &Worker) -> Check {
    let name = format!("dead-letters-{}", worker.name());
    let worker = worker.clone();
    let check = Check::new(name, move || {
        let letters = worker.dead_letters().unwrap_or_default();
        ready(if letters == 0 {
            Ok(())
        } else {
            Err(format!("{letters} wait for somebody"))
        })
    });
    check.optional()
}
