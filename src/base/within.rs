//! Ends work that takes too long.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::clock::sleep_until;
#[cfg(feature = "app")]
use super::deadline::is_unbounded;
use super::deadline::{Deadline, enter, is_kept, is_too_late};

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
        bounds: Bounds,
        // What the timer is for.
        late: Late,
    }
}

/// What a future is bounded by, wherever it is polled.
struct Bounds {
    limit: Option<Duration>,
    /// The end of the limit, once that has begun.
    end: Option<Deadline>,
    given: Option<Deadline>,
}

impl Bounds {
    /// Runs a part of the work under them; `keeps` says whether somebody ends it by then.
    #[inline]
    fn run<T>(&mut self, keeps: bool, work: impl FnOnce() -> T) -> T {
        let at = match (self.end, self.given) {
            (Some(end), Some(given)) => Some(end.min(given)),
            (end, given) => end.or(given),
        };
        let within = if self.end.is_none() { self.limit } else { None };
        let entered = enter(at, within, keeps);
        let done = work();
        if let (Some(limit), Some(asked)) = (within, entered.asked()) {
            self.end = Some(asked.plus(limit));
        }
        done
    }

    /// Runs a part of work that nobody ends by this limit, but perhaps by one further out.
    #[cfg(feature = "app")]
    fn lower<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let is_kept = !is_unbounded() && {
            let end = self.begin();
            Deadline::current().is_some_and(|outer| end.is_none_or(|end| outer <= end)) && is_kept()
        };
        self.run(is_kept, work)
    }

    /// Returns the end of the limit, which begins now if it has not yet.
    fn begin(&mut self) -> Option<Deadline> {
        if self.end.is_none() {
            self.end = self.limit.map(|limit| Deadline::now().plus(limit));
        }
        self.end
    }

    /// Returns the deadline that somebody else has set, if it comes before the end of the limit; and whether somebody
    /// further out keeps it.
    fn sooner(&mut self) -> Option<(Deadline, bool)> {
        let task = Deadline::current();
        let found = task.into_iter().chain(self.given).min()?;
        let end = self.begin();
        end.is_none_or(|end| found <= end)
            .then(|| (found, Some(found) == task && is_kept()))
    }
}

impl<F> Within<F> {
    /// Puts what `start` makes under `limit`, and under a deadline that came with the request.
    ///
    /// Nothing is started when the deadline has passed already.
    #[inline]
    pub(crate) fn start(limit: Option<Duration>, given: Option<Deadline>, start: impl FnOnce() -> F) -> Self {
        let end = None;
        let mut bounds = Bounds { limit, end, given };
        // What is begun at once may ask for the deadline, too.
        let future = (!is_too_late(given)).then(|| bounds.run(true, start));
        Self {
            future,
            timer: None,
            bounds,
            late: Late::Passed,
        }
    }

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
        let bounds = this.bounds;
        if let Poll::Ready(output) = bounds.run(true, || poll(future, cx)) {
            return Poll::Ready(Ok(output));
        }
        if this.timer.is_none() {
            let (end, late) = match bounds.sooner() {
                Some((found, false)) => (Some(found), Late::Passed),
                // Whoever keeps it ends this with it, and says why; unless this is taken elsewhere before.
                Some((_, true)) | None => (bounds.begin(), Late::Elapsed),
            };
            let Some(end) = end else {
                return Poll::Pending;
            };
            *this.late = late;
            this.timer.set(Some(sleep_until(end.instant())));
        }
        if let Some(timer) = this.timer.as_mut().as_pin_mut() {
            // A future that uses up its task's budget on every poll would otherwise keep the timer from ever running.
            ready!(std::pin::pin!(tokio::task::unconstrained(timer)).poll(cx));
        }
        if *this.late == Late::Elapsed && matches!(bounds.sooner(), Some((_, true))) {
            return Poll::Pending;
        }
        // What it holds is given back now, and not when somebody drops this.
        this.future.set(None);
        Poll::Ready(Err(*this.late))
    }
}

#[cfg(feature = "app")]
pin_project! {
    /// A future whose deadline is lowered to a limit, which begins when somebody asks for it; whoever is inside ends it.
    pub(crate) struct Lowered<F> {
        #[pin]
        future: F,
        bounds: Bounds,
    }
}

#[cfg(feature = "app")]
impl<F> Lowered<F> {
    #[inline]
    pub(crate) fn start(limit: Option<Duration>, start: impl FnOnce() -> F) -> Self {
        let (end, given) = (None, None);
        let mut bounds = Bounds { limit, end, given };
        Self {
            future: bounds.lower(start),
            bounds,
        }
    }
}

#[cfg(feature = "app")]
impl<F: Future> Future for Lowered<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future;
        this.bounds.lower(|| future.poll(cx))
    }
}
