use std::io;
use std::mem;
use std::net::SocketAddr;
use std::process;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::app::{App, Bound};
use super::error::AppError;
#[cfg(not(feature = "otlp"))]
use super::no_otlp::Collector;
#[cfg(feature = "otlp")]
use super::otlp::Collector;
use super::pulse::Pulse;
use super::{run, stack};
use crate::admin::{AdminRoutes, Plane};
use crate::base::error::BoxError;
use crate::health::{Health, Heartbeat, StartupTask};
use crate::server::accept;
use crate::shutdown::{Drained, Shutdown, Signals};
use crate::telemetry::{FlightRecorder, LAST_ENTRIES, aside, aside_of_task, flush_logs, names};
use crate::web::HttpService;

pub(super) async fn serve(bound: Bound, service: impl HttpService) -> Result<Drained, AppError> {
    let (listen, admin_addr) = (bound.local_addr(), bound.admin_addr());
    let Bound {
        mut app,
        listener,
        admin,
        file,
        ..
    } = bound;
    app.require().await?;
    let recorder = app.telemetry.recorder.clone();
    recorder.watch_panics();
    if let Some(file) = file {
        recorder.write_to(file)?;
    }
    let plane = Plane::new(admin, &app.inventory)?;
    // Before anything is accepted: from now on a signal begins a drain.
    let signals = app.signals.then(|| plane.signals()).transpose()?;
    let runtime = Handle::current();
    let abandon = Abandon::begin(&app, &runtime);
    let (over, drained) = oneshot::channel();
    let duty = Duty {
        shutdown: app.shutdown.clone(),
        signals,
        pulse: app.pulse.take(),
        runtime,
        collector: app.collector.clone(),
        recorder: recorder.clone(),
        over,
    };
    let abandoned = abandon.token.clone();
    let duty = async move || abandoned.run_until_cancelled(duty.fulfil()).await.unwrap_or_default();
    plane.spawn(routes(&app, admin_addr), duty)?;

    begin_startup(&mut app);
    let stack = stack::inbound(&app, service);
    let listener = TcpListener::from_std(listener)?;
    let config = app.settings.server.clone();
    let accept = accept(
        listener,
        config,
        Arc::clone(&app.connections),
        app.shutdown.clone(),
        stack,
    );
    app.tracker().spawn(accept);
    tracing::info!(target: names::LOG, service = &*app.name, %listen, admin = %admin_addr, "serving");
    recorder.began(&format!("listening on {listen}, admin on {admin_addr}"));

    let Ok(drained) = drained.await else {
        aside_of_task(LAST_ENTRIES, move || recorder.ended(1, "the admin thread has ended")).await;
        return Err(io::Error::other("the admin thread has ended").into());
    };
    drop(abandon);
    // What was refused since the last second.
    recorder.look(&app.inventory);
    tracing::info!(
        target: names::LOG,
        exit_code = drained.exit_code(),
        requests_cut = drained.requests_cut,
        connections_cut = drained.connections_cut,
        tasks_cut = drained.tasks_cut,
        hooks_failed = drained.hooks_failed,
        took_ms = drained.took.as_millis() as u64,
        "stopped"
    );
    // A disk that hangs must not hold up whatever else this runtime runs.
    aside_of_task(LAST_ENTRIES, move || {
        recorder.ended(drained.exit_code(), &summary(&drained))
    })
    .await;
    Ok(drained)
}

/// Tells how a shutdown went, for the flight recorder.
fn summary(drained: &Drained) -> String {
    format!(
        "exit code {}, {} requests, {} connections and {} tasks cut, {} hooks failed",
        drained.exit_code(),
        drained.requests_cut,
        drained.connections_cut,
        drained.tasks_cut,
        drained.hooks_failed
    )
}

/// Makes the admin plane's pages, as they are on this address of it.
pub(super) fn routes(app: &App, address: SocketAddr) -> AdminRoutes {
    let exposes_all = app.settings.admin_exposes_all || address.ip().is_loopback();
    AdminRoutes::new(
        app.health.clone(),
        app.inventory.clone(),
        app.telemetry.clone(),
        exposes_all,
    )
    .reviewer(app.reviewer.clone())
    .token(app.settings.admin_token.clone())
}

/// Begins the startup tasks and the workers.
pub(super) fn begin_startup(app: &mut App) {
    for (task, work) in mem::take(&mut app.startup) {
        app.tracker().spawn(start_up(task, work));
    }
    for worker in mem::take(&mut app.workers) {
        app.tracker()
            .spawn(worker.run(app.health.clone(), app.shutdown.draining()));
    }
}

async fn start_up(task: StartupTask, work: impl Future<Output = Result<(), BoxError>>) {
    match work.await {
        Ok(()) => task.complete(),
        Err(error) => task.fail(error),
    }
}

/// Leads through the shutdown, on the admin thread.
struct Duty {
    shutdown: Shutdown,
    signals: Option<Signals>,
    pulse: Option<(Pulse, Heartbeat)>,
    runtime: Handle,
    collector: Collector,
    recorder: FlightRecorder,
    over: oneshot::Sender<Drained>,
}

impl Duty {
    async fn fulfil(self) {
        let Self {
            shutdown,
            signals,
            pulse,
            runtime,
            collector,
            recorder,
            over,
        } = self;
        if let Some((pulse, heartbeat)) = pulse {
            // What went by since the service was built was nobody's silence.
            heartbeat.beat();
            tokio::spawn(pulse.beat(heartbeat, runtime.clone()));
        }
        let drained = match signals {
            Some(signals) => shutdown.drive_by(signals, &runtime).await,
            None => shutdown.drive(&runtime).await,
        };
        // Whoever asked twice waits for nothing more.
        if drained.interrupted.is_none() {
            collector.flush().await;
        }
        if run::owns_process() && (drained.stalled || drained.interrupted.is_some()) {
            tracing::error!(target: names::LOG, stalled = drained.stalled, "ending the process from the admin thread");
            aside(LAST_ENTRIES, move || {
                recorder.ended(drained.exit_code(), &summary(&drained))
            });
            flush_logs();
            process::exit(drained.exit_code().into());
        }
        // Nobody to tell: the service's future has been dropped.
        let _ = over.send(drained);
    }
}

/// Ends everything when the service's future ends or is dropped.
pub(super) struct Abandon {
    shutdown: Shutdown,
    health: Health,
    /// Ends whatever leads through the shutdown.
    pub(super) token: CancellationToken,
}

impl Abandon {
    /// Starts the health, which is unready from the beginning of a shutdown on.
    pub(super) fn begin(app: &App, runtime: &Handle) -> Self {
        app.sizing.runs_on(runtime);
        app.telemetry.metrics.runs_on(runtime);
        let health = app.health.clone();
        app.shutdown.on_begin(move || health.drain());
        app.health.start(runtime);
        Self {
            shutdown: app.shutdown.clone(),
            health: app.health.clone(),
            token: CancellationToken::new(),
        }
    }
}

impl Drop for Abandon {
    fn drop(&mut self) {
        self.health.stop();
        self.shutdown.abandon();
        self.token.cancel();
    }
}
