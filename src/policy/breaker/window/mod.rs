//! What a closed circuit remembers of its calls.

mod consecutive;
mod count;
mod plain;
mod time;

use consecutive::ConsecutiveWindow;
use count::CountWindow;
use time::TimeWindow;

pub(super) use plain::PlainWindow;

use super::config::{CircuitBreakerConfig, Window};
use super::engine::Cause;
use crate::base::ticks::Ticks;

/// How a call ended, as far as windows care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) failed: bool,
    pub(super) slow: bool,
}

impl Ended {
    /// Returns whether this can only do good to a circuit.
    pub(super) fn is_healthy(self) -> bool {
        !self.failed && !self.slow
    }
}

/// What is in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) calls: u64,
    pub(super) failed: u64,
    pub(super) slow: u64,
}

impl Tally {
    pub(super) fn add(&mut self, ended: Ended) {
        self.calls += 1;
        self.failed += u64::from(ended.failed);
        self.slow += u64::from(ended.slow);
    }

    pub(super) fn remove(&mut self, ended: Ended) {
        self.calls -= 1;
        self.failed -= u64::from(ended.failed);
        self.slow -= u64::from(ended.slow);
    }

    /// Returns why the circuit must open, if it must.
    pub(super) fn cause(self, config: &CircuitBreakerConfig) -> Option<Cause> {
        if let Window::Consecutive(most) = config.window {
            let failures = self.failed;
            return (failures >= u64::from(most)).then_some(Cause::Consecutive { failures });
        }
        let calls = self.calls;
        if calls < u64::from(config.minimum_calls) {
            return None;
        }
        // Whole numbers, so that a rate of exactly the threshold is one that has reached it.
        let reached = |part: u64, rate: u8| part * 100 >= calls * u64::from(rate);
        let percent = |part: u64| u32::try_from(part * 100 / calls).unwrap_or(100);
        if reached(self.failed, config.failure_rate) {
            let percent = percent(self.failed);
            return Some(Cause::Failures { percent, calls });
        }
        let slow = config.slow_calls?;
        reached(self.slow, slow.rate).then(|| Cause::SlowCalls {
            percent: percent(self.slow),
            calls,
        })
    }
}

/// The window of a circuit that many threads share.
#[derive(Debug)]
pub(super) enum Record {
    Count(CountWindow),
    Time(TimeWindow),
    Consecutive(ConsecutiveWindow),
}

impl Record {
    pub(super) fn new(window: Window, stripes: usize) -> Self {
        match window {
            Window::Count(calls) => Self::Count(CountWindow::new(calls)),
            Window::Time(length) => Self::Time(TimeWindow::new(length, stripes)),
            Window::Consecutive(_) => Self::Consecutive(ConsecutiveWindow::default()),
        }
    }

    /// Takes one call's end, unless `is_current` says that the window is of another time by now.
    ///
    /// Returns what is in the window then if the circuit may have to open: not for a healthy call.
    #[inline]
    pub(super) fn add(
        &self,
        ended: Ended,
        stripe: usize,
        now: impl FnOnce() -> Ticks,
        is_current: impl FnOnce() -> bool,
    ) -> Option<Tally> {
        match self {
            Self::Count(window) => window.add(ended, is_current),
            Self::Time(window) => window.add(ended, stripe, now(), is_current),
            Self::Consecutive(window) => window.add(ended, is_current),
        }
    }

    /// Returns what is in the window.
    pub(super) fn tally(&self, now: Ticks) -> Tally {
        match self {
            Self::Count(window) => window.tally(),
            Self::Time(window) => window.tally(now),
            Self::Consecutive(window) => window.tally(),
        }
    }

    /// Returns how many calls it has ever taken.
    pub(super) fn calls(&self) -> u64 {
        match self {
            Self::Count(window) => window.calls(),
            Self::Time(window) => window.calls(),
            Self::Consecutive(window) => window.calls(),
        }
    }

    /// Gives a time window another length.
    pub(super) fn resize(&self, window: Window, now: Ticks) {
        if let (Self::Time(time), Window::Time(length)) = (self, window) {
            time.set_length(length, now);
        }
    }

    /// Forgets everything; what is being added at this moment goes nowhere.
    pub(super) fn clear(&self) {
        match self {
            Self::Count(window) => window.clear(),
            Self::Time(window) => window.clear(),
            Self::Consecutive(window) => window.clear(),
        }
    }
}
