use std::time::Duration;

use super::algorithm::Window;
use super::config::AdaptiveConfig;
use super::latency::Sample;
use crate::base::ticks::Ticks;

/// Finds the limit, and guards what it is found by.
///
/// The baseline falls when calls are faster in two windows running. It never rises because calls are slow: whether the
/// load is the reason is found out by letting in so few, for a moment, that they cannot wait for each other.
#[derive(Debug)]
pub(super) struct Engine {
    limit: f64,
    baseline: Option<Duration>,
    latency: Option<Duration>,
    phase: Phase,
    /// Since when, and from which limit on, calls have taken longer than the baseline.
    doubt: Option<(Ticks, f64)>,
    /// When the window began.
    began: Ticks,
    /// When a probe is given up.
    gives_up: Ticks,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Nothing has been too slow yet: the limit doubles.
    Starting,
    Steady,
    /// Waits until no more calls are under way than a probe allows; the limit that holds afterwards.
    Draining(f64),
    /// Looks how long calls take that wait for nothing.
    Probing(f64),
}

/// How busy it is at the end of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) in_flight: usize,
    /// Whether a call was refused in this window.
    pub(super) refused: bool,
}

/// Fewer calls than this say nothing about a baseline.
const FEWEST: u64 = 5;

impl Engine {
    pub(super) fn new(initial: u32, now: Ticks) -> Self {
        Self {
            limit: f64::from(initial),
            baseline: None,
            latency: None,
            phase: Phase::Starting,
            doubt: None,
            began: now,
            gives_up: Ticks::NEVER,
        }
    }

    /// Returns how many calls may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    pub(super) fn baseline(&self) -> Option<Duration> {
        self.baseline
    }

    pub(super) fn latency(&self) -> Option<Duration> {
        self.latency
    }

    pub(super) fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::Probing(_))
    }

    /// Returns when a call must have begun for its end to be counted: the limit in force has let it in.
    pub(super) fn counted_from(&self) -> Ticks {
        match self.phase {
            Phase::Draining(_) => Ticks::NEVER,
            _ => self.began,
        }
    }

    /// Returns when there can be something to decide at the earliest.
    pub(super) fn due(&self, config: &AdaptiveConfig) -> Ticks {
        match self.phase {
            Phase::Draining(_) => self.began,
            _ => self.began.after(config.window),
        }
    }

    /// Keeps the limit within changed settings.
    pub(super) fn reconfigure(&mut self, config: &AdaptiveConfig) {
        self.limit = within(self.limit, config);
        if let Phase::Draining(resume) | Phase::Probing(resume) = &mut self.phase {
            *resume = within(*resume, config);
        }
    }

    /// Decides if enough has been seen, and returns whether it has: then a new window begins.
    pub(super) fn turn(&mut self, sample: Sample, load: Load, now: Ticks, config: &AdaptiveConfig) -> bool {
        let elapsed = now.since(self.began);
        // Calls that are fast end first: a window lasts long enough for the slower half, too.
        let is_long = elapsed >= config.window.max(sample.latency.unwrap_or_default().saturating_mul(2));
        let has_all = is_long && sample.calls >= u64::from(config.minimum_calls);
        match self.phase {
            Phase::Starting | Phase::Steady if has_all => self.decide(sample, load, elapsed, now, config),
            Phase::Draining(resume) if load.in_flight <= self.limit() => self.phase = Phase::Probing(resume),
            Phase::Probing(resume) if has_all || now >= self.gives_up => {
                if sample.calls >= FEWEST
                    && let Some(latency) = sample.latency
                {
                    self.baseline = Some(latency);
                }
                self.resume(resume);
            }
            Phase::Draining(resume) if now >= self.gives_up => self.resume(resume),
            _ => return false,
        }
        self.began = now;
        true
    }

    fn decide(&mut self, sample: Sample, load: Load, elapsed: Duration, now: Ticks, config: &AdaptiveConfig) {
        let before = self.latency;
        self.latency = sample.latency.or(before);
        let latency = self.latency.unwrap_or(elapsed);
        if let Some(faster) = sample.latency {
            // One window of few calls can be faster by chance.
            let faster = faster.max(before.unwrap_or_default());
            self.baseline = Some(self.baseline.map_or(faster, |baseline| baseline.min(faster)));
        }
        let baseline = self.baseline.unwrap_or(latency);
        let window = Window {
            limit: self.limit,
            is_used: load.refused || load.in_flight as f64 * 2.0 >= self.limit,
            latency,
            baseline,
            calls: sample.calls,
            dropped: sample.dropped,
        };
        self.follow(&window, config);
        if latency <= baseline.mul_f64(1.1) {
            self.doubt = None;
            return;
        }
        let (since, limit) = *self.doubt.get_or_insert((now, window.limit));
        let is_long = now.since(since) >= config.doubt || self.limit * 2.0 <= limit;
        if is_long && window.is_used && self.phase == Phase::Steady {
            // By Little's law no more than this can be under way without waiting, and half of it leaves no doubt.
            let unhurried = sample.calls as f64 / elapsed.as_secs_f64() * baseline.as_secs_f64() / 2.0;
            self.phase = Phase::Draining(self.limit);
            self.limit = within(unhurried, config).min(self.limit);
            self.gives_up = now.after(latency.saturating_mul(8).max(Duration::from_secs(1)));
        }
    }

    fn follow(&mut self, window: &Window, config: &AdaptiveConfig) {
        let next = config.algorithm.next_limit(window);
        let next = if next.is_nan() { self.limit } else { next };
        if self.phase == Phase::Starting && next >= self.limit {
            if window.is_used {
                self.limit = within(self.limit * 2.0, config);
            }
        } else {
            self.phase = Phase::Steady;
            self.limit = within(next, config);
        }
    }

    fn resume(&mut self, limit: f64) {
        self.limit = limit;
        self.phase = Phase::Steady;
        self.doubt = None;
    }
}

fn within(limit: f64, config: &AdaptiveConfig) -> f64 {
    limit.clamp(f64::from(config.min), f64::from(config.max))
}
