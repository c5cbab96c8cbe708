use std::ops::RangeInclusive;
use std::time::Duration;

use super::quota::Quota;
use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of a [`RateLimit`](super::RateLimit) or a [`KeyedRateLimit`](super::KeyedRateLimit).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimitConfig {
    /// How many requests in how much time, and how many at once. Default 100 a second, 200 at once.
    pub quota: Quota,
    /// How long a request may wait for its turn, up to 24 h. Default zero: it is refused at once.
    pub wait: Duration,
    /// Lowers the rate when the called service throttles. Default: it does not.
    pub adaptive: Option<Adaptive>,
    /// Lets every request through, and counts those that would have been refused or made wait. Default `false`.
    pub shadow: bool,
}

/// How the rate follows a service that throttles: additive increase, multiplicative decrease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adaptive {
    /// What a throttled call leaves of the rate, in percent from 1 to 99. Default 50.
    pub decrease: u8,
    /// How long one decrease lasts before the next, from 1 ms to 24 h. Default 1 s.
    pub pause: Duration,
    /// What comes back each second, in percent of the quota from 1 to 100. Default 5.
    pub increase: u8,
    /// The rate that always stays, in percent of the quota from 1 to 100. Default 5.
    pub floor: u8,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self {
            decrease: 50,
            pause: Duration::from_secs(1),
            increase: 5,
            floor: 5,
        }
    }
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            quota: Quota::per_second(100).burst(200),
            wait: Duration::ZERO,
            adaptive: None,
            shadow: false,
        }
    }
}

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
const PAUSE: RangeInclusive<Duration> = Duration::from_millis(1)..=LONGEST;

impl Validate for RateLimitConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let key = |key: &str| format!("rate_limit.{name}.{key}");
        let mut wrong: Vec<_> = self.quota.validate(&key("quota")).into_iter().collect();
        if self.wait > LONGEST {
            let found = format!("{:?}", self.wait);
            wrong.push(InvalidSetting::new(key("wait"), found, format!("at most {LONGEST:?}")));
        }
        let Some(adaptive) = self.adaptive else {
            return wrong;
        };
        if !PAUSE.contains(&adaptive.pause) {
            let found = format!("{:?}", adaptive.pause);
            let allowed = format!("from {:?} to {:?}", PAUSE.start(), PAUSE.end());
            wrong.push(InvalidSetting::new(key("adaptive.pause"), found, allowed));
        }
        let percents = [
            ("adaptive.decrease", adaptive.decrease, 99),
            ("adaptive.increase", adaptive.increase, 100),
            ("adaptive.floor", adaptive.floor, 100),
        ];
        for (name, found, most) in percents {
            if !(1..=most).contains(&found) {
                let allowed = format!("from 1 to {most} percent");
                wrong.push(InvalidSetting::new(key(name), found.to_string(), allowed));
            }
        }
        wrong
    }
}
