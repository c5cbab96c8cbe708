use std::time::Duration;

use crate::base::Counters;
use crate::base::steps;
use crate::base::ticks::nanos_of;

/// The finest step: 64 ns.
const UNIT_BITS: u32 = 6;
/// Whatever takes longer than 2³⁰ units (68.7 s) counts as that.
const MOST: u64 = (1 << 30) - 1;
#[cfg(not(all(test, seaworthy_loom)))]
const STEPS: usize = steps::step_of(MOST) + 1;
/// Fewer, because loom bounds how many atomics there are.
#[cfg(all(test, seaworthy_loom))]
const STEPS: usize = 4;

/// How long calls took, in steps of at most 12.5 % (or 64 ns), and how many were dropped.
#[derive(Debug)]
pub(super) struct Latency {
    counts: Counters<STEPS>,
    dropped: Counters<1>,
}

/// The counts at one moment.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    steps: [u64; STEPS],
    dropped: u64,
}

/// What was counted between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// Those that were dropped among them.
    pub(super) calls: u64,
    pub(super) dropped: u64,
    /// The median of those that were not dropped; `None` if all were.
    pub(super) latency: Option<Duration>,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            steps: [0; STEPS],
            dropped: 0,
        }
    }
}

impl Latency {
    pub(super) fn new() -> Self {
        Self {
            counts: Counters::default(),
            dropped: Counters::default(),
        }
    }

    #[inline]
    pub(super) fn record(&self, took: Duration) {
        let step = steps::step_of((nanos_of(took) >> UNIT_BITS).min(MOST));
        self.counts.add(step.min(STEPS - 1));
    }

    pub(super) fn record_dropped(&self) {
        self.dropped.increment();
    }

    /// Returns what is counted now.
    pub(super) fn counted(&self) -> Counted {
        let mut now = Counted {
            dropped: self.dropped.sum(),
            ..Counted::default()
        };
        for (step, count) in now.steps.iter_mut().enumerate() {
            *count = self.counts.sum_of(step);
        }
        now
    }
}

impl Counted {
    /// Returns what has been counted since `before`, when so many calls that count are still under way.
    pub(super) fn since(&self, before: &Self, unfinished: usize) -> Sample {
        let new: [u64; STEPS] = std::array::from_fn(|step| self.steps[step] - before.steps[step]);
        let dropped = self.dropped - before.dropped;
        Sample {
            calls: new.iter().sum::<u64>() + dropped,
            dropped,
            latency: median(&new, unfinished),
        }
    }
}

/// Returns the median, as if calls were spread evenly over their step. Those that are unfinished will have taken longer
/// than most: to leave them out would make the median less than it is.
fn median(steps: &[u64], unfinished: usize) -> Option<Duration> {
    let half = (steps.iter().sum::<u64>() + unfinished as u64) as f64 / 2.0;
    let mut below = 0.0;
    for (step, count) in steps.iter().map(|count| *count as f64).enumerate() {
        if count > 0.0 && below + count >= half {
            let (begin, end) = (steps::begin_of(step) as f64, steps::begin_of(step + 1) as f64);
            let units = begin + (end - begin) * (half - below) / count;
            return Some(Duration::from_nanos((units * f64::from(1 << UNIT_BITS)) as u64));
        }
        below += count;
    }
    None
}

#[cfg(all(test, not(seaworthy_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_within_a_sixteenth_of_the_true_one_and_no_outlier_moves_it() {
        for micros in [1, 3, 70, 1_000, 12_345, 999_999, 30_000_000] {
            let latency = Latency::new();
            let before = Counted::default();
            for part in 50..=150 {
                latency.record(Duration::from_micros(micros) * part / 100);
            }
            latency.record(Duration::MAX);
            latency.record_dropped();
            let counted = latency.counted();
            let sample = counted.since(&before, 0);
            assert_eq!((sample.calls, sample.dropped), (103, 1));
            let ratio = sample.latency.unwrap().as_secs_f64() * 1e6 / micros as f64;
            assert!(
                (ratio - 1.0).abs() < 1.0 / 16.0 || micros == 1,
                "{ratio} of {micros} µs"
            );
            assert_eq!(latency.counted().since(&counted, 0), Sample::default());
        }
    }

    #[test]
    fn calls_that_are_unfinished_count_as_slow() {
        let latency = Latency::new();
        (1..=60).for_each(|ms| latency.record(Duration::from_millis(ms)));
        let counted = latency.counted();
        let median = |unfinished| counted.since(&Counted::default(), unfinished).latency;
        for (unfinished, true_median) in [(0, 30), (20, 40), (60, 60)] {
            let ratio = median(unfinished).expect("half have ended").as_secs_f64() * 1e3 / f64::from(true_median);
            assert!((ratio - 1.0).abs() < 1.0 / 16.0, "{ratio} with {unfinished} unfinished");
        }
        assert_eq!(median(61), None);
    }
}
