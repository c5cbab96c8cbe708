//! The time by which a result is of no use any more, shared by all who work towards it.
//!
//! A caller's patience is one sum of time, and whoever waits spends from it: for readiness, in a queue, for an attempt,
//! between two, for a body. A [`Deadline`] travels in the task, and over HTTP in the request's extensions and on the
//! wire. Every [`Timeout`](crate::timeout) and [`Retry`](crate::retry) lowers it for what is inside, waits no longer than
//! it, and refuses what comes too late without starting it.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use seaworthy::deadline::Deadline;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let deadline = Deadline::after(Duration::from_secs(2));
//! let left = deadline.scope(async { Deadline::current().unwrap().remaining() }).await;
//! assert!(left <= Duration::from_secs(2));
//! assert_eq!(Deadline::current(), None);
//! # }
//! ```

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::clock::{Clock, later, nanos_of, origin};

/// A point in time after which nobody waits for the result any more.
///
/// It follows tokio's clock. The [`min`](Ord::min) of two is the one that comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
// Nanoseconds since `origin`: what every call compares is a number.
pub struct Deadline(u64);

impl Deadline {
    /// Returns the deadline that comes `limit` from now, in 30 years at the latest.
    pub fn after(limit: Duration) -> Self {
        Self::at(later(Clock::default().now(), limit))
    }

    /// Takes an instant of tokio's time for a deadline.
    pub fn at(instant: Instant) -> Self {
        Self(nanos_of(instant.saturating_duration_since(origin())).min(NEVER - 1))
    }

    /// Returns the instant.
    pub fn instant(self) -> Instant {
        later(origin(), Duration::from_nanos(self.0))
    }

    /// Returns what is left of the time; zero if it has passed.
    pub fn remaining(self) -> Duration {
        self.instant().saturating_duration_since(Clock::default().now())
    }

    /// Returns whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Returns the deadline of the task's present work, if it has one.
    ///
    /// Whatever is spawned is other work; take it along with [`scope`](Self::scope).
    pub fn current() -> Option<Self> {
        let mut horizon = Horizon::current();
        let deadline = horizon.resolve();
        horizon.set();
        deadline
    }

    /// Gives the deadline to a future, together with the one that it finds: the first of the two counts.
    ///
    /// That ends nothing by itself; a [`Timeout`](crate::timeout::Timeout) does.
    pub fn scope<F: Future>(self, future: F) -> Scope<F> {
        let horizon = Horizon::new(Some(self), None);
        Scope { future, horizon }
    }

    /// Runs `work` under the deadline, as [`scope`](Self::scope) polls a future.
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        let mut horizon = Horizon::new(Some(self), None);
        let _entered = horizon.enter(false);
        work()
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deadline").field(&self.instant()).finish()
    }
}

const NEVER: u64 = u64::MAX;

// Two, because one wide load that follows two narrow stores waits for them.
thread_local!(static AT: Cell<u64> = const { Cell::new(NEVER) });
thread_local!(static WITHIN: Cell<u64> = const { Cell::new(NEVER) });
// Whether somebody further out ends the work by then.
thread_local!(static IS_ENFORCED: Cell<bool> = const { Cell::new(false) });

/// A deadline of which a part may begin only when somebody asks, so that work which never waits reads no clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    /// As in a [`Deadline`].
    at: u64,
    /// Nanoseconds from when somebody asks.
    within: u64,
}

impl Horizon {
    #[inline]
    pub(super) fn new(at: Option<Deadline>, within: Option<Duration>) -> Self {
        Self {
            at: at.map_or(NEVER, |at| at.0),
            within: within.map_or(NEVER, nanos_of),
        }
    }

    /// Returns the task's.
    #[inline]
    fn current() -> Self {
        Self {
            at: AT.get(),
            within: WITHIN.get(),
        }
    }

    /// Makes this the task's.
    #[inline]
    fn set(self) {
        AT.set(self.at);
        WITHIN.set(self.within);
    }

    #[inline]
    fn deadline(self) -> Option<Deadline> {
        (self.at != NEVER).then_some(Deadline(self.at))
    }

    /// Fixes what has not begun yet.
    pub(super) fn resolve(&mut self) -> Option<Deadline> {
        if self.within != NEVER {
            self.at = self.at.min(Deadline::after(Duration::from_nanos(self.within)).0);
            self.within = NEVER;
        }
        self.deadline()
    }

    /// Lowers it by a deadline that others have set.
    pub(super) fn lower(&mut self, other: Option<Deadline>) {
        self.at = self.at.min(other.map_or(NEVER, |other| other.0));
    }

    /// Returns whether work that begins now comes too late, by its own deadline or by the task's.
    #[inline]
    pub(super) fn is_too_late(self) -> bool {
        let at = self.at.min(AT.get());
        at != NEVER && Deadline(at).has_passed()
    }

    /// Returns whether the task's deadline is kept by somebody further out.
    pub(super) fn is_enforced() -> bool {
        IS_ENFORCED.get()
    }

    /// Makes this the task's until the guard is dropped, lowered by what was the task's before; says whether whoever
    /// does so ends the work by then.
    #[inline]
    pub(super) fn enter(&mut self, enforces: bool) -> Entered<'_> {
        let outer = Self::current();
        let is_kept = outer.within == NEVER && outer.at <= self.at;
        let was_enforced = IS_ENFORCED.get();
        IS_ENFORCED.set(enforces || (was_enforced && is_kept));
        let lowered = Self {
            at: self.at.min(outer.at),
            within: self.within.min(outer.within),
        };
        lowered.set();
        Entered {
            own: self,
            outer,
            was_enforced,
        }
    }
}

/// Puts things back as they were when it is dropped.
pub(super) struct Entered<'a> {
    own: &'a mut Horizon,
    outer: Horizon,
    was_enforced: bool,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.own = Horizon::current();
        self.outer.set();
        IS_ENFORCED.set(self.was_enforced);
    }
}

pin_project! {
    /// A future with a [`Deadline`]; made by [`Deadline::scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scope<F> {
        #[pin]
        future: F,
        horizon: Horizon,
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.horizon.enter(false);
        this.future.poll(cx)
    }
}
