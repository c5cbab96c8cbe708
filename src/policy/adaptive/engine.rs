use std::time::Duration;

use super::algorithm::Window;
use super::config::AdaptiveConfig;
use super::latency::Sample;
use crate::base::ticks::Ticks;

/// Finds the limit, and guards what it is found by.
///
/// The baseline is the median of the first few hundred calls. It falls when as many are clearly faster, and never rises
/// because calls are slow: whether the load is the reason is found out by letting in so few, for a moment, that they
/// cannot wait for each other.
#[derive(Debug)]
pub(super) struct Engine {
    limit: f64,
    baseline: Option<Duration>,
    /// Whether the baseline is of enough calls, and whether the last probe has found the same.
    is_known: bool,
    is_confirmed: bool,
    latency: Option<Duration>,
    phase: Phase,
    /// Since when, and from which limit on, calls have taken longer than the baseline.
    doubt: Option<(Ticks, f64)>,
    /// When the window began.
    began: Ticks,
    /// When a probe is given up, and how many have been since one was not.
    gives_up: Ticks,
    misses: u32,
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

/// What has been seen enough of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    /// A window.
    Window,
    /// A window, and all that says something about the baseline.
    All,
}

/// So many calls say what a baseline is: the median of as many is wrong by a fourteenth in two of three cases, if
/// their times are spread exponentially.
const MANY: u64 = 400;
/// So many are wanted in a probe.
const PROBED: u64 = 50;
/// The longest that is waited for calls to end, or for enough of them.
const MOST: Duration = Duration::from_secs(10);
/// What is faster by less than that is so by chance.
const CLEARLY: f64 = 1.2;
/// Between a probe and the baseline, of which the first has few calls, chance can make as much of a difference.
const SAME: f64 = 1.5;

impl Engine {
    pub(super) fn new(config: &AdaptiveConfig, now: Ticks) -> Self {
        Self {
            limit: within(config.initial.into(), config),
            baseline: None,
            is_known: false,
            is_confirmed: false,
            latency: None,
            phase: Phase::Starting,
            doubt: None,
            began: now,
            gives_up: Ticks::NEVER,
            misses: 0,
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

    /// Returns whether what calls take does not count now.
    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining(_))
    }

    /// Returns whether more calls are under way than a probe allows, and there is time for them to end.
    pub(super) fn drains_on(&self, load: Load, now: Ticks) -> bool {
        self.is_draining() && load.in_flight > self.limit() && now < self.gives_up
    }

