use std::fmt;
use std::time::Duration;

use crate::base::error::InvalidSetting;

/// Says how many calls may be under way after what has been seen.
///
/// It decides from one window alone: what is remembered from window to window, the limit and the baseline, is in there,
/// and guarded by whoever asks. [`Gradient2`] and [`Aimd`] are the two that come along.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::adaptive::{AdaptiveLimit, LimitAlgorithm, Window};
///
/// /// Nobody waits for long, or fewer come in.
/// #[derive(Debug)]
/// struct Patience(Duration);
///
/// impl LimitAlgorithm for Patience {
///     fn next_limit(&self, seen: &Window) -> f64 {
///         if seen.latency > self.0 { seen.limit * 0.8 } else { seen.limit + 1.0 }
///     }
/// }
///
/// let (ms, patience) = (Duration::from_millis, Patience(Duration::from_millis(50)));
/// assert_eq!(patience.next_limit(&Window::new(100.0, ms(60), ms(10))), 80.0);
/// assert!(AdaptiveLimit::builder("search").algorithm(patience).build().is_ok());
/// ```
pub trait LimitAlgorithm: fmt::Debug + Send + Sync + 'static {
    /// Returns the limit after a window. It is put between the least and the most that the settings allow; what is no
    /// number changes nothing. It is called while the limit's state is locked: it must not ask the limit anything.
    fn next_limit(&self, seen: &Window) -> f64;

    /// Lists which of its numbers cannot be accepted; `key` is what their names begin with.
    fn objections(&self, key: &str) -> Vec<InvalidSetting> {
        let _ = key;
        Vec::new()
    }
}

/// What was seen of the calls that ended within a short time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Window {
    /// How many calls could be under way at once.
    pub limit: f64,
    /// Whether at least half as many were, or one was refused: otherwise more would not have been asked for.
    pub is_used: bool,
    /// How long the calls took, in the median.
    pub latency: Duration,
    /// How long such calls take when they wait for nothing.
    pub baseline: Duration,
    /// How many calls ended, those that were dropped among them.
    pub calls: u64,
    /// How many of them ended because of too much load, such as by a timeout.
    pub dropped: u64,
}

impl Window {
    /// Makes a window of a limit that is used, in which nothing was dropped; to try an algorithm.
    pub fn new(limit: f64, latency: Duration, baseline: Duration) -> Self {
        Self {
            limit,
            is_used: true,
            latency,
            baseline,
            calls: 100,
            dropped: 0,
        }
    }

    /// Returns whether a tenth or more of the calls were dropped.
    pub fn is_dropping(&self) -> bool {
        self.dropped * 10 >= self.calls.max(1)
    }

    /// Returns how many times the baseline calls take.
    pub fn stretch(&self) -> f64 {
        self.latency.as_secs_f64() / self.baseline.as_secs_f64().max(1e-9)
    }
}

/// Adds one while all is well, and takes a share away when it is not: additive increase, multiplicative decrease.
///
/// As congestion control in TCP has it ([Chiu and Jain, 1989](https://doi.org/10.1016/0169-7552(89)90019-6)), and
/// `AIMDLimit` of [Netflix/concurrency-limits](https://github.com/Netflix/concurrency-limits). All is well while calls take
/// at most `tolerance` times the baseline and fewer than a tenth are dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Aimd {
    /// What is left of the limit when it is lowered, from 0.5 to 0.99. Default 0.9.
    pub backoff: f64,
    /// How many times the baseline calls may take, from 1.1 to 10. Default 2.
    pub tolerance: f64,
}

impl Default for Aimd {
    fn default() -> Self {
        Self {
            backoff: 0.9,
            tolerance: 2.0,
        }
    }
}

impl LimitAlgorithm for Aimd {
    fn next_limit(&self, seen: &Window) -> f64 {
        if seen.is_dropping() || seen.stretch() > self.tolerance {
            seen.limit * self.backoff
        } else if seen.is_used {
            seen.limit + 1.0
        } else {
            seen.limit
        }
    }

    fn objections(&self, key: &str) -> Vec<InvalidSetting> {
        outside(
            key,
            [
                ("backoff", self.backoff, 0.5, 0.99),
                ("tolerance", self.tolerance, 1.1, 10.0),
            ],
        )
    }
}

/// Follows the ratio of the baseline to how long calls take, and leaves room for a short queue.
///
/// `limit × gradient + √limit`, smoothed, with `gradient = tolerance × baseline / latency` between 0.5 and 1: `Gradient2Limit`
/// of [Netflix/concurrency-limits](https://github.com/Netflix/concurrency-limits), with the headroom of
/// [Envoy's adaptive concurrency](https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter).
/// When the queue is as long as the room for it, the limit stays: with 100 calls under way at 1.67 times the baseline.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Gradient2 {
    /// How many times the baseline calls may take before the limit is lowered, from 1.1 to 10. Default 1.5.
    pub tolerance: f64,
    /// How much of the new limit is taken over in one window, from 0.05 to 1. Default 0.2.
    pub smoothing: f64,
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self {
            tolerance: 1.5,
            smoothing: 0.2,
        }
    }
}

impl LimitAlgorithm for Gradient2 {
    fn next_limit(&self, seen: &Window) -> f64 {
        let gradient = if seen.is_dropping() {
            0.5
        } else {
            (self.tolerance / seen.stretch()).clamp(0.5, 1.0)
        };
        let next = seen.limit * gradient + seen.limit.sqrt();
        let next = seen.limit + (next - seen.limit) * self.smoothing;
        // Nobody knows whether there is room for more than was asked for.
        if seen.is_used { next } else { next.min(seen.limit) }
    }

    fn objections(&self, key: &str) -> Vec<InvalidSetting> {
        outside(
            key,
            [
                ("tolerance", self.tolerance, 1.1, 10.0),
                ("smoothing", self.smoothing, 0.05, 1.0),
            ],
        )
    }
}

fn outside<const N: usize>(key: &str, settings: [(&str, f64, f64, f64); N]) -> Vec<InvalidSetting> {
    let wrong = settings
        .into_iter()
        .filter(|(_, found, least, most)| !(least..=most).contains(&found));
    wrong
        .map(|(name, found, least, most)| {
            InvalidSetting::new(
                format!("{key}.{name}"),
                format!("{found}"),
                format!("from {least} to {most}"),
            )
        })
        .collect()
}
