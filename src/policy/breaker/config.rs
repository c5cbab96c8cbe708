use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::live::Validate;
use crate::base::outcome::Outcome;

/// The settings of a [`CircuitBreaker`](super::CircuitBreaker).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreakerConfig {
    /// Which outcomes are looked at. Default: the last 30 s.
    pub window: Window,
    /// The share of failures, in percent from 1 to 100, at which the circuit opens. Default 50.
    pub failure_rate: u8,
    /// From which duration on a call is slow, and how many slow ones open the circuit. Default: not looked at.
    pub slow_calls: Option<SlowCalls>,
    /// With fewer calls in the window than this, its rates are not known. From 1; default 20.
    pub minimum_calls: u32,
    /// How long the circuit stays open the first time, from 1 ms to 24 h. Default 5 s.
    pub open: Duration,
    /// How long it stays open at most, from `open` to 24 h. Default 60 s.
    pub open_max: Duration,
    /// By how much chance may shorten that, in percent from 0 to 100. Default 20.
    pub open_jitter: u8,
    /// How many calls are let through as probes when the circuit is half-open, from 1 to 1,000. Default 5.
    pub probes: u32,
    /// How many of the probes must succeed, in percent from 1 to 100. Default 60.
    pub probe_success_rate: u8,
    /// When a probe that has not ended gives its slot to another call, from 1 ms to 24 h. Default 10 s.
    pub probe_deadline: Duration,
    /// What a call that is dropped before it ends counts as. Default [`Outcome::Ignored`].
    pub cancelled: Outcome,
    /// Lets every call through, and counts those that would have been refused. Default `false`.
    pub shadow: bool,
}

/// Which outcomes a circuit breaker looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Window {
    /// Exactly the last so many calls, from 1 to 10,000.
    Count(u32),
    /// The calls that ended within the last so much time, from 10 ms to 24 h, in ten buckets.
    Time(Duration),
    /// So many failures one after another, from 1; rates and the minimum of calls do not apply.
    Consecutive(u32),
}

/// When a call is slow, and how many slow ones are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowCalls {
    /// A call that takes this long or longer is slow; from 1 ms to 24 h.
    pub after: Duration,
    /// The share of slow calls, in percent from 1 to 100, at which the circuit opens.
    pub rate: u8,
}

impl SlowCalls {
    /// Opens the circuit when `rate` percent of the calls take `after` or longer.
    pub fn new(after: Duration, rate: u8) -> Self {
        Self { after, rate }
    }
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self {
            window: Window::Time(Duration::from_secs(30)),
            failure_rate: 50,
            slow_calls: None,
            minimum_calls: 20,
            open: Duration::from_secs(5),
            open_max: Duration::from_secs(60),
            open_jitter: 20,
            probes: 5,
            probe_success_rate: 60,
            probe_deadline: Duration::from_secs(10),
            cancelled: Outcome::Ignored,
            shadow: false,
        }
    }
}

const DURATION: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
const TIME_WINDOW: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 60 * 60);
const PERCENT: RangeInclusive<u8> = 1..=100;

impl Validate for CircuitBreakerConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let mut wrong = Vec::new();
        let mut refuse = |ok: bool, key: &str, found: String, allowed: String| {
            if !ok {
                wrong.push(InvalidSetting::new(format!("breaker.{name}.{key}"), found, allowed));
            }
        };
        let mut duration = |key, found: Duration, allowed: RangeInclusive<Duration>| {
            let range = format!("from {:?} to {:?}", allowed.start(), allowed.end());
            refuse(allowed.contains(&found), key, format!("{found:?}"), range);
        };
        duration("open", self.open, DURATION);
        duration("open_max", self.open_max, DURATION);
        duration("probe_deadline", self.probe_deadline, DURATION);
        if let Some(slow) = self.slow_calls {
            duration("slow_calls.after", slow.after, DURATION);
        }
        if let Window::Time(window) = self.window {
            duration("window", window, TIME_WINDOW);
        }
        let mut number = |key, found: u32, allowed: RangeInclusive<u32>| {
            let range = match *allowed.end() {
                u32::MAX => format!("at least {}", allowed.start()),
                end => format!("from {} to {end}", allowed.start()),
            };
            refuse(allowed.contains(&found), key, found.to_string(), range);
        };
        match self.window {
            Window::Count(calls) => number("window", calls, 1..=10_000),
            Window::Consecutive(failures) => number("window", failures, 1..=u32::MAX),
            Window::Time(_) => {}
        }
        number("minimum_calls", self.minimum_calls, 1..=u32::MAX);
        number("probes", self.probes, 1..=1000);
        let mut percent = |key, found: u8, allowed: RangeInclusive<u8>| {
            let range = format!("from {} to {} percent", allowed.start(), allowed.end());
            refuse(allowed.contains(&found), key, found.to_string(), range);
        };
        percent("failure_rate", self.failure_rate, PERCENT);
        percent("probe_success_rate", self.probe_success_rate, PERCENT);
        percent("open_jitter", self.open_jitter, 0..=100);
        if let Some(slow) = self.slow_calls {
            percent("slow_calls.rate", slow.rate, PERCENT);
        }
        refuse(
            self.open_max >= self.open,
            "open_max",
            format!("{:?}", self.open_max),
            format!("at least `open` ({:?})", self.open),
        );
        if let Some(slow) = self.slow_calls {
            refuse(
                slow.after <= self.probe_deadline,
                "slow_calls.after",
                format!("{:?}", slow.after),
                format!(
                    "at most `probe_deadline` ({:?}), or no slow probe would ever end in time",
                    self.probe_deadline
                ),
            );
        }
        if let Window::Count(calls) = self.window {
            refuse(
                self.minimum_calls <= calls,
                "minimum_calls",
                self.minimum_calls.to_string(),
                format!("at most the {calls} calls of the window, or the circuit could never open"),
            );
        }
        if let Window::Consecutive(_) = self.window {
            refuse(
                self.slow_calls.is_none(),
                "slow_calls",
                "set".into(),
                "left out: a window of consecutive failures has no rates".into(),
            );
        }
        wrong
    }
}
