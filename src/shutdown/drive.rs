use std::future::{Future, pending};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::handle::Shutdown;
use super::hooks;
use super::phase::{Cause, Drained, Phase};
use super::signal::Signals;
use crate::base::clock::sleep;
use crate::base::events::Change;

/// How much longer than the hooks' time the runtime may take to say that they are done.
const STALL: Duration = Duration::from_millis(500);

impl Shutdown {
    /// Waits for [`begin`](Shutdown::begin), leads through all phases, and tells how it went.
    ///
    /// Hooks run on `runtime`; the waits run here, so that another thread can drive a shutdown whose own runtime hangs.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the shutdown in the phase in which it is; nothing more is waited for or cut, and the
    /// hook that runs is dropped.
    pub async fn drive(&self, runtime: &Handle) -> Drained {
        self.drive_until(runtime, pending()).await
    }

    /// [Drives](Shutdown::drive) the shutdown by `SIGTERM` and `SIGINT` too; a second signal cuts everything at once.
    ///
    /// `SIGINT` skips the hold. On systems other than Unix only Ctrl-C is listened for. From the first call on these
    /// signals no longer end the process by themselves.
    ///
    /// # Errors
    ///
    /// When the signals' handlers cannot be installed.
    pub async fn drive_by_signals(&self, runtime: &Handle) -> io::Result<Drained> {
        Ok(self.drive_by(Signals::listen()?, runtime).await)
    }

    /// [Drives](Shutdown::drive) the shutdown by signals that are listened for already.
    pub(crate) async fn drive_by(&self, mut signals: Signals, runtime: &Handle) -> Drained {
        let first = tokio::select! {
            cause = signals.next() => cause,
            cause = self.requested() => cause,
        };
        self.begin(first);
        let second = async {
            // Whoever sends the first signal does not know that the program had begun by itself.
            if first == Cause::Requested {
                signals.next().await;
            }
            signals.next().await
        };
        self.drive_until(runtime, second).await
    }

    /// Leads through all phases; `interrupt` ends the waits early.
    pub(super) async fn drive_until(&self, runtime: &Handle, interrupt: impl Future<Output = Cause>) -> Drained {
        let cause = self.requested().await;
        let start = self.clock().now();
        let mut drained = Drained::default();
        let undone = Arc::default();
        drained.interrupted = tokio::select! {
            () = async {
                self.hold_and_drain(cause, &mut drained).await;
                self.run_hooks(runtime, &undone, &mut drained).await;
            } => None,
            cause = interrupt => Some(cause),
        };
        if drained.interrupted.is_some() {
            self.stop_accepting();
            self.cut_into(&mut drained);
        }
        // Those that nobody has taken never had their turn.
        drained.hooks_failed = undone.load(Ordering::SeqCst) + self.take_hooks().len();
        drained.took = self.clock().now() - start;
        self.enter_phase(Phase::Stopped, "");
        drained
    }

    async fn hold_and_drain(&self, cause: Cause, drained: &mut Drained) {
        self.unready();
        let start = self.clock().now();
        self.enter_phase(Phase::Holding, cause.label());
        if cause != Cause::Interrupt {
            sleep(self.config().hold).await;
        }
        self.finish(Phase::Holding, start, "done");

        let start = self.clock().now();
        self.enter_phase(Phase::Draining, "");
        self.stop_accepting();
        let whole = tokio::select! {
            biased;
            () = self.idle() => true,
            () = sleep(self.config().drain) => false,
        };
        if !whole {
            self.cut_into(drained);
        }
        self.finish(Phase::Draining, start, if whole { "done" } else { "cut" });
    }

    async fn run_hooks(&self, runtime: &Handle, undone: &Arc<AtomicUsize>, drained: &mut Drained) {
        let start = self.clock().now();
        self.enter_phase(Phase::Hooks, "");
        let hooks = self.take_hooks();
        let limit = self.config().hooks;
        undone.store(hooks.len(), Ordering::SeqCst);
        let run = hooks::run(
            hooks,
            limit,
            self.clock().clone(),
            self.events().clone(),
            Arc::clone(undone),
        );
        // Also without hooks: whether this task ends is what tells a stalled runtime. It ends with the drive.
        let task = AbortOnDropHandle::new(runtime.spawn(run));
        tokio::select! {
            biased;
            _ = task => {}
            () = sleep(limit + STALL) => drained.stalled = true,
        }
        self.finish(Phase::Hooks, start, if drained.stalled { "stalled" } else { "done" });
    }

    fn cut_into(&self, drained: &mut Drained) {
        // What was cut before stays counted when a signal cuts again.
        let [requests, connections, tasks] = self.cut();
        drained.requests_cut = drained.requests_cut.max(requests);
        drained.connections_cut = drained.connections_cut.max(connections);
        drained.tasks_cut = drained.tasks_cut.max(tasks);
    }

    fn finish(&self, phase: Phase, start: Instant, result: &'static str) {
        let took = self.clock().now() - start;
        let left = format!(
            "{} requests, {} connections in flight",
            self.in_flight(),
            self.connections()
        );
        let change = Change::Finished {
            result,
            took,
            detail: &left,
        };
        self.events().emit("shutdown_phase", phase.label(), change);
    }
}
