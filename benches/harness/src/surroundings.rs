//! What a busy service has anyway: a runtime, and a timer that waits already.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::time::{Sleep, sleep};

/// The limit of whoever has one.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A runtime that nothing drives while calls are measured, so that none of its own work falls into a batch.
pub struct Surroundings {
    runtime: Runtime,
    _timer: Pin<Box<Sleep>>,
}

impl Surroundings {
    /// Starts a runtime on which a timer is pending that ends before [`LIMIT`].
    ///
    /// Without it each new timer would be the first to end, and would wake the runtime's driver with a system call; in a
    /// service with more than one request at a time that is rare.
    pub fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let timer = runtime.block_on(pending(|| sleep(LIMIT / 2)));
        Ok(Self { runtime, _timer: timer })
    }

    /// Puts this thread into the runtime's context, for timers.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Returns what another thread needs to enter it.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Runs a future on it.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }
}

/// Makes a timer, and lets its driver know of it.
pub async fn pending<T: Future>(timer: impl FnOnce() -> T) -> Pin<Box<T>> {
    // The driver must have run once before timers are its own.
    sleep(Duration::from_millis(1)).await;
    let mut timer = Box::pin(timer());
    poll_fn(|context| {
        assert!(timer.as_mut().poll(context).is_pending(), "it ends later");
        Poll::Ready(())
    })
    .await;
    sleep(Duration::from_millis(1)).await;
    timer
}
