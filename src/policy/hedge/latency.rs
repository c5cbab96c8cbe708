use std::time::Duration;

use crate::base::steps;
use crate::base::stripe::Padded;
use crate::base::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::base::sync::{Mutex, lock};
use crate::base::ticks::{Ticks, nanos_of};

/// How many parts of the window there are; one is being filled.
pub(super) const PARTS: usize = 3;
/// How long each of them is filled.
pub(super) const PART: Duration = Duration::from_secs(10);

/// The finest step: 65.5 µs, as a delay is at least 1 ms.
const UNIT_BITS: u32 = 16;
/// Whatever takes longer than 2²⁰ units (68.7 s) counts as that: no delay is longer than 60 s.
#[cfg(not(all(test, seaworthy_loom)))]
const MOST: u64 = (1 << 20) - 1;
/// Less, because loom tries every order in which counts can be touched.
#[cfg(all(test, seaworthy_loom))]
const MOST: u64 = 1;
const STEPS: usize = step_of(MOST << UNIT_BITS) + 1;

/// How long recent calls took: those of the last 20 to 30 s, in steps of at most 12.5 %.
///
/// A histogram for each part of the window, and each stripe of its own. A thread that is held up between the two may
/// count its call in a part that has just been cleared: one call among those that a percentile needs.
#[derive(Debug)]
pub(super) struct Latency {
    /// The number of the part that is being filled.
    newest: AtomicU64,
    turning: Mutex<()>,
    stripes: Box<[Padded<[Part; PARTS]>]>,
}

#[derive(Debug)]
struct Part([AtomicU32; STEPS]);

impl Default for Part {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

impl Latency {
    pub(super) fn new(stripes: usize, now: Ticks) -> Self {
        Self {
            newest: AtomicU64::new(number_at(now)),
            turning: Mutex::new(()),
            stripes: (0..stripes).map(|_| Padded::default()).collect(),
        }
    }

    /// Takes a call that took so long.
    #[inline]
    pub(super) fn record(&self, stripe: usize, took: Duration, now: Ticks) {
        self.turn(now);
        self.count(stripe, step_of(nanos_of(took)));
    }

    /// Takes a call that took no time worth a look at the clock; so it is counted in whichever part is the newest.
    #[inline]
    pub(super) fn record_at_once(&self, stripe: usize) {
        self.count(stripe, 0);
    }

    /// Returns what `percent` of recent calls took at most, rounded up by 12.5 % at most (or to 65.5 µs); `None` if fewer
    /// than `least` are known.
    pub(super) fn percentile(&self, percent: u8, least: u32, now: Ticks) -> Option<Duration> {
        self.turn(now);
        let mut sums = [0; STEPS];
        for part in self.stripes.iter().flat_map(|stripe| &stripe.0) {
            for (sum, count) in sums.iter_mut().zip(&part.0) {
                *sum += u64::from(count.load(Ordering::Relaxed));
            }
        }
        let calls: u64 = sums.iter().sum();
        if calls < u64::from(least.max(1)) {
            return None;
        }
        let rank = (calls * u64::from(percent)).div_ceil(100);
        let mut below = 0;
        let step = sums.iter().position(|count| {
            below += count;
            below >= rank
        });
        step.map(end_of)
    }

    #[inline]
    fn count(&self, stripe: usize, step: usize) {
        let newest = self.newest.load(Ordering::Acquire);
        let part = &self.stripes[stripe].0[index(newest)];
        part.0[step].fetch_add(1, Ordering::Relaxed);
    }

    /// Clears the parts whose time has come.
    #[inline]
    fn turn(&self, now: Ticks) {
        let number = number_at(now);
        if number > self.newest.load(Ordering::Acquire) {
            self.turn_slowly(number);
        }
    }

    #[cold]
    fn turn_slowly(&self, number: u64) {
        let _turning = lock(&self.turning);
        let newest = self.newest.load(Ordering::Relaxed);
        let steps = number.saturating_sub(newest).min(PARTS as u64);
        for number in (number + 1 - steps)..=number {
            for stripe in &self.stripes {
                for count in &stripe.0[index(number)].0 {
                    count.store(0, Ordering::Relaxed);
                }
            }
        }
        // Last, so that whoever reads it finds its part cleared.
        self.newest.store(number.max(newest), Ordering::Release);
    }
}

fn number_at(now: Ticks) -> u64 {
    now.0 / nanos_of(PART)
}

fn index(number: u64) -> usize {
    (number % PARTS as u64) as usize
}

/// Returns the step that holds so many nanoseconds.
const fn step_of(nanos: u64) -> usize {
    let units = nanos >> UNIT_BITS;
    steps::step_of(if units < MOST { units } else { MOST })
}

/// Returns where a step ends, which is where the next one begins.
fn end_of(step: usize) -> Duration {
    Duration::from_nanos(steps::begin_of(step + 1) << UNIT_BITS)
}
