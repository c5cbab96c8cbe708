use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::live::Validate;

/// The shortest and the longest interval, timeout and silence that is accepted.
const TIMES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(24 * 60 * 60);
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=*TIMES.end();
const RUNS: RangeInclusive<u32> = 1..=1000;
const LONGEST_NAME: usize = 64;

/// The most checks, startup tasks and heartbeats, each, that one [`Health`](super::Health) takes.
pub(super) const MOST: usize = 256;

/// When a check runs and what its results lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckConfig {
    /// Whether the service is unready without it. Default `true`.
    pub critical: bool,
    /// Whether a critical dependency of which nothing is known leaves the service ready. Default `false`.
    pub fail_open: bool,
    /// The shortest time from the start of one run to the next, from 10 ms to 24 h. Default 10 s.
    ///
    /// Up to a tenth is added to each at random, so that replicas do not run their checks in step.
    pub interval: Duration,
    /// The longest that one run may take, from 1 ms to `interval`. Default 1 s.
    pub timeout: Duration,
    /// How many runs in a row must fail before it counts as failing, from 1 to 1000. Default 1.
    pub failing_after: u32,
    /// How many runs in a row must succeed before it counts as up again, from 1 to 1000. Default 1.
    pub recovering_after: u32,
    /// After how many missed runs nothing is known any more, from 1 to 1000. Default 3.
    pub stale_after: u32,
    /// What it is, for `/healthz`. Default [`ComponentType::Component`].
    pub component_type: ComponentType,
}

/// What a dependency is, in the words of `application/health+json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComponentType {
    /// A service or a part of one.
    #[default]
    Component,
    /// A database, a queue, a cache.
    Datastore,
    /// A machine or what belongs to it, such as a disk.
    System,
}

impl ComponentType {
    /// Returns the word that stands in `/healthz`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Datastore => "datastore",
            Self::System => "system",
        }
    }
}

impl Default for CheckConfig {
    fn default() -> Self {
        Self {
            critical: true,
            fail_open: false,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            failing_after: 1,
            recovering_after: 1,
            stale_after: 3,
            component_type: ComponentType::Component,
        }
    }
}

impl CheckConfig {
    /// Returns the longest time from the start of one run to the next, the jitter included.
    pub(super) fn longest_interval(&self) -> Duration {
        self.interval + self.interval / 10
    }

    /// Returns the age at which a result is stale: `stale_after` of the longest intervals, and a run.
    pub fn stale_age(&self) -> Duration {
        (self.longest_interval() * self.stale_after).saturating_add(self.timeout)
    }
}

impl Validate for CheckConfig {
    fn validate(&self, name: &str) -> Vec<InvalidSetting> {
        let key = |setting: &str| format!("check.{name}.{setting}");
        let mut wrong: Vec<_> = [
            in_range(key("interval"), &self.interval, &TIMES),
            in_range(key("timeout"), &self.timeout, &TIMEOUTS),
            in_range(key("failing_after"), &self.failing_after, &RUNS),
            in_range(key("recovering_after"), &self.recovering_after, &RUNS),
            in_range(key("stale_after"), &self.stale_after, &RUNS),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.timeout > self.interval {
            wrong.push(InvalidSetting::new(
                key("timeout"),
                format!("{:?}", self.timeout),
                format!(
                    "at most `interval` ({:?}), because a run has to end before the next one starts",
                    self.interval
                ),
            ));
        }
        wrong
    }
}

fn in_range<T: PartialOrd + Debug>(key: String, found: &T, allowed: &RangeInclusive<T>) -> Option<InvalidSetting> {
    let wrong = || {
        InvalidSetting::new(
            key,
            format!("{found:?}"),
            format!("from {:?} to {:?}", allowed.start(), allowed.end()),
        )
    };
    (!allowed.contains(found)).then(wrong)
}

/// Says what is wrong with a heartbeat's longest silence.
pub(super) fn check_silence(name: &str, max_silence: Duration) -> Option<InvalidSetting> {
    in_range(format!("heartbeat.{name}.max_silence"), &max_silence, &TIMES)
}

/// Tells whether `name` fits into a path and a query as it is: 1 to 64 letters, digits, `.`, `_`, `-`.
pub(crate) fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits)
}

/// Says what is wrong with a new `name` among those that are `taken`.
pub(super) fn check_name<'a>(
    kind: &str,
    name: &str,
    taken: impl ExactSizeIterator<Item = &'a str>,
    reserved: &[&str],
) -> Option<InvalidSetting> {
    if !is_name(name) {
        let found = format!("a text of {} bytes", name.len());
        let allowed = format!("1 to {LONGEST_NAME} letters, digits, `.`, `_`, `-`");
        return Some(InvalidSetting::new(format!("{kind}.name"), found, allowed));
    }
    let key = format!("{kind}.{name}");
    if reserved.contains(&name) {
        let allowed = format!("none of {}, which the probes use themselves", reserved.join(", "));
        return Some(InvalidSetting::new(key, "a reserved name", allowed));
    }
    if taken.len() >= MOST {
        let found = format!("number {}", taken.len() + 1);
        return Some(InvalidSetting::new(key, found, format!("one of at most {MOST}")));
    }
    let allowed = "a name that no other has";
    let mut taken = taken;
    taken
        .any(|other| other == name)
        .then(|| InvalidSetting::new(key, "registered already", allowed))
}
