use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use super::config::{CircuitBreakerConfig, Window};
use super::engine::{Role, Ticket, Transition};
use super::error::CircuitOpen;
use super::window::Ended;
use crate::base::Counters;
use crate::base::clock::Clock;
use crate::base::error::{InvalidSetting, InvalidSettings};
use crate::base::events::{Change, Events};
use crate::base::inventory::Entry;
use crate::base::live::{Live, Validate};
use crate::base::outcome::Outcome;
use crate::base::random::Random;
use crate::base::refusal::{Reason, Refusal};
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::sync::{Mutex, lock};
use crate::base::ticks::{Ticks, nanos_of};

pub(super) const KIND: &str = "breaker";

/// What all circuits of one handle have in common: settings, and the counts of what happened.
#[derive(Debug)]
pub(super) struct Rules {
    name: SmolStr,
    settings: Live<CircuitBreakerConfig>,
    /// Two of the settings again, because every call looks at them.
    slow_after: AtomicU64,
    shadow: AtomicBool,
    pub(super) clock: Clock,
    random: Random,
    events: Events,
    /// Held while settings change.
    changing: Mutex<()>,
    counts: Counters<7>,
}

/// What is counted of all calls.
#[derive(Clone, Copy)]
pub(super) enum Count {
    /// Calls that no window has counted.
    Calls,
    Failed,
    Slow,
    Ignored,
    Cancelled,
    Refused,
    WouldRefuse,
}

/// What a call has been let in with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    pub(super) ticket: Ticket,
    /// [`Ticks::NEVER`] while nobody asks how long calls take.
    pub(super) started: Ticks,
}

