use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::algorithm::{Gradient2, LimitAlgorithm};
use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The settings of an [`AdaptiveLimit`](super::AdaptiveLimit).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AdaptiveConfig {
    /// The limit to begin with, from 1 to 1,000,000; put between `min` and `max`. Default 20.
    pub initial: u32,
    /// The least that the limit can become, but for a probe, from 1 to 1,000,000. Default 4.
    pub min: u32,
    /// The most that the limit can become, from `min` to 1,000,000. Default 1000.
    pub max: u32,
    /// How often the limit is thought over, from 10 ms to 60 s; seldomer while calls take longer than half of that, or
    /// there are few. Default 100 ms.
    pub window: Duration,
    /// How many calls that takes at least, from 5 to 10,000. Default 50.
    pub minimum_calls: u32,
    /// For how long calls may take longer than they did before it is asked whether the load is the reason, from 1 s to
    /// 24 h. Default 10 s.
    pub doubt: Duration,
    /// How the limit is found. Default [`Gradient2`].
    pub algorithm: Arc<dyn LimitAlgorithm>,
}

impl Default for AdaptiveConfig {
    fn default() -> Self {
        Self {
            initial: 20,
            min: 4,
            max: 1000,
            window: Duration::from_millis(100),
            minimum_calls: 50,
            doubt: Duration::from_secs(10),
            algorithm: Arc::new(Gradient2::default()),
        }
    }
}

const LIMIT: RangeInclusive<u32> = 1..=1_000_000;
const CALLS: RangeInclusive<u32> = 5..=10_000;
const WINDOW: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60);
const DOUBT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 60 * 60);

impl Validate for AdaptiveConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let prefix = format!("adaptive.{name}");
        let mut wrong = Vec::new();
        check(&mut wrong, &prefix, "min", self.min, LIMIT);
        check(
            &mut wrong,
            &prefix,
            "max",
            self.max,
            self.min.clamp(*LIMIT.start(), *LIMIT.end())..=*LIMIT.end(),
        );
        check(&mut wrong, &prefix, "initial", self.initial, LIMIT);
        check(&mut wrong, &prefix, "window", self.window, WINDOW);
        check(&mut wrong, &prefix, "minimum_calls", self.minimum_calls, CALLS);
        check(&mut wrong, &prefix, "doubt", self.doubt, DOUBT);
        wrong.extend(self.algorithm.objections(&format!("{prefix}.algorithm")));
        wrong
    }
}

fn check<T: PartialOrd + fmt::Debug>(
    wrong: &mut Vec<InvalidSetting>,
    prefix: &str,
    key: &str,
    found: T,
    allowed: RangeInclusive<T>,
) {
    if !allowed.contains(&found) {
        let range = format!("from {:?} to {:?}", allowed.start(), allowed.end());
        wrong.push(InvalidSetting::new(
            format!("{prefix}.{key}"),
            format!("{found:?}"),
            range,
        ));
    }
}
