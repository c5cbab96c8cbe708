//! The slow and obvious circuit breaker.

use std::time::Duration;

use crate::policy::breaker::config::{CircuitBreakerConfig, Window};
use crate::policy::breaker::state::State;

/// Keeps all that ever happened, and looks through it again for each decision.
pub(super) struct Model {
    config: CircuitBreakerConfig,
    now: Duration,
    state: ModelState,
    generation: u32,
    /// When each call of this generation ended, whether it failed, whether it was slow.
    ended: Vec<(Duration, bool, bool)>,
    /// The open times that no health has made forgotten.
    openings: Vec<Duration>,
    closed_at: Duration,
}

#[derive(Clone)]
enum ModelState {
    Closed,
    Open { until: Duration },
    HalfOpen { probes: Vec<ModelProbe> },
    ForcedOpen,
    ForcedClosed,
    Disabled,
}

#[derive(Clone)]
struct ModelProbe {
    deadline: Duration,
    /// `None` while it runs; then what it showed, if anything.
    end: Option<Option<bool>>,
    expired: bool,
}

#[derive(Clone, Copy)]
pub(super) struct ModelTicket {
    generation: u32,
    probe: Option<usize>,
    observed: bool,
    began: Duration,
}

impl Model {
    pub(super) fn new(config: CircuitBreakerConfig) -> Self {
        Self {
            config,
            now: Duration::ZERO,
            state: ModelState::Closed,
            generation: 0,
            ended: Vec::new(),
            openings: Vec::new(),
            closed_at: Duration::ZERO,
        }
    }