impl Rules {
    pub(super) fn new(
        name: SmolStr,
        config: CircuitBreakerConfig,
        clock: Clock,
        random: Random,
        events: Events,
    ) -> Result<Self, InvalidSettings> {
        // The first look at the clock measures how fast it goes, which no call should wait for.
        clock.ticks();
        Ok(Self {
            slow_after: AtomicU64::new(slow_after(&config)),
            shadow: AtomicBool::new(config.shadow),
            settings: Live::new(&name, config)?,
            name,
            clock,
            random,
            events,
            changing: Mutex::new(()),
            counts: Counters::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn config(&self) -> Arc<CircuitBreakerConfig> {
        self.settings.load()
    }

    pub(super) fn count(&self, count: Count) {
        self.counts.add(count as usize);
    }

    fn sum(&self, count: Count) -> u64 {
        self.counts.sum_of(count as usize)
    }

    pub(super) fn chance(&self) -> f64 {
        self.random.unit()
    }

    /// Notes when a call begins, if anybody is going to ask.
    #[inline]
    pub(super) fn begin(&self, ticket: Ticket) -> Admission {
        let asked = self.slow_after.load(Ordering::Relaxed) != u64::MAX || ticket.role.probe().is_some();
        let started = if asked { self.clock.ticks() } else { Ticks::NEVER };
        Admission { ticket, started }
    }

    /// Refuses a call until then, or lets it through unobserved in shadow mode.
    pub(super) fn refuse(&self, generation: u32, until: Ticks, now: Ticks) -> Result<Ticket, CircuitOpen> {
        if self.shadow.load(Ordering::Relaxed) {
            self.count(Count::WouldRefuse);
            let role = Role::UNOBSERVED;
            return Ok(Ticket { generation, role });
        }
        let retry_after = (until != Ticks::NEVER).then(|| until.since(now));
        Err(CircuitOpen { retry_after })
    }

    /// Says what a call's end means, and counts what is bad about it; `None` if it means nothing.
    #[inline]
    pub(super) fn judge(&self, admission: &Admission, outcome: Outcome, now: impl FnOnce() -> Ticks) -> Option<Ended> {
        let failed = match outcome {
            Outcome::Success => false,
            Outcome::Failure => true,
            Outcome::Ignored => return None,
        };
        let slow = admission.started != Ticks::NEVER
            && now().0.saturating_sub(admission.started.0) >= self.slow_after.load(Ordering::Relaxed);
        if failed || slow {
            self.count_bad(failed, slow);
        }
        Some(Ended { failed, slow })
    }

    #[cold]
    fn count_bad(&self, failed: bool, slow: bool) {
        if failed {
            self.count(Count::Failed);
        }
        if slow {
            self.count(Count::Slow);
        }
    }

    /// Counts a call that was dropped, and returns what it is to count as.
    pub(super) fn cancelled(&self) -> Outcome {
        self.count(Count::Cancelled);
        self.config().cancelled
    }

    /// Tells of a change; `whose` is the key it happened to, if there are keys.
    pub(super) fn announce(&self, transition: Option<Transition>, whose: Option<&str>) {
        let Some(Transition { from, to, cause }) = transition.filter(|change| change.from != change.to) else {
            return;
        };
        let detail = match whose {
            Some(key) => format!("{key}: {cause}"),
            None => cause.to_string(),
        };
        let (from, to) = (from.label(), to.label());
        let change = Change::State {
            from,
            to,
            detail: &detail,
        };
        self.events.emit(KIND, &self.name, change);
    }

    /// Makes the refusal of one call, and counts it.
    pub(super) fn refusal(&self, open: CircuitOpen) -> Refusal {
        self.count(Count::Refused);
        Refusal::new(KIND, self.name.clone(), open.into()).retry_in(open.retry_after)
    }

    /// Makes the refusal of a call whose key has no circuit and gets none, and counts it.
    pub(super) fn no_room(&self) -> Refusal {
        self.count(Count::Refused);
        Refusal::new(KIND, self.name.clone(), Reason::TooManyKeys)
    }

    /// Puts changed settings in force, unless one is wrong or would need another window; `apply` does so elsewhere,
    /// or says what it cannot accept.
    pub(super) fn reconfigure(
        &self,
        change: impl FnOnce(&mut CircuitBreakerConfig),
        apply: impl FnOnce(&CircuitBreakerConfig) -> Option<InvalidSetting>,
    ) -> Result<(), InvalidSettings> {
        let changing = lock(&self.changing);
        let old = self.config();
        let mut new = CircuitBreakerConfig::clone(&old);
        change(&mut new);
        let mut wrong = new.validate(&self.name);
        let fits = match (old.window, new.window) {
            (Window::Count(old), Window::Count(new)) => old == new,
            (Window::Time(_), Window::Time(_)) | (Window::Consecutive(_), Window::Consecutive(_)) => true,
            _ => false,
        };
        if !fits {
            let allowed = format!(
                "{:?}, as the handle was built with it: build another handle for another window",
                old.window
            );
            let found = format!("{:?}", new.window);
            wrong.push(InvalidSetting::new(
                format!("breaker.{}.window", self.name),
                found,
                allowed,
            ));
        }
        if wrong.is_empty() {
            wrong.extend(apply(&new));
        }
        InvalidSettings::check(wrong)?;
        self.slow_after.store(slow_after(&new), Ordering::Relaxed);
        self.shadow.store(new.shadow, Ordering::Relaxed);
        self.settings.replace(&self.name, new)?;
        drop(changing);
        self.events.emit(KIND, &self.name, Change::Settings);
        Ok(())
    }

    pub(super) fn describe(&self, state: &'static str, counted: u64) -> Entry {
        let config = self.config();
        let slow = config.slow_calls.map_or("none".to_owned(), |slow| {
            format!("{}% of {:?} or longer", slow.rate, slow.after)
        });
        Entry::new(KIND, &*self.name, state)
            .setting("window", format!("{:?}", config.window))
            .setting("failure_rate", format!("{}%", config.failure_rate))
            .setting("slow_calls", slow)
            .setting("minimum_calls", config.minimum_calls)
            .setting("open", format!("{:?} to {:?}", config.open, config.open_max))
            .setting("open_jitter", format!("{}%", config.open_jitter))
            .setting(
                "probes",
                format!(
                    "{}, of which {}% must succeed within {:?}",
                    config.probes, config.probe_success_rate, config.probe_deadline
                ),
            )
            .setting("shadow", config.shadow)
            .counter("calls", counted + self.sum(Count::Calls))
            .counter("failed", self.sum(Count::Failed))
            .counter("slow", self.sum(Count::Slow))
            .counter("ignored", self.sum(Count::Ignored))
            .counter("cancelled", self.sum(Count::Cancelled))
            .counter("refused", self.sum(Count::Refused))
            .counter("would_refuse", self.sum(Count::WouldRefuse))
    }
}

/// Nanoseconds; the most if nobody asks.
fn slow_after(config: &CircuitBreakerConfig) -> u64 {
    let after = config.slow_calls.map_or(Duration::MAX, |slow| slow.after);
    nanos_of(after)
}
