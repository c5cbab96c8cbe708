use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of a [`Hedge`](super::Hedge).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HedgeConfig {
    /// How long the first attempt is waited for before the second one is sent. Default: until 95 % of recent calls would
    /// have been answered.
    pub after: Delay,
}

/// How long the first attempt is waited for before the second one is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delay {
    /// Always so long; from 1 ms to 60 s.
    Fixed(Duration),
    /// As long as so many percent of recent calls took.
    Percentile(Percentile),
}

/// A percentile of how long recent calls took, with bounds.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::hedge::Percentile;
///
/// // One call in a hundred is hedged, and none before 20 ms.
/// let rare = Percentile::of(99).min(Duration::from_millis(20));
/// assert_eq!(rare.to_string(), "percentile 99, 20ms to 5s, 500ms before 100 calls");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Percentile {
    /// How many percent of recent calls took no longer; from 1 to 99. Default 95.
    pub percent: u8,
    /// The shortest delay; from 1 ms to 60 s. Default 1 ms.
    pub min: Duration,
    /// The longest delay; from `min` to 60 s. Default 5 s.
    pub max: Duration,
    /// The delay while fewer than `minimum_calls` are known; from 1 ms to 60 s. Default 500 ms.
    pub fallback: Duration,
    /// How many recent calls must be known; at least 1. Default 100.
    pub minimum_calls: u32,
}

/// From the granularity of tokio's timer to what no caller waits for.
const ALLOWED: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);
const PERCENT: RangeInclusive<u8> = 1..=99;

impl Percentile {
    /// Waits until so many percent of recent calls would have been answered; from 1 to 99.
    pub fn of(percent: u8) -> Self {
        Self {
            percent,
            ..Self::default()
        }
    }

    /// The shortest delay; from 1 ms to 60 s. Default 1 ms.
    #[must_use]
    pub fn min(mut self, min: Duration) -> Self {
        self.min = min;
        self
    }

    /// The longest delay; from `min` to 60 s. Default 5 s.
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// The delay while too few calls are known; from 1 ms to 60 s. Default 500 ms.
    #[must_use]
    pub fn fallback(mut self, delay: Duration) -> Self {
        self.fallback = delay;
        self
    }

    /// How many recent calls must be known; at least 1. Default 100.
    #[must_use]
    pub fn minimum_calls(mut self, calls: u32) -> Self {
        self.minimum_calls = calls;
        self
    }

    /// Returns the delay for what is known: how long so many percent of recent calls took, or `None`.
    pub(super) fn delay(&self, known: Option<Duration>) -> Duration {
        known.map_or(self.fallback, |known| known.clamp(self.min, self.max))
    }

    fn validate(&self, key: &str, wrong: &mut Vec<InvalidSetting>) {
        if !PERCENT.contains(&self.percent) {
            let allowed = format!("from {} to {}", PERCENT.start(), PERCENT.end());
            wrong.push(InvalidSetting::new(
                format!("{key}.percent"),
                self.percent.to_string(),
                allowed,
            ));
        }
        if self.minimum_calls == 0 {
            wrong.push(InvalidSetting::new(format!("{key}.minimum_calls"), "0", "at least 1"));
        }
        let delays = [("min", self.min), ("max", self.max), ("fallback", self.fallback)];
        wrong.extend(
            delays
                .into_iter()
                .filter_map(|(part, delay)| out_of_range(format!("{key}.{part}"), delay)),
        );
        if self.min > self.max {
            let allowed = format!("at most `max` ({:?})", self.max);
            wrong.push(InvalidSetting::new(
                format!("{key}.min"),
                format!("{:?}", self.min),
                allowed,
            ));
        }
    }
}

fn out_of_range(key: String, delay: Duration) -> Option<InvalidSetting> {
    (!ALLOWED.contains(&delay)).then(|| {
        let allowed = format!("from {:?} to {:?}", ALLOWED.start(), ALLOWED.end());
        InvalidSetting::new(key, format!("{delay:?}"), allowed)
    })
}

impl Validate for HedgeConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let mut wrong = Vec::new();
        let key = format!("hedge.{name}.after");
        match &self.after {
            Delay::Fixed(delay) => wrong.extend(out_of_range(key, *delay)),
            Delay::Percentile(percentile) => percentile.validate(&key, &mut wrong),
        }
        wrong
    }
}

impl Default for Percentile {
    fn default() -> Self {
        Self {
            percent: 95,
            min: Duration::from_millis(1),
            max: Duration::from_secs(5),
            fallback: Duration::from_millis(500),
            minimum_calls: 100,
        }
    }
}

impl Default for Delay {
    /// The 95th percentile, with its defaults.
    fn default() -> Self {
        Self::Percentile(Percentile::default())
    }
}

impl From<Duration> for Delay {
    fn from(delay: Duration) -> Self {
        Self::Fixed(delay)
    }
}

impl From<Percentile> for Delay {
    fn from(percentile: Percentile) -> Self {
        Self::Percentile(percentile)
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(delay) => write!(f, "{delay:?}"),
            Self::Percentile(percentile) => percentile.fmt(f),
        }
    }
}

impl fmt::Display for Percentile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            percent,
            min,
            max,
            fallback,
            minimum_calls,
        } = self;
        write!(
            f,
            "percentile {percent}, {min:?} to {max:?}, {fallback:?} before {minimum_calls} calls"
        )
    }
}
