//! The states of one circuit: pure decisions by what has happened and the time that is given.

use std::fmt;
use std::time::Duration;

use super::config::CircuitBreakerConfig;
use super::state::State;
use crate::base::ticks::Ticks;

/// The state machine of one circuit. It does not see the calls that a closed circuit lets through, only that their
/// window has tripped.
#[derive(Debug, Default)]
pub(super) struct Engine {
    mode: Mode,
    /// Counts changes of state; what was let in before a change has no say after it.
    generation: u32,
    /// How often it opened without enough health in between to be forgotten.
    openings: u32,
    expired_probes: u64,
    closed_at: Ticks,
}

#[derive(Debug, Default)]
enum Mode {
    #[default]
    Closed,
    Open {
        until: Ticks,
    },
    /// Boxed, so that the many circuits of a keyed breaker that are closed stay small.
    HalfOpen(Box<Probes>),
    ForcedOpen,
    ForcedClosed,
    Disabled,
}

/// The probes of one half-open cycle.
#[derive(Debug)]
struct Probes {
    /// How many may decide, and how many of them must succeed: as set when the cycle began, so that it can always end.
    permitted: u32,
    needed: u32,
    running: Vec<Probe>,
    next: u32,
    succeeded: u32,
    failed: u32,
    expired: u32,
}

#[derive(Debug)]
struct Probe {
    number: u32,
    deadline: Ticks,
}

/// What the next call may do, for as long as nothing changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Go through, and be looked at.
    Pass,
    /// Go through; nobody looks.
    Disabled,
    /// Be refused until then; [`Ticks::NEVER`] if somebody has to end it.
    Refuse { until: Ticks },
    /// Ask [`Engine::enter`].
    Ask,
}

/// What a call is let through as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) generation: u32,
    pub(super) role: Role,
}

/// What a call's outcome is for. One number, because a call's ticket is moved often: a probe's is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role(u32);

impl Role {
    /// Its outcome goes to the window.
    pub(super) const CALL: Self = Self(u32::MAX);
    /// Nobody looks at its outcome.
    pub(super) const UNOBSERVED: Self = Self(u32::MAX - 1);
    /// It has ended.
    pub(super) const ENDED: Self = Self(u32::MAX - 2);

    /// Returns the number of a probe.
    #[inline]
    pub(super) fn probe(self) -> Option<u32> {
        (self.0 < Self::ENDED.0).then_some(self.0)
    }
}

/// A change of state, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transition {
    pub(super) from: State,
    pub(super) to: State,
    pub(super) cause: Cause,
}

/// Why a state changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Failures { percent: u32, calls: u64 },
    SlowCalls { percent: u32, calls: u64 },
    Consecutive { failures: u64 },
    Waited,
    Probes { succeeded: u32, failed: u32 },
    Expired { probes: u32 },
    Asked,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures { percent, calls } => write!(f, "{percent}% of {calls} calls failed"),
            Self::SlowCalls { percent, calls } => write!(f, "{percent}% of {calls} calls were slow"),
            Self::Consecutive { failures } => write!(f, "{failures} calls failed one after another"),
            Self::Waited => f.write_str("the open time is over"),
            Self::Probes { succeeded, failed } => write!(f, "{succeeded} probes succeeded, {failed} failed"),
            Self::Expired { probes } => write!(f, "{probes} probes did not end by their deadline"),
            Self::Asked => f.write_str("asked for"),
        }
    }
}