    fn change(&mut self, state: ModelState) {
        self.state = state;
        self.generation += 1;
        self.ended.clear();
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    pub(super) fn reset(&mut self) {
        self.openings.clear();
        self.close();
    }

    pub(super) fn force(&mut self, state: State) {
        self.change(match state {
            State::ForcedOpen => ModelState::ForcedOpen,
            State::ForcedClosed => ModelState::ForcedClosed,
            _ => ModelState::Disabled,
        });
    }

    fn open(&mut self) {
        let doubled = (0..self.openings.len()).fold(self.config.open, |time, _| time * 2);
        let time = doubled.min(self.config.open_max);
        self.openings.push(time);
        self.change(ModelState::Open { until: self.now + time });
    }

    fn close(&mut self) {
        self.closed_at = self.now;
        self.change(ModelState::Closed);
    }

    /// `Err` says how long until a call may be let in, if that is known.
    pub(super) fn enter(&mut self) -> Result<ModelTicket, Option<Duration>> {
        if matches!(self.state, ModelState::Open { until } if self.now >= until) {
            self.change(ModelState::HalfOpen { probes: Vec::new() });
        }
        self.expire();
        let (now, config) = (self.now, &self.config);
        let mut ticket = ModelTicket {
            generation: self.generation,
            probe: None,
            observed: true,
            began: now,
        };
        match &mut self.state {
            ModelState::Closed | ModelState::ForcedClosed => {}
            ModelState::Disabled => ticket.observed = false,
            ModelState::ForcedOpen => return Err(None),
            ModelState::Open { until } => return Err(Some(*until - now)),
            ModelState::HalfOpen { probes } => {
                let running = || {
                    probes
                        .iter()
                        .filter(|probe| probe.end.is_none() && now < probe.deadline)
                };
                let decided = probes.iter().filter(|probe| matches!(probe.end, Some(Some(_)))).count();
                if running().count() + decided >= config.probes as usize {
                    return Err(running().map(|probe| probe.deadline - now).min());
                }
                ticket.probe = Some(probes.len());
                probes.push(ModelProbe {
                    deadline: now + config.probe_deadline,
                    end: None,
                    expired: false,
                });
            }
        }
        Ok(ticket)
    }

    /// More probes over their deadline than there are slots open the circuit.
    fn expire(&mut self) {
        let ModelState::HalfOpen { probes } = &mut self.state else {
            return;
        };
        for probe in &mut *probes {
            probe.expired |= probe.end.is_none() && self.now >= probe.deadline;
        }
        if probes.iter().filter(|probe| probe.expired).count() > self.config.probes as usize {
            self.open();
        }
    }

    /// `failed` is `None` for a call that says nothing.
    pub(super) fn exit(&mut self, ticket: ModelTicket, failed: Option<bool>) {
        if ticket.generation != self.generation || !ticket.observed {
            return;
        }
        let took = self.now - ticket.began;
        let is_slow = self.config.slow_calls.is_some_and(|slow| took >= slow.after);
        if let Some(index) = ticket.probe {
            self.probe_ended(index, failed.map(|failed| !failed && !is_slow));
        } else if let Some(failed) = failed {
            self.ended.push((self.now, failed, is_slow));
            if (failed || is_slow) && matches!(self.state, ModelState::Closed) && self.has_tripped() {
                let mut healthy = self.now - self.closed_at;
                while let Some(last) = self.openings.last().copied().filter(|last| healthy >= *last) {
                    healthy -= last;
                    self.openings.pop();
                }
                self.open();
            }
        }
    }

    fn probe_ended(&mut self, index: usize, healthy: Option<bool>) {
        self.expire();
        let ModelState::HalfOpen { probes } = &mut self.state else {
            return;
        };
        if probes[index].expired {
            return;
        }
        probes[index].end = Some(healthy);
        let count = |wanted| probes.iter().filter(|probe| probe.end == Some(Some(wanted))).count() as f64;
        let needed = f64::from(self.config.probes) * f64::from(self.config.probe_success_rate) / 100.0;
        // 1e-9: a share like 60 % of 5 is a little more than 3 in binary.
        if count(true) >= needed - 1e-9 {
            self.close();
        } else if f64::from(self.config.probes) - count(false) < needed - 1e-9 {
            self.open();
        }
    }

    /// The calls, failures and slow calls that the window still has.
    fn window(&self) -> [u64; 3] {
        let kept: Vec<_> = match self.config.window {
            Window::Count(calls) => self.ended.iter().rev().take(calls as usize).collect(),
            Window::Time(length) => {
                let bucket = |at: Duration| at.as_nanos() / (length / 10).as_nanos();
                let oldest = (bucket(self.now) + 1).saturating_sub(10);
                self.ended.iter().filter(|(at, ..)| bucket(*at) >= oldest).collect()
            }
            Window::Consecutive(_) => self.ended.iter().rev().take_while(|(_, failed, _)| *failed).collect(),
        };
        let count = |is: fn(&(Duration, bool, bool)) -> bool| kept.iter().filter(|ended| is(ended)).count() as u64;
        [kept.len() as u64, count(|ended| ended.1), count(|ended| ended.2)]
    }

    fn has_tripped(&self) -> bool {
        let [calls, failed, slow] = self.window();
        if let Window::Consecutive(most) = self.config.window {
            return failed >= u64::from(most);
        }
        let reaches = |part: u64, percent: u8| part > 0 && part * 100 >= calls * u64::from(percent);
        let is_slow = self.config.slow_calls.is_some_and(|most| reaches(slow, most.rate));
        calls >= u64::from(self.config.minimum_calls) && (reaches(failed, self.config.failure_rate) || is_slow)
    }

    pub(super) fn looks(&self) -> (State, [u64; 3], Option<Duration>) {
        let state = match &self.state {
            ModelState::Closed => State::Closed,
            ModelState::Open { .. } => State::Open,
            ModelState::HalfOpen { .. } => State::HalfOpen,
            ModelState::ForcedOpen => State::ForcedOpen,
            ModelState::ForcedClosed => State::ForcedClosed,
            ModelState::Disabled => State::Disabled,
        };
        let next = match &self.state {
            ModelState::Open { until } => Some(until.saturating_sub(self.now)),
            _ => None,
        };
        (state, self.window(), next)
    }
}
