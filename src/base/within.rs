//! Ends work that takes too long.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::clock::sleep_until;
use super::deadline::{Deadline, Horizon};

/// Why a future was ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// Its own limit passed.
    Elapsed,
    /// The deadline that it found passed.
    Passed,
}

pin_project! {
    /// A future under a limit of its own and under the deadline that it finds, whichever comes first.
    ///
    /// The limit begins with the first poll that has to wait, or when somebody inside asks for the deadline.
    pub(crate) struct Within<F> {
        #[pin]
        future: Option<F>,
        #[pin]
        timer: Option<Sleep>,
        horizon: Horizon,
        given: Option<Deadline>,
        // Which of the two comes first, once that is known.
        late: Option<Late>,
    }
}

impl<F> Within<F> {
    /// Puts what `start` makes under `limit`, and under a deadline that came with the request.
    ///
    /// Nothing is started when the deadline has passed already.
    #[inline]
    pub(crate) fn start(limit: Option<Duration>, given: Option<Deadline>, start: impl FnOnce() -> F) -> Self {
        let mut horizon = Horizon::new(given, limit);
        let future = (!horizon.is_too_late()).then(|| {
            // What is begun at once may ask for the deadline, too.
            let _entered = horizon.enter(true);
            start()
        });
        Self {
            future,
            timer: None,
            horizon,
            given,
            late: None,
        }
    }
}

impl<F> Within<F> {
    /// Polls what it holds by `poll`.
    #[inline]
    pub(crate) fn poll_with<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut F>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Late>> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(Err(Late::Passed));
        };
        let polled = {
            let _entered = this.horizon.enter(true);
            poll(future, cx)
        };
        if let Poll::Ready(output) = polled {
            return Poll::Ready(Ok(output));
        }
        if this.timer.is_none() {
            let task = Deadline::current();
            let found = task.into_iter().chain(*this.given).min();
            this.horizon.lower(found);
            let Some(end) = this.horizon.resolve() else {
                return Poll::Pending;
            };
            let is_own = found.is_none_or(|found| end < found);
            let late = *this
                .late
                .get_or_insert(if is_own { Late::Elapsed } else { Late::Passed });
            if late == Late::Passed && found == task && Horizon::is_enforced() {
                // Whoever set the limit ends this with it, and says why.
                return Poll::Pending;
            }
            this.timer.set(Some(sleep_until(end.instant())));
        }
        if let Some(timer) = this.timer.as_mut().as_pin_mut() {
            // A future that uses up its task's budget on every poll would otherwise keep the timer from ever running.
            ready!(std::pin::pin!(tokio::task::unconstrained(timer)).poll(cx));
        }
        // What it holds is given back now, and not when somebody drops this.
        this.future.set(None);
        Poll::Ready(Err(this.late.unwrap_or(Late::Passed)))
    }
}
