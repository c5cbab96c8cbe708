use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use crate::base::clock::{Clock, later, sleep_until};
use crate::base::error::BoxError;
use crate::base::events::{Change, Events};

type HookFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// What is to be done once nothing is in flight any more.
pub(super) struct Hook {
    name: Arc<str>,
    run: Box<dyn FnOnce() -> HookFuture + Send>,
}

impl Hook {
    pub(super) fn new<F, Fut>(name: Arc<str>, run: F) -> Self
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self {
            name,
            // Not called before it is polled, in a task of its own: it may panic where it makes its future.
            run: Box::new(|| Box::pin(async { run().await })),
        }
    }
}

/// Runs hooks, the last one first, all within `limit`; each that succeeds is taken off `undone`.
///
/// What is left of the time is shared out evenly, so that one hung hook does not cost the others their turn.
pub(super) async fn run(mut hooks: Vec<Hook>, limit: Duration, clock: Clock, events: Events, undone: Arc<AtomicUsize>) {
    let end = later(clock.now(), limit);
    while let Some(hook) = hooks.pop() {
        let start = clock.now();
        let share = end.saturating_duration_since(start) / u32::try_from(hooks.len() + 1).unwrap_or(u32::MAX);
        // A task of its own, so that a panic ends this hook alone; it ends with this one.
        let mut task = AbortOnDropHandle::new(tokio::spawn((hook.run)()));
        let result = tokio::select! {
            result = &mut task => match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err("panicked".to_owned()),
            },
            () = sleep_until(later(start, share)) => {
                task.abort();
                Err(format!("not done within {share:?}"))
            }
        };
        undone.fetch_sub(usize::from(result.is_ok()), Ordering::SeqCst);
        let (result, detail) = match &result {
            Ok(()) => ("done", ""),
            Err(why) => ("failed", why.as_str()),
        };
        events.emit(
            "shutdown_hook",
            &hook.name,
            Change::Finished {
                result,
                took: clock.now() - start,
                detail,
            },
        );
    }
}
