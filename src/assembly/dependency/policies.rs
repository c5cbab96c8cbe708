//! The guards that a declaration asks for, with what waivers and settings make of them.

use std::sync::Arc;
use std::time::Duration;

use super::super::builder::AppBuilder;
use super::super::control::Control;
use super::super::lint::Calls;
use super::super::settings::DependencySettings;
use super::handle::Dependency;
use super::outbound::Guards;
use crate::base::error::InvalidSettings;
use crate::policy::breaker::{CircuitBreaker, CircuitBreakerBuilder};
use crate::policy::bulkhead::{Bulkhead, BulkheadBuilder};
use crate::policy::retry::{Retry, RetryBuilder};
use crate::policy::timeout::Timeout;
use crate::web::ObserveAttemptLayer;

/// What a timeout and a bulkhead that are left out still have, because they have to have something.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const MOST: u32 = 1_000_000;

/// What is said of the guards of one dependency.
pub(super) struct Policies {
    pub(super) deadline: Duration,
    pub(super) attempt: Duration,
    pub(super) retry: RetryBuilder,
    pub(super) breaker: CircuitBreakerBuilder,
    pub(super) bulkhead: BulkheadBuilder,
}

impl Policies {
    pub(super) fn new(name: &str) -> Self {
        Self {
            deadline: Duration::from_secs(5),
            attempt: Duration::from_millis(1500),
            retry: Retry::builder(name),
            breaker: CircuitBreaker::builder(name),
            bulkhead: Bulkhead::builder(name),
        }
    }

    /// Makes the guards; what cannot work is noted, and the default taken in its place.
    pub(super) fn guards(mut self, name: &str, waived: &[Control], app: &mut AppBuilder) -> Guards {
        let waives = |control| waived.contains(&control);
        let deadline = (!waives(Control::Deadline)).then_some(self.deadline);
        if waives(Control::AttemptTimeout) {
            self.attempt = deadline.map_or(LONGEST, nearly);
        }
        if waives(Control::Retry) {
            self.retry = self.retry.attempts(1).without_budget();
        }
        if waives(Control::Bulkhead) {
            self.bulkhead = self.bulkhead.concurrent(MOST);
        }
        let events = || app.telemetry.clone();
        let attempt = Timeout::builder(name).limit(self.attempt).body_total(self.attempt);
        let retry = self.retry.total(deadline).events(events()).build();
        let breaker = self.breaker.events(events()).build();
        let attempt = attempt.events(events()).build();
        let bulkhead = self.bulkhead.events(events()).build();
        let guards = Guards {
            retry: app.sound(retry, || Retry::builder(name).build()),
            breaker: app.sound(breaker, || CircuitBreaker::builder(name).build()),
            attempt: app.sound(attempt, || Timeout::builder(name).build()),
            bulkhead: app.sound(bulkhead, || Bulkhead::builder(name).build()),
            observe: ObserveAttemptLayer::new(name, Arc::new(app.telemetry.clone())),
            calls: app.telemetry.calls(name),
        };
        if waives(Control::Breaker) {
            guards.breaker.disable();
        }
        guards
    }
}

/// What one attempt has of the whole time, if nobody limits it: a little less, so that a hang ends as an attempt that took
/// too long, which the breaker sees, and not with the call, which it cannot tell from a caller who goes away.
fn nearly(total: Duration) -> Duration {
    total - total / 50
}

/// Puts the guards that are on under the settings.
pub(super) fn apply(dependency: &Dependency, settings: &DependencySettings) -> [Result<(), InvalidSettings>; 3] {
    if *settings == DependencySettings::default() {
        // Nobody is told of changes that are none.
        return [Ok(()), Ok(()), Ok(())];
    }
    let is_on = |control| !dependency.0.waived.contains(&control);
    let retry = dependency.retry().reconfigure(|config| {
        if let Some(deadline) = settings.deadline.filter(|_| is_on(Control::Deadline)) {
            config.total = Some(deadline);
        }
        if let Some(attempts) = settings.attempts.filter(|_| is_on(Control::Retry)) {
            config.attempts = attempts;
        }
    });
    let total = dependency.retry().config().total;
    let attempt = dependency.attempt_timeout().reconfigure(|config| {
        let limit = if is_on(Control::AttemptTimeout) {
            settings.attempt_timeout
        } else {
            total.map(nearly)
        };
        if let Some(limit) = limit {
            (config.limit, config.body_total) = (limit, Some(limit));
        }
    });
    let bulkhead = dependency.bulkhead().reconfigure(|config| {
        if let Some(concurrent) = settings.concurrent.filter(|_| is_on(Control::Bulkhead)) {
            config.concurrent = concurrent;
        }
    });
    [retry, attempt, bulkhead]
}

/// Collects what is in force, to be compared with each other.
pub(super) fn numbers(dependency: &Dependency, patience: Option<Duration>) -> Calls {
    let is_on = |control| !dependency.0.waived.contains(&control);
    let retry = dependency.retry().config();
    let further = retry.attempts.saturating_sub(1) as usize;
    Calls {
        name: dependency.name().to_owned(),
        total: retry.total,
        attempt: is_on(Control::AttemptTimeout).then(|| dependency.attempt_timeout().config().limit),
        waits: retry.backoff.longest().take(further).collect(),
        unpaid: is_on(Control::Retry) && dependency.retry().budget().is_none(),
        once: is_on(Control::Retry) && retry.attempts == 1,
        breaker: is_on(Control::Breaker).then(|| (*dependency.breaker().config()).clone()),
        places: is_on(Control::Bulkhead).then(|| dependency.bulkhead().config().concurrent),
        patience,
    }
}
