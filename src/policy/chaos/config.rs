use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of a [`Chaos`](super::Chaos).
///
/// A share is a part of all calls, from 0 to 1. A call has one fault at most, so that the shares are at most 1 in all.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ChaosConfig {
    /// Whether faults are injected. Default `false`.
    pub enabled: bool,
    /// The share of calls whose answer is held back. Default 0.
    pub latency_share: f64,
    /// How long it is held back.
    pub latency: Latency,
    /// The share of calls that end in an [`InjectedFault`](super::InjectedFault) at once. Default 0.
    pub error_share: f64,
    /// The share of calls that never end by themselves. Default 0.
    pub hang_share: f64,
    /// The share of calls whose connection breaks; over HTTP within the response's body. Default 0.
    pub disconnect_share: f64,
    /// When there are faults, from when they were enabled on.
    pub schedule: Schedule,
}

/// How long an answer is held back, with every time between the two as likely as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latency {
    /// The shortest time; from 1 ms to 1 h. Default 100 ms.
    pub min: Duration,
    /// The longest time; from `min` to 1 h. Default 100 ms.
    pub max: Duration,
}

/// When there are faults, from when they were enabled on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// After which time they begin; at most 24 h. Default: at once.
    pub after: Duration,
    /// How long they go on; from 1 ms to 24 h. Default `None`: until they are disabled.
    pub lasts: Option<Duration>,
    /// How long after each beginning they begin again; from `lasts` to 24 h. Default `None`: never.
    pub every: Option<Duration>,
}

const MS: Duration = Duration::from_millis(1);
/// Longer than any caller waits.
const LATENCY: RangeInclusive<Duration> = MS..=Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What a sum of shares that are meant to be 1 may be more by, as none of them is exact.
const ROUNDING: f64 = 1e-9;

impl Latency {
    /// Holds every answer back for the same time; from 1 ms to 1 h.
    pub fn fixed(time: Duration) -> Self {
        Self { min: time, max: time }
    }

    /// Holds each answer back for a time between the two; from 1 ms to 1 h each.
    pub fn uniform(min: Duration, max: Duration) -> Self {
        Self { min, max }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::fixed(100 * MS)
    }
}

impl Schedule {
    /// Begins after a time, at most 24 h.
    pub fn after(time: Duration) -> Self {
        let after = time;
        Self {
            after,
            ..Self::default()
        }
    }

    /// Ends so long after it began; from 1 ms to 24 h.
    #[must_use]
    pub fn lasts(mut self, time: Duration) -> Self {
        self.lasts = Some(time);
        self
    }

    /// Begins again so long after each beginning; from what it lasts to 24 h.
    #[must_use]
    pub fn every(mut self, time: Duration) -> Self {
        self.every = Some(time);
        self
    }
}

impl ChaosConfig {
    /// Lists the shares by their keys.
    pub(super) fn shares(&self) -> [(&'static str, f64); 4] {
        [
            ("latency_share", self.latency_share),
            ("error_share", self.error_share),
            ("hang_share", self.hang_share),
            ("disconnect_share", self.disconnect_share),
        ]
    }
}

impl Validate for ChaosConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let mut wrong = Vec::new();
        let mut object = |key: &str, found: String, allowed: String| {
            wrong.push(InvalidSetting::new(format!("chaos.{name}.{key}"), found, allowed));
        };
        for (key, share) in self.shares() {
            if !(0.0..=1.0).contains(&share) {
                object(key, share.to_string(), "from 0 to 1".into());
            }
        }
        let sum: f64 = self.shares().iter().map(|(_, share)| share).sum();
        if sum > 1.0 + ROUNDING {
            object(
                "shares",
                format!("{sum} in all"),
                "at most 1, as a call has one fault at most".into(),
            );
        }
        for (key, time) in [("latency.min", self.latency.min), ("latency.max", self.latency.max)] {
            if !LATENCY.contains(&time) {
                object(key, format!("{time:?}"), range(&LATENCY));
            }
        }
        if self.latency.min > self.latency.max {
            let max = self.latency.max;
            object(
                "latency.min",
                format!("{:?}", self.latency.min),
                format!("at most `latency.max` ({max:?})"),
            );
        }
        self.schedule.validate(&mut object);
        wrong
    }
}

impl Schedule {
    fn validate(&self, object: &mut impl FnMut(&str, String, String)) {
        if self.after > DAY {
            object(
                "schedule.after",
                format!("{:?}", self.after),
                format!("at most {DAY:?}"),
            );
        }
        for (key, time) in [("schedule.lasts", self.lasts), ("schedule.every", self.every)] {
            if let Some(time) = time.filter(|time| !(MS..=DAY).contains(time)) {
                object(key, format!("{time:?}"), range(&(MS..=DAY)));
            }
        }
        match (self.lasts, self.every) {
            (None, Some(every)) => {
                let allowed = "none without `schedule.lasts`, as what never ends cannot begin again";
                object("schedule.every", format!("{every:?}"), allowed.into());
            }
            (Some(lasts), Some(every)) if every < lasts => {
                let allowed = format!("at least `schedule.lasts` ({lasts:?})");
                object("schedule.every", format!("{every:?}"), allowed);
            }
            _ => {}
        }
    }
}

fn range(allowed: &RangeInclusive<Duration>) -> String {
    format!("from {:?} to {:?}", allowed.start(), allowed.end())
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            return write!(f, "{:?}", self.min);
        }
        write!(f, "{:?} to {:?}", self.min, self.max)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:?}", self.after)?;
        if let Some(lasts) = self.lasts {
            write!(f, " for {lasts:?}")?;
        }
        self.every.map_or(Ok(()), |every| write!(f, " every {every:?}"))
    }
}
