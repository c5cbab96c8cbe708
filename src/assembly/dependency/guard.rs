use std::error::Error;
use std::future::Future;

use super::handle::Dependency;
use crate::base::refusal::Guarded;

/// Guards calls of a dependency that is no service, such as a query or a publish.
///
/// A cheap handle; made by [`DependencyBuilder::guard`](super::DependencyBuilder::guard).
#[derive(Clone, Debug)]
pub struct Guard(Dependency);

impl Guard {
    pub(super) fn new(dependency: Dependency) -> Self {
        dependency.wire();
        Self(dependency)
    }

    /// Runs a future of your own once, under breaker, timeout and bulkhead.
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`] if a guard refused or ended it, or the caller's deadline has passed; [`Guarded::Inner`] with
    /// the future's own error, which the breaker counts as a failure.
    ///
    /// # Cancellation
    ///
    /// Dropping the returned future drops yours, and gives back its place; the breaker counts it as cancelled.
    pub async fn call<F, Fut, T, E>(&self, operation: F) -> Result<T, Guarded<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.0.0.guards.once(operation).await
    }

    /// Runs a future of your own, made anew for each attempt, until one succeeds or attempts, budget or time are used up.
    ///
    /// That it may run more than once is what you say by calling this.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), of the last attempt.
    ///
    /// # Cancellation
    ///
    /// As [`call`](Self::call); no further attempt begins.
    pub async fn call_idempotent<F, Fut, T, E>(&self, operation: F) -> Result<T, Guarded<E>>
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        E: Error + 'static,
    {
        self.0.0.guards.repeated(operation).await
    }

    /// Returns the dependency.
    pub fn dependency(&self) -> &Dependency {
        &self.0
    }
}
