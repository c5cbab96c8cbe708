use std::time::Duration;

use super::config::{CircuitBreakerConfig, Window};
use super::engine::{Engine, Gate};
use super::state::State;
use super::window::Tally;
use crate::base::ticks::Ticks;

/// What a circuit knows at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state. An open circuit whose time is over stays open until the next call makes it half-open.
    pub state: State,
    /// Calls in the window.
    pub calls: u64,
    /// Failures in the window.
    pub failed: u64,
    /// Slow calls in the window.
    pub slow: u64,
    /// The share of failures, from 0 to 1; `None` while there are too few calls to know.
    pub failure_rate: Option<f64>,
    /// The share of slow calls, from 0 to 1; `None` while there are too few calls to know, or nobody asks.
    pub slow_call_rate: Option<f64>,
    /// In a state that refuses: how long until the next call may be let through, zero if it may be already. `None` in any
    /// other state, and if the circuit was forced open.
    pub next_attempt: Option<Duration>,
}

impl Snapshot {
    pub(super) fn new(engine: &Engine, tally: Tally, config: &CircuitBreakerConfig, now: Ticks) -> Self {
        let Tally { calls, failed, slow } = tally;
        let is_known = calls >= u64::from(config.minimum_calls) && !matches!(config.window, Window::Consecutive(_));
        let rate = |part: u64| is_known.then(|| part as f64 / calls as f64);
        Self {
            state: engine.state(),
            calls,
            failed,
            slow,
            failure_rate: rate(failed),
            slow_call_rate: config.slow_calls.and_then(|_| rate(slow)),
            next_attempt: match engine.gate() {
                Gate::Refuse { until } if until != Ticks::NEVER => Some(until.since(now)),
                _ => None,
            },
        }
    }
}
