//! Numbers of calls to a dependency.

use std::time::Duration;

use super::super::control::Control;
use crate::base::error::InvalidSetting;
use crate::base::finding::Finding;
use crate::policy::breaker::{CircuitBreakerConfig, Window};

/// The numbers of a dependency; `None` where a guard is left out.
#[derive(Clone, Debug)]
pub(in super::super) struct Calls {
    pub(in super::super) name: String,
    /// The longest time for a call, all attempts and waits included.
    pub(in super::super) total: Option<Duration>,
    /// The longest time for one attempt.
    pub(in super::super) attempt: Option<Duration>,
    /// The longest wait before each attempt but the first.
    pub(in super::super) waits: Vec<Duration>,
    /// Whether nothing pays for further attempts.
    pub(in super::super) unpaid: bool,
    /// Whether there is one attempt, and nobody has said why.
    pub(in super::super) once: bool,
    pub(in super::super) breaker: Option<CircuitBreakerConfig>,
    /// How many calls may be under way at once.
    pub(in super::super) places: Option<u32>,
    /// The longest time that a caller of the service waits; `None` if that has no bound.
    pub(in super::super) patience: Option<Duration>,
}

impl Calls {
    /// Lists what cannot work.
    pub(in super::super) fn errors(&self) -> Vec<InvalidSetting> {
        let rules = [self.attempt_outlasts_total(), self.nothing_is_slow()];
        rules.into_iter().flatten().collect()
    }

    /// Lists what works badly.
    pub(in super::super) fn findings(&self) -> Vec<Finding> {
        let rules = [
            self.attempts_outlast_total(),
            self.outlasts_patience(),
            self.hides_hangs(),
            self.hangs_for_good(),
            self.is_left_out("a retry of one attempt", Control::Retry, self.once),
            self.is_left_out("a retry without a budget", Control::Retry, self.unpaid),
            self.is_left_out("a breaker that only watches", Control::Breaker, self.watches()),
            self.window_forgets(),
            self.stays_closed_on_a_hang(),
            self.probes_come_too_late(),
        ];
        rules.into_iter().flatten().collect()
    }

    fn attempt_outlasts_total(&self) -> Option<InvalidSetting> {
        let (attempt, total) = self.attempt.zip(self.total)?;
        (attempt >= total).then(|| {
            let key = format!("dependencies.{}.attempt_timeout", self.name);
            let allowed =
                format!("less than the `deadline` of the whole call ({total:?}), or no breaker ever sees a hang");
            InvalidSetting::new(key, format!("{attempt:?}"), allowed)
        })
    }

    fn nothing_is_slow(&self) -> Option<InvalidSetting> {
        let slow = self.breaker.as_ref()?.slow_calls?.after;
        let limit = self.limit()?;
        (slow >= limit).then(|| {
            let key = format!("breaker.{}.slow_calls.after", self.name);
            let allowed = format!("less than the {limit:?} after which a call has failed, or none is ever only slow");
            InvalidSetting::new(key, format!("{slow:?}"), allowed)
        })
    }

    fn attempts_outlast_total(&self) -> Option<Finding> {
        let (attempt, total) = self.attempt.zip(self.total)?;
        let (mut spent, mut whole) = (attempt, 1);
        for wait in &self.waits {
            spent = spent.saturating_add(*wait).saturating_add(attempt);
            whole += u32::from(spent <= total);
        }
        (spent > total && attempt < total).then(|| {
            let attempts = self.waits.len() + 1;
            let backoff = self
                .waits
                .iter()
                .fold(Duration::ZERO, |sum, wait| sum.saturating_add(*wait));
            let found = format!(
                "{attempts} attempts of {attempt:?} and up to {backoff:?} of backoff take {spent:?}, \
                 and the deadline is {total:?}: only the first {whole} can count on all of their time"
            );
            self.finding(
                found,
                format!("raise the deadline to {spent:?}, or make fewer or shorter attempts"),
            )
        })
    }

