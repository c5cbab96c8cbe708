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

use super::clock::{Clock, FOREVER, later, nanos_of, origin};

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
        Duration::from_nanos(self.0.saturating_sub(Self::now().0)).min(FOREVER)
    }

    /// Returns whether it has passed.
    pub fn has_passed(self) -> bool {
        self <= Self::now()
    }

    /// Returns the deadline of the task's present work, if it has one.
    ///
    /// Whatever is spawned is other work; take it along with [`scope`](Self::scope).
    pub fn current() -> Option<Self> {
        let within = WITHIN.get();
        if within != NEVER {
            let now = Self::now();
            AT.set(AT.get().min(now.0.saturating_add(within).min(NEVER - 1)));
            WITHIN.set(NEVER);
            ASKED.set(ASKED.get().min(now.0));
        }
        let at = AT.get();
        (at != NEVER).then_some(Self(at))
    }

    /// Returns the present.
    pub(super) fn now() -> Self {
        Self::at(Clock::default().now())
    }

    /// Returns the deadline that comes `limit` later, in 30 years at the latest.
    pub(super) fn plus(self, limit: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(limit.min(FOREVER))).min(NEVER - 1))
    }

    /// Gives the deadline to a future, together with the one that it finds: the first of the two counts.
    ///
    /// That ends nothing by itself; a [`Timeout`](crate::timeout::Timeout) does. It holds while the future is polled: what
    /// has been begun before, such as a call of a service that was made outside, is ended by it but not prevented.
    pub fn scope<F: Future>(self, future: F) -> Scope<F> {
        let deadline = self;
        Scope { future, deadline }
    }

    /// Runs `work` under the deadline, as [`scope`](Self::scope) polls a future.
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        // What is further out begins now, so that it is known which of the two comes first.
        let is_kept = Self::current().is_some_and(|outer| outer <= self) && is_kept();
        let _entered = enter(Some(self), None, is_kept);
        work()
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Deadline").field(&self.instant()).finish()
    }
}

const NEVER: u64 = u64::MAX;

// Cells of their own, because one wide load that follows narrow stores waits for them.
//
// What bounds the task's present work: a deadline, a limit that begins when somebody asks for the deadline, when somebody
// did so first, and whether whoever has set the deadline ends the work by then.
thread_local!(static AT: Cell<u64> = const { Cell::new(NEVER) });
thread_local!(static WITHIN: Cell<u64> = const { Cell::new(NEVER) });
thread_local!(static ASKED: Cell<u64> = const { Cell::new(NEVER) });
thread_local!(static IS_KEPT: Cell<bool> = const { Cell::new(false) });

/// Lowers the task's deadline until the guard is dropped: to `at`, and to `within` from when somebody asks for it.
#[inline]
pub(super) fn enter(at: Option<Deadline>, within: Option<Duration>, keeps: bool) -> Entered {
    let outer = Entered {
        at: AT.get(),
        within: WITHIN.get(),
        asked: ASKED.get(),
        is_kept: IS_KEPT.get(),
    };
    AT.set(outer.at.min(at.map_or(NEVER, |at| at.0)));
    WITHIN.set(outer.within.min(within.map_or(NEVER, nanos_of)));
    ASKED.set(NEVER);
    IS_KEPT.set(keeps);
    outer
}

/// Returns whether nothing bounds the task's work.
#[cfg(feature = "app")]
#[inline]
pub(super) fn is_unbounded() -> bool {
    AT.get() == NEVER && WITHIN.get() == NEVER
}

/// Returns whether whoever has set the task's deadline ends the work by then.
pub(super) fn is_kept() -> bool {
    IS_KEPT.get()
}

/// Returns whether the task's deadline has passed, and somebody is going to end the work because of that.
///
/// Whoever is about to begin something leaves it then, and is not asked again.
pub(crate) fn is_over() -> bool {
    is_kept() && Deadline::current().is_some_and(Deadline::has_passed)
}

/// Returns whether work that begins now comes too late, by the deadline that it was given or by the task's.
#[inline]
pub(crate) fn is_too_late(given: Option<Deadline>) -> bool {
    let at = AT.get().min(given.map_or(NEVER, |given| given.0));
    at != NEVER && Deadline(at).has_passed()
}

/// What bounded the task's work before; it is put back, after a panic too, when this is dropped.
pub(super) struct Entered {
    at: u64,
    within: u64,
    asked: u64,
    is_kept: bool,
}

impl Entered {
    /// Returns when somebody inside asked first, if anybody did.
    #[inline]
    pub(super) fn asked(&self) -> Option<Deadline> {
        let asked = ASKED.get();
        (asked != NEVER).then_some(Deadline(asked))
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        let asked = ASKED.get();
        if asked != NEVER && self.within != NEVER {
            // A limit further out began at the same moment as the ones inside.
            self.at = self.at.min(asked.saturating_add(self.within).min(NEVER - 1));
            self.within = NEVER;
            self.asked = asked;
        }
        AT.set(self.at);
        WITHIN.set(self.within);
        ASKED.set(self.asked);
        IS_KEPT.set(self.is_kept);
    }
}

pin_project! {
    /// A future with a [`Deadline`]; made by [`Deadline::scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Scope<F> {
        #[pin]
        future: F,
        deadline: Deadline,
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future;
        this.deadline.run(|| future.poll(cx))
    }
}
