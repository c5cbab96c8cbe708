//! Which attempt at one request this is.

use std::cell::Cell;

thread_local!(static CURRENT: Cell<Attempt> = const { Cell::new(Attempt::FIRST) });

/// The number of an attempt, counted from 1.
///
/// A [retry](crate::retry) and a [hedge](crate::hedge) set it for what is inside of them: in the task, and from the second
/// on in an HTTP request's extensions and its header `x-request-attempt` (gRPC: `grpc-previous-rpc-attempts`).
///
/// # Examples
///
/// ```
/// use seaworthy::attempt::Attempt;
///
/// assert_eq!(Attempt::current(), Attempt::FIRST);
/// assert_eq!(Attempt::FIRST.number(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u32);

impl Attempt {
    /// The first one, which repeats nothing.
    pub const FIRST: Self = Self(1);

    /// Returns the number of the attempt that the task is at; the first if nothing repeats it.
    pub fn current() -> Self {
        CURRENT.get()
    }

    /// Returns the number.
    pub fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Runs `work` as this attempt.
    #[inline]
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        let _restore = Restore(CURRENT.replace(self));
        work()
    }
}

/// Puts back the attempt that was before, after a panic too.
struct Restore(Attempt);

impl Drop for Restore {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
