use std::any::Any;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::check::Job;
use super::config::CheckConfig;
use super::engine::Run;
use super::state::Shared;
use crate::base::clock::{Clock, later, sleep_until, timeout};

/// Runs checks, each in a task of its own, from the start to the stop.
#[derive(Default)]
pub(super) struct Runner(Mutex<Stage>);

enum Stage {
    Waiting(Vec<Scheduled>),
    Running(Handle, Vec<AbortHandle>),
    Stopped,
}

/// A check and when to run it.
pub(super) struct Scheduled {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    pub(super) config: CheckConfig,
    pub(super) job: Job,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Waiting(Vec::new())
    }
}

impl Runner {
    /// Takes a check, and runs it if the others run.
    pub(super) fn add(&self, check: Scheduled) {
        match &mut *self.stage() {
            Stage::Waiting(waiting) => waiting.push(check),
            Stage::Running(runtime, tasks) => tasks.push(check.spawn(runtime)),
            Stage::Stopped => {}
        }
    }

    /// Runs every check on `runtime`, unless they run or have been stopped.
    pub(super) fn start(&self, runtime: &Handle) {
        let mut stage = self.stage();
        if let Stage::Waiting(waiting) = &mut *stage {
            let tasks = mem::take(waiting).into_iter().map(|check| check.spawn(runtime));
            *stage = Stage::Running(runtime.clone(), tasks.collect());
        }
    }

    /// Ends every task at its next await, for good.
    pub(super) fn stop(&self) {
        // Let go of the lock first: what the checks hold is the user's, and may ask us while it is dropped.
        let stage = mem::replace(&mut *self.stage(), Stage::Stopped);
        if let Stage::Running(_, tasks) = stage {
            tasks.iter().for_each(AbortHandle::abort);
        }
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scheduled {
    fn spawn(self, runtime: &Handle) -> AbortHandle {
        runtime.spawn(self.repeat()).abort_handle()
    }

    async fn repeat(mut self) {
        loop {
            let next = later(Clock::default().now(), jittered(&self.config));
            self.shared.run_starts(self.index);
            let (run, detail) = run(&mut self.job, self.config.timeout).await;
            self.shared.run_ended(self.index, run, &detail);
            sleep_until(next).await;
        }
    }
}

/// Returns the interval with up to a tenth of it added.
fn jittered(config: &CheckConfig) -> Duration {
    let most = config.longest_interval() - config.interval;
    config.interval + most.mul_f64(fastrand::f64())
}

/// Runs a check once, under its timeout, whatever it does.
async fn run(job: &mut Job, limit: Duration) -> (Run, String) {
    let mut future = match caught(job) {
        Ok(future) => future,
        Err(detail) => return (Run::Panicked, detail),
    };
    let ended = timeout(
        limit,
        poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
            Ok(poll) => poll.map(Ok),
            Err(detail) => Poll::Ready(Err(detail)),
        }),
    );
    let ended = ended.await;
    // Dropping it runs the user's code as well.
    let dropped = caught(|| drop(future));
    match (ended, dropped) {
        (Ok(Err(detail)), _) | (_, Err(detail)) => (Run::Panicked, detail),
        (Ok(Ok(Ok(()))), _) => (Run::Up, String::new()),
        (Ok(Ok(Err(detail))), _) => (Run::Down, detail),
        (Err(_), _) => (Run::TimedOut, format!("no answer within {limit:?}")),
    }
}

fn caught<T>(user: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(user)).map_err(|panic| format!("panicked: {}", message(&*panic)))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    super::check::detail(&text.unwrap_or("with something that is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_differ_and_none_is_shorter_than_it_says_or_a_tenth_longer() {
        let config = CheckConfig::default();
        let intervals: Vec<_> = (0..100).map(|_| jittered(&config)).collect();
        let allowed = Duration::from_secs(10)..=Duration::from_secs(11);
        assert!(intervals.iter().all(|interval| allowed.contains(interval)));
        assert!(intervals.iter().any(|interval| *interval != intervals[0]));
    }
}