    pub(super) fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::Draining(_) | Phase::Probing(_))
    }

    /// Returns when a call must have begun for its time to be counted: a probe counts those that it has let in.
    pub(super) fn counted_from(&self) -> Ticks {
        match self.phase {
            Phase::Starting | Phase::Steady => Ticks(0),
            Phase::Draining(_) => Ticks::NEVER,
            Phase::Probing(_) => self.began,
        }
    }

    /// Returns when there can be something to decide at the earliest.
    pub(super) fn due(&self, config: &AdaptiveConfig) -> Ticks {
        if self.is_draining() {
            self.began
        } else {
            self.began.after(config.window)
        }
    }

    /// Keeps the limit within changed settings.
    pub(super) fn reconfigure(&mut self, config: &AdaptiveConfig) {
        self.limit = within(self.limit, config);
        if let Phase::Draining(resume) | Phase::Probing(resume) = &mut self.phase {
            *resume = within(*resume, config);
        }
    }

    /// Decides if enough has been seen of a window; `long` is of all windows since the baseline was last looked at.
    pub(super) fn turn(
        &mut self,
        window: Sample,
        long: Sample,
        load: Load,
        now: Ticks,
        config: &AdaptiveConfig,
    ) -> Turn {
        let elapsed = now.since(self.began);
        // Calls that are fast end first: a window lasts long enough for the slower half, too.
        let is_long = elapsed >= config.window.max(window.latency.unwrap_or_default().saturating_mul(2));
        let wanted = u64::from(config.minimum_calls);
        let has = |calls: u64| is_long && window.calls >= calls;
        let turn = match self.phase {
            Phase::Starting | Phase::Steady if has(wanted) => {
                let is_baseline_due = self.look_at_baseline(window, long, self.is_used(load));
                self.decide(window, load, elapsed, now, config);
                if is_baseline_due { Turn::All } else { Turn::Window }
            }
            Phase::Draining(resume) if load.in_flight <= self.limit() => {
                self.phase = Phase::Probing(resume);
                self.give_up_after(PROBED, now);
                Turn::All
            }
            Phase::Probing(resume) if has(PROBED.min(wanted)) || now >= self.gives_up => {
                let latency = window.latency.filter(|_| window.calls * 2 >= PROBED.min(wanted));
                self.found(latency, resume, now);
                Turn::All
            }
            Phase::Draining(resume) if now >= self.gives_up => {
                self.missed(resume);
                Turn::All
            }
            _ => return Turn::Nothing,
        };
        self.began = now;
        turn
    }

    /// Returns whether there were enough calls to see whether the baseline is lower.
    fn look_at_baseline(&mut self, window: Sample, long: Sample, is_used: bool) -> bool {
        let is_enough = long.calls - long.dropped >= MANY;
        let lower = |one: Duration, other: Option<Duration>| Some(other.map_or(one, |other| one.min(other)));
        match (self.is_known, window.latency, long.latency) {
            (true, _, Some(latency)) if is_enough => self.baseline = lower(latency.mul_f64(CLEARLY), self.baseline),
            (false, _, Some(latency)) if is_enough => {
                // The fastest of some windows is faster than most by chance.
                self.baseline = lower(latency, self.baseline.map(|fastest| fastest.mul_f64(CLEARLY * CLEARLY)));
                self.is_known = true;
                // Where there was little to do, nobody waited.
                self.is_confirmed = !is_used;
            }
            (false, Some(latency), _) => self.baseline = lower(latency, self.baseline),
            _ => {}
        }
        is_enough
    }

    fn decide(&mut self, sample: Sample, load: Load, elapsed: Duration, now: Ticks, config: &AdaptiveConfig) {
        self.latency = sample.latency.or(self.latency);
        let latency = self.latency.unwrap_or(elapsed);
        let baseline = self.baseline.unwrap_or(latency);
        let window = Window {
            limit: self.limit,
            is_used: self.is_used(load),
            latency,
            baseline,
            calls: sample.calls,
            dropped: sample.dropped,
        };
        self.follow(&window, config);
        if latency <= baseline.mul_f64(CLEARLY) {
            self.doubt = None;
            return;
        }
        // In a window that was long because nothing came, nobody waited for so long.
        if elapsed > config.window.max(latency.saturating_mul(2)).saturating_mul(4) {
            self.doubt = None;
        }
        let (since, limit) = *self.doubt.get_or_insert((now, window.limit));
        let doubt = config.doubt.saturating_mul(1 << self.misses);
        let is_long = now.since(since) >= doubt || self.limit * 2.0 <= limit && self.misses == 0;
        if is_long && window.is_used && self.phase == Phase::Steady {
            // By Little's law as many are under way without waiting.
            let unhurried = sample.calls as f64 / elapsed.as_secs_f64() * baseline.as_secs_f64();
            let share = if self.is_confirmed { 0.8 } else { 0.5 };
            self.probe(unhurried * share, self.limit, now);
        }
    }

    /// Lets in no more than `few` for a moment; also if that is less than the settings allow.
    fn probe(&mut self, few: f64, resume: f64, now: Ticks) {
        self.phase = Phase::Draining(resume);
        self.limit = few.clamp(1.0, self.limit);
        self.give_up_after(0, now);
    }

    /// Gives calls, so many of which are wanted, several times the time that they take.
    fn give_up_after(&mut self, calls: u64, now: Ticks) {
        let times = 8 + calls / self.limit().max(1) as u64;
        let time = self.latency.unwrap_or_default().saturating_mul(times as u32);
        self.gives_up = now.after(time.clamp(Duration::from_secs(1), MOST));
    }

    /// Goes on as before. Calls that stay under way for long would hinder the next probe as well: it comes later.
    fn missed(&mut self, limit: f64) {
        self.misses = (self.misses + 1).min(6);
        self.resume(limit);
    }

    /// Takes what calls took in a probe. If that is much less, even fewer may take less still.
    fn found(&mut self, latency: Option<Duration>, resume: f64, now: Ticks) {
        let (Some(latency), Some(baseline)) = (latency, self.baseline) else {
            return self.missed(resume);
        };
        self.misses = 0;
        let ratio = latency.as_secs_f64() / baseline.as_secs_f64().max(1e-9);
        self.is_confirmed = (1.0 / SAME..=SAME).contains(&ratio);
        self.baseline = Some(if self.is_confirmed {
            (baseline + latency) / 2
        } else {
            latency
        });
        if ratio < 1.0 / SAME && self.limit >= 2.0 {
            self.probe(self.limit / 2.0, resume, now);
        } else {
            self.resume(resume);
        }
    }

    fn is_used(&self, load: Load) -> bool {
        load.refused || load.in_flight as f64 * 2.0 >= self.limit
    }

    fn follow(&mut self, window: &Window, config: &AdaptiveConfig) {
        let next = config.algorithm.next_limit(window);
        if next.is_nan() {
            return;
        }
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
