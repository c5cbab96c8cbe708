//! What a busy service has anyway: a runtime, and timers that wait already.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tick::{Clock, Delay};
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::time::{Sleep, sleep};

/// The limit of whoever has one.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A runtime that nothing drives while calls are measured, so that none of its own work falls into a batch.
pub(crate) struct Surroundings {
    runtime: Runtime,
    clock: Clock,
    _timers: (Pin<Box<Sleep>>, Pin<Box<Delay>>),
}

impl Surroundings {
    /// Starts a runtime on which a timer is pending that ends before [`LIMIT`].
    ///
    /// Without it each new timer would be the first to end, and would wake the runtime's driver with a system call; in a
    /// service with more than one request at a time that is rare.
    pub(crate) fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (clock, timers) = runtime.block_on(async {
            let clock = Clock::new_tokio();
            // Both drivers must have run once before timers are theirs.
            sleep(Duration::from_millis(1)).await;
            let mut timers = (Box::pin(sleep(LIMIT / 2)), Box::pin(Delay::new(&clock, LIMIT / 2)));
            poll_fn(|context| {
                let pending =
                    timers.0.as_mut().poll(context).is_pending() && timers.1.as_mut().poll(context).is_pending();
                assert!(pending, "timers end later");
                Poll::Ready(())
            })
            .await;
            sleep(Duration::from_millis(1)).await;
            (clock, timers)
        });
        Ok(Self {
            runtime,
            clock,
            _timers: timers,
        })
    }

    /// Puts this thread into the runtime's context, for timers.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Returns what another thread needs to enter it.
    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Returns the clock that seatbelt asks for.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
}
