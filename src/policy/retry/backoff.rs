use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::base::error::InvalidSetting;
use crate::base::ticks::nanos_of;

/// How long to wait before each further attempt.
///
/// The schedule gives a delay, the cap bounds it, and the jitter draws from what that leaves: so no delay ever exceeds
/// the cap. The formulas are those of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use seaworthy::retry::{Backoff, Jitter};
///
/// // 0 to 100 ms, 0 to 200 ms, 0 to 400 ms, … and never more than 2 s.
/// let calm = Backoff::exponential(Duration::from_millis(100)).cap(Duration::from_secs(2));
/// // Exactly 1 s, 2 s and 5 s; then no more.
/// let fixed = Backoff::iterator(|| [1, 2, 5].into_iter().map(Duration::from_secs))
///     .cap(Duration::from_secs(5))
///     .jitter(Jitter::None);
/// # drop((calm, fixed));
/// ```
#[derive(Clone, Debug)]
pub struct Backoff {
    schedule: Schedule,
    cap: Duration,
    jitter: Jitter,
}

/// How chance changes a delay.
///
/// Without it, those who failed together come back together, and fail together again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// The delay as it is.
    None,
    /// Anything from zero to the delay.
    #[default]
    Full,
    /// Anything from half of the delay to all of it.
    Equal,
    /// Anything from the schedule's first delay to three times the last one that was waited, up to the cap.
    ///
    /// How the schedule grows does not matter then, only where it begins and ends.
    Decorrelated,
}

#[derive(Clone)]
enum Schedule {
    Constant(Duration),
    Linear(Duration),
    Exponential(Duration),
    Iterator(Arc<dyn Fn() -> Delays + Send + Sync>),
}

type Delays = Box<dyn Iterator<Item = Duration> + Send>;

/// The longest cap that is accepted.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Backoff {
    /// Waits for the same time before each attempt.
    pub fn constant(delay: Duration) -> Self {
        Self::of(Schedule::Constant(delay))
    }

    /// Waits for `step` before the second attempt, twice that before the third, and so on.
    pub fn linear(step: Duration) -> Self {
        Self::of(Schedule::Linear(step))
    }

    /// Waits for `first` before the second attempt, and twice as long before each further one.
    pub fn exponential(first: Duration) -> Self {
        Self::of(Schedule::Exponential(first))
    }

    /// Waits as any iterator says, which is made anew for each request that needs a second attempt.
    ///
    /// When it ends, so do the attempts. For a declared dependency it is made once more when the `App` is built, which
    /// compares what it gives with the deadline.
    pub fn iterator<I>(delays: impl Fn() -> I + Send + Sync + 'static) -> Self
    where
        I: Iterator<Item = Duration> + Send + 'static,
    {
        Self::of(Schedule::Iterator(Arc::new(move || Box::new(delays()))))
    }

    fn of(schedule: Schedule) -> Self {
        Self {
            schedule,
            cap: Duration::from_secs(1),
            jitter: Jitter::default(),
        }
    }

    /// The longest delay, jitter included; up to 24 h. Default 1 s.
    #[must_use]
    pub fn cap(mut self, cap: Duration) -> Self {
        self.cap = cap;
        self
    }

    /// How chance changes the delays. Default [`Jitter::Full`].
    #[must_use]
    pub fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Returns the longest delays that chance can bring, one after another.
    pub(crate) fn longest(&self) -> impl Iterator<Item = Duration> + '_ {
        let mut sequence = Sequence::default();
        std::iter::from_fn(move || sequence.next(self, 1.0))
    }

    pub(super) fn validate(&self, key: &str, wrong: &mut Vec<InvalidSetting>) {
        let mut refuse = |part: &str, found: Duration, allowed: String| {
            wrong.push(InvalidSetting::new(
                format!("{key}.{part}"),
                format!("{found:?}"),
                allowed,
            ));
        };
        if self.cap > LONGEST {
            refuse("cap", self.cap, format!("from 0ns to {LONGEST:?}"));
        }
        let first = match self.schedule {
            Schedule::Constant(first) | Schedule::Linear(first) | Schedule::Exponential(first) => first,
            Schedule::Iterator(_) => Duration::ZERO,
        };
        if first > self.cap {
            let allowed = format!("at most `cap` ({:?}), which bounds every delay", self.cap);
            refuse("first", first, allowed);
        }
    }
}

impl Default for Backoff {
    /// 50 ms, doubling up to 1 s, with full jitter.
    fn default() -> Self {
        Self::exponential(Duration::from_millis(50))
    }
}

impl fmt::Display for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schedule {
            Schedule::Constant(delay) => write!(f, "{delay:?}")?,
            Schedule::Linear(step) => write!(f, "{step:?}, linear")?,
            Schedule::Exponential(first) => write!(f, "{first:?}, doubling")?,
            Schedule::Iterator(_) => f.write_str("as an iterator says")?,
        }
        write!(f, ", at most {:?}, jitter {}", self.cap, self.jitter.label())
    }
}

impl Jitter {
    fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Full => "full",
            Self::Equal => "equal",
            Self::Decorrelated => "decorrelated",
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(delay) => f.debug_tuple("Constant").field(delay).finish(),
            Self::Linear(step) => f.debug_tuple("Linear").field(step).finish(),
            Self::Exponential(first) => f.debug_tuple("Exponential").field(first).finish(),
            Self::Iterator(_) => f.write_str("Iterator(..)"),
        }
    }
}

/// The delays of one request, one after another.
#[derive(Default)]
pub(super) struct Sequence {
    drawn: u32,
    iterator: Option<Delays>,
    first: Duration,
    last: Duration,
}

impl Sequence {
    /// Returns the next delay, or `None` if the schedule has ended; `chance` is from 0 up to, but not including, 1.
    pub(super) fn next(&mut self, backoff: &Backoff, chance: f64) -> Option<Duration> {
        let planned = self.planned(&backoff.schedule)?;
        if self.drawn == 0 {
            self.first = planned;
            self.last = planned;
        }
        self.drawn = self.drawn.saturating_add(1);
        let planned = planned.min(backoff.cap);
        let delay = match backoff.jitter {
            Jitter::None => planned,
            Jitter::Full => between(Duration::ZERO, planned, chance),
            Jitter::Equal => between(planned / 2, planned, chance),
            Jitter::Decorrelated => between(self.first, self.last.saturating_mul(3), chance),
        };
        self.last = delay.min(backoff.cap);
        Some(self.last)
    }

    fn planned(&mut self, schedule: &Schedule) -> Option<Duration> {
        match schedule {
            Schedule::Constant(delay) => Some(*delay),
            Schedule::Linear(step) => Some(step.saturating_mul(self.drawn.saturating_add(1))),
            Schedule::Exponential(first) => Some(first.saturating_mul(2u32.saturating_pow(self.drawn))),
            Schedule::Iterator(make) => self.iterator.get_or_insert_with(|| make()).next(),
        }
    }
}

/// Returns the point `chance` of the way from one to the other; nanoseconds, of which 584 years are the most.
fn between(low: Duration, high: Duration, chance: f64) -> Duration {
    let (low, high) = (nanos_of(low), nanos_of(high));
    let way = high.saturating_sub(low) as f64 * chance;
    Duration::from_nanos(low.saturating_add(way as u64))
}