    fn outlasts_patience(&self) -> Option<Finding> {
        let (total, patience) = self.total.zip(self.patience)?;
        (total > patience).then(|| {
            let found = format!(
                "a call may take {total:?}, and no request lasts longer than {patience:?}: nobody waits that long"
            );
            self.finding(
                found,
                format!("lower the deadline of its calls to {patience:?}, or raise that of the requests which need it"),
            )
            .disproving(Control::Deadline.label())
        })
    }

    /// Whoever waited is gone before the attempt is found to take too long.
    fn hides_hangs(&self) -> Option<Finding> {
        let (limit, patience) = self.limit().zip(self.patience)?;
        self.breaker.as_ref()?;
        (limit >= patience).then(|| {
            let found = format!(
                "an attempt may take {limit:?}, and no request lasts longer than {patience:?}: the breaker sees no hang"
            );
            self.finding(found, format!("give an attempt less than {patience:?}"))
                .disproving(Control::Breaker.label())
        })
    }

    /// What nothing limits never fails.
    fn hangs_for_good(&self) -> Option<Finding> {
        let breaker = self.breaker.as_ref()?;
        (self.limit().is_none() && breaker.slow_calls.is_none()).then(|| {
            self.finding(
                "nothing limits a call: the breaker sees no hang".into(),
                "keep its deadline or the limit of an attempt, or have it look for slow calls",
            )
            .disproving(Control::Breaker.label())
        })
    }

    fn watches(&self) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| breaker.shadow)
    }

    /// A guard that lets everything through is left out, and that takes a reason.
    fn is_left_out(&self, what: &str, control: Control, is_so: bool) -> Option<Finding> {
        is_so.then(|| {
            let found = format!("{what} guards nothing, and nobody has said why");
            self.finding(found, format!("say it by `.without(Control::{control:?}, reason)`"))
                .disproving(control.label())
        })
    }

    fn window_forgets(&self) -> Option<Finding> {
        let breaker = self.breaker.as_ref()?;
        let slow = breaker.slow_calls.map(|slow| slow.after);
        let (window, call) = time_window(breaker).zip(self.limit().or(slow))?;
        (window < call).then(|| {
            let found = format!(
                "the circuit looks at the last {window:?}, and a call may take {call:?}: \
                 what one call says is forgotten before the next has ended"
            );
            self.finding(
                found,
                "lengthen the circuit's window to that of many calls; the default is 30s",
            )
            .disproving(Control::Breaker.label())
        })
    }

    fn stays_closed_on_a_hang(&self) -> Option<Finding> {
        let breaker = self.breaker.as_ref()?;
        let (window, places, limit) = (time_window(breaker)?, self.places?, self.limit()?);
        let ended = u128::from(places) * window.as_nanos() / limit.as_nanos().max(1);
        let minimum = breaker.minimum_calls;
        (ended < u128::from(minimum)).then(|| {
            let found = format!(
                "when it hangs, {places} at once × {window:?} of window / {limit:?} a call = {ended} calls are seen, \
                 and the circuit decides by {minimum} or more: it may never open"
            );
            self.finding(
                found,
                "lower `minimum_calls` of its breaker below that, or lengthen its window",
            )
        })
    }

    fn probes_come_too_late(&self) -> Option<Finding> {
        let (probe, limit) = (self.breaker.as_ref()?.probe_deadline, self.limit()?);
        (probe < limit).then(|| {
            let found = format!(
                "a probe counts for {probe:?}, and a call may take {limit:?}: \
                 the circuit stays open for a dependency that is slow and works"
            );
            self.finding(found, format!("raise `probe_deadline` of its breaker to {limit:?}"))
                .disproving(Control::Breaker.label())
        })
    }

    /// After what time a call is ended that the breaker sees.
    fn limit(&self) -> Option<Duration> {
        self.attempt.or(self.total)
    }

    fn finding(&self, found: String, advice: impl Into<String>) -> Finding {
        Finding::new(format!("dependency {}", self.name), found, advice)
    }
}

fn time_window(breaker: &CircuitBreakerConfig) -> Option<Duration> {
    match breaker.window {
        Window::Time(window) => Some(window),
        _ => None,
    }
}