impl Engine {
    pub(super) fn state(&self) -> State {
        match self.mode {
            Mode::Closed => State::Closed,
            Mode::Open { .. } => State::Open,
            Mode::HalfOpen(_) => State::HalfOpen,
            Mode::ForcedOpen => State::ForcedOpen,
            Mode::ForcedClosed => State::ForcedClosed,
            Mode::Disabled => State::Disabled,
        }
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns what the next call may do.
    pub(super) fn gate(&self) -> Gate {
        match &self.mode {
            Mode::Closed | Mode::ForcedClosed => Gate::Pass,
            Mode::Disabled => Gate::Disabled,
            Mode::Open { until } => Gate::Refuse { until: *until },
            Mode::ForcedOpen => Gate::Refuse { until: Ticks::NEVER },
            Mode::HalfOpen(probes) if probes.taken() < probes.permitted => Gate::Ask,
            Mode::HalfOpen(probes) => Gate::Refuse {
                until: probes.next_free(),
            },
        }
    }

    /// Lets a call in, or says until when it is refused. A circuit whose open time is over becomes half-open.
    pub(super) fn enter(
        &mut self,
        now: Ticks,
        config: &CircuitBreakerConfig,
        chance: f64,
    ) -> (Result<Ticket, Ticks>, Option<Transition>) {
        let transition = match self.mode {
            Mode::Open { until } if now >= until => {
                let probes = Box::new(Probes::new(config));
                Some(self.change(Mode::HalfOpen(probes), Cause::Waited))
            }
            Mode::HalfOpen(_) => self.expire(now, config, chance),
            _ => None,
        };
        let role = match &mut self.mode {
            Mode::Closed | Mode::ForcedClosed => Ok(Role::CALL),
            Mode::Disabled => Ok(Role::UNOBSERVED),
            Mode::Open { until } => Err(*until),
            Mode::ForcedOpen => Err(Ticks::NEVER),
            Mode::HalfOpen(probes) => probes.enter(now.after(config.probe_deadline)).map(Role),
        };
        let generation = self.generation;
        (role.map(|role| Ticket { generation, role }), transition)
    }

    /// Takes the end of a probe: `None` if it said nothing and only gives its slot back.
    pub(super) fn probe_ended(
        &mut self,
        ticket: Ticket,
        healthy: Option<bool>,
        now: Ticks,
        config: &CircuitBreakerConfig,
        chance: f64,
    ) -> Option<Transition> {
        if ticket.generation != self.generation {
            return None;
        }
        let transition = self.expire(now, config, chance);
        let (Mode::HalfOpen(probes), Some(number)) = (&mut self.mode, ticket.role.probe()) else {
            return transition;
        };
        if !probes.leave(number) {
            return None;
        }
        match healthy {
            Some(true) => probes.succeeded += 1,
            Some(false) => probes.failed += 1,
            None => return None,
        }
        let (succeeded, failed) = (probes.succeeded, probes.failed);
        let cause = Cause::Probes { succeeded, failed };
        if succeeded >= probes.needed {
            Some(self.close(now, cause))
        } else if failed > probes.permitted - probes.needed {
            Some(self.open(now, config, chance, cause))
        } else {
            None
        }
    }

    /// Opens the circuit because the window of this generation has tripped.
    pub(super) fn trip(
        &mut self,
        generation: u32,
        now: Ticks,
        config: &CircuitBreakerConfig,
        chance: f64,
        cause: Cause,
    ) -> Option<Transition> {
        if generation != self.generation || !matches!(self.mode, Mode::Closed) {
            return None;
        }
        self.forget_openings(now, config);
        Some(self.open(now, config, chance, cause))
    }

    /// Refuses every call until somebody ends it.
    pub(super) fn force_open(&mut self) -> Transition {
        self.change(Mode::ForcedOpen, Cause::Asked)
    }

    /// Lets every call through and goes on counting.
    pub(super) fn force_closed(&mut self) -> Transition {
        self.change(Mode::ForcedClosed, Cause::Asked)
    }

    /// Lets every call through and looks at none.
    pub(super) fn disable(&mut self) -> Transition {
        self.change(Mode::Disabled, Cause::Asked)
    }

    /// Closes the circuit as if it were new.
    pub(super) fn reset(&mut self, now: Ticks) -> Transition {
        self.openings = 0;
        self.close(now, Cause::Asked)
    }

    fn close(&mut self, now: Ticks, cause: Cause) -> Transition {
        self.closed_at = now;
        self.change(Mode::Closed, cause)
    }

    fn open(&mut self, now: Ticks, config: &CircuitBreakerConfig, chance: f64, cause: Cause) -> Transition {
        let time = open_time(self.openings, config);
        let shorter = time.mul_f64(f64::from(config.open_jitter) / 100.0 * chance);
        self.openings = self.openings.saturating_add(1);
        let until = now.after(time.saturating_sub(shorter));
        self.change(Mode::Open { until }, cause)
    }

    /// Forgets one opening for each time of its own length that the circuit has been closed.
    fn forget_openings(&mut self, now: Ticks, config: &CircuitBreakerConfig) {
        let mut healthy = now.since(self.closed_at);
        while let Some(last) = self.openings.checked_sub(1) {
            let Some(rest) = healthy.checked_sub(open_time(last, config)) else {
                return;
            };
            (healthy, self.openings) = (rest, last);
        }
    }

    fn change(&mut self, mode: Mode, cause: Cause) -> Transition {
        let from = self.state();
        self.mode = mode;
        self.generation = self.generation.wrapping_add(1);
        Transition {
            from,
            to: self.state(),
            cause,
        }
    }

    /// Gives the slots of probes that are over their deadline back. More of them than there are slots open the circuit:
    /// a dependency that swallows calls would otherwise get some for ever.
    fn expire(&mut self, now: Ticks, config: &CircuitBreakerConfig, chance: f64) -> Option<Transition> {
        let Mode::HalfOpen(probes) = &mut self.mode else {
            return None;
        };
        let running = probes.running.len();
        probes.running.retain(|probe| now < probe.deadline);
        let expired = running - probes.running.len();
        self.expired_probes += expired as u64;
        probes.expired += u32::try_from(expired).unwrap_or(u32::MAX);
        let expired = probes.expired;
        (expired > probes.permitted).then(|| self.open(now, config, chance, Cause::Expired { probes: expired }))
    }

    /// Returns how many probes have lost their slot at their deadline.
    pub(super) fn expired_probes(&self) -> u64 {
        self.expired_probes
    }
}

impl Probes {
    fn new(config: &CircuitBreakerConfig) -> Self {
        Self {
            permitted: config.probes,
            needed: (config.probes * u32::from(config.probe_success_rate)).div_ceil(100),
            running: Vec::new(),
            next: 0,
            succeeded: 0,
            failed: 0,
            expired: 0,
        }
    }

    fn taken(&self) -> u32 {
        self.succeeded + self.failed + u32::try_from(self.running.len()).unwrap_or(u32::MAX)
    }

    fn next_free(&self) -> Ticks {
        let deadlines = self.running.iter().map(|probe| probe.deadline);
        deadlines.min().unwrap_or(Ticks::NEVER)
    }

    fn enter(&mut self, deadline: Ticks) -> Result<u32, Ticks> {
        if self.taken() >= self.permitted {
            return Err(self.next_free());
        }
        let number = self.next;
        self.next = (self.next + 1) % Role::ENDED.0;
        self.running.push(Probe { number, deadline });
        Ok(number)
    }

    /// Takes a probe off; `false` if it had lost its slot.
    fn leave(&mut self, number: u32) -> bool {
        let running = self.running.len();
        self.running.retain(|probe| probe.number != number);
        self.running.len() < running
    }
}

/// Returns the open time after so many openings: the first doubled for each, up to the longest.
fn open_time(openings: u32, config: &CircuitBreakerConfig) -> Duration {
    let factor = 1u32.checked_shl(openings).unwrap_or(u32::MAX);
    config.open.saturating_mul(factor).min(config.open_max)
}
