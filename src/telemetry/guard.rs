use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit};

use super::known::Known;
use super::names;

#[cfg(test)]
mod tests;

/// The most series of one metric; those that come later fold into one whose labels say [`names::OTHER`].
pub(super) const MAX_SERIES: usize = 1_000;
/// The same for what is ours: it grows with what is wired, and not with what callers send.
const MAX_SERIES_OF_OURS: usize = 10_000;
/// What is ours, but has OpenTelemetry's name.
const OURS: [&str; 3] = [names::REQUEST_DURATION, names::ACTIVE_REQUESTS, names::ATTEMPT_DURATION];
/// What folds keeps the keys of its labels, in so many sets of them.
const MAX_FOLDED: usize = 10;
/// The most metrics of one type; those that come later are not recorded.
const MAX_METRICS: usize = 1_000;

const METADATA: Metadata<'static> = Metadata::new("seaworthy", Level::INFO, None);

/// A recorder that gives every metric only so many series, however many values a label has.
///
/// A series that is known is found without a lock and without an allocation.
#[derive(Debug)]
pub(super) struct Guard<R> {
    recorder: R,
    counters: Family<Counter>,
    gauges: Family<Gauge>,
    histograms: Family<Histogram>,
}

/// The metrics of one type.
#[derive(Debug)]
struct Family<H> {
    known: Known<Key, H>,
    /// How many series each metric has; whoever adds one holds this.
    series: Mutex<HashMap<KeyName, usize>>,
    /// The metrics that have all they may have, and how often a further one was asked for.
    full: ArcSwap<HashMap<KeyName, Counter>>,
}

impl<R: Recorder> Guard<R> {
    pub(super) fn new(recorder: R) -> Self {
        let text = "Times that a series beyond the cap of its metric was asked for, and folded into `_other`.";
        recorder.describe_counter(names::FOLDED.into(), None, text.into());
        Self {
            recorder,
            counters: Family::new(),
            gauges: Family::new(),
            histograms: Family::new(),
        }
    }
}

impl<R: Recorder> Recorder for Guard<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.recorder.describe_histogram(key, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        let register = |key: &Key| self.recorder.register_counter(key, metadata);
        let found = self.counters.find(key, &self.recorder, register);
        found.unwrap_or_else(Counter::noop)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        let register = |key: &Key| self.recorder.register_gauge(key, metadata);
        let found = self.gauges.find(key, &self.recorder, register);
        found.unwrap_or_else(Gauge::noop)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let register = |key: &Key| self.recorder.register_histogram(key, metadata);
        let found = self.histograms.find(key, &self.recorder, register);
        found.unwrap_or_else(Histogram::noop)
    }
}

impl<H: Clone> Family<H> {
    fn new() -> Self {
        Self {
            known: Known::default(),
            series: Mutex::default(),
            full: ArcSwap::default(),
        }
    }

    /// Returns the handle of a series, or of what it folds into; `None` if its metric is one too many.
    #[inline]
    fn find(&self, key: &Key, recorder: &impl Recorder, register: impl Fn(&Key) -> H) -> Option<H> {
        self.known(key).or_else(|| self.find_new(key, recorder, register))
    }

    #[inline]
    fn known(&self, key: &Key) -> Option<H> {
        let look = self.known.look(key.get_hash());
        look.find(|known| known == key).cloned()
    }

    #[cold]
    fn find_new(&self, key: &Key, recorder: &impl Recorder, register: impl Fn(&Key) -> H) -> Option<H> {
        let cap = max_series(key.name());
        if self.full.load().contains_key(key.name()) {
            // Before it was full another thread may have been quicker.
            if let Some(handle) = self.known(key) {
                return Some(handle);
            }
            self.count_folded(key.name());
        } else {
            match self.add(key, cap, &register) {
                Added::Series(handle) => return Some(handle),
                Added::NoMetric => {
                    folded_counter(recorder, names::OTHER).increment(1);
                    return None;
                }
                Added::NoSeries => self.fill(key, recorder),
            }
        }
        let folded = fold(key);
        if let Some(handle) = self.known(&folded) {
            return Some(handle);
        }
        match self.add(&folded, cap + MAX_FOLDED, &register) {
            Added::Series(handle) => Some(handle),
            // Whoever makes up keys too gets one series for all of them.
            _ => self.add(&Key::from_name(name(key)), usize::MAX, &register).into(),
        }
    }

    /// Registers a series unless its metric has `cap` of them.
    fn add(&self, key: &Key, cap: usize, register: impl Fn(&Key) -> H) -> Added<H> {
        let mut series = self.series();
        // Another thread may have been quicker.
        if let Some(handle) = self.known(key) {
            return Added::Series(handle);
        }
        let count = series.get(key.name()).copied();
        if count.is_none() && series.len() >= MAX_METRICS {
            return Added::NoMetric;
        }
        let count = count.unwrap_or_default();
        if count >= cap {
            return Added::NoSeries;
        }
        let key = key.to_retained();
        let handle = register(&key);
        series.insert(name(&key), count + 1);
        self.known.insert(key.get_hash(), key, handle.clone());
        Added::Series(handle)
    }

    /// Counts one more that folds.
    fn count_folded(&self, name: &str) {
        if let Some(folded) = self.full.load().get(name) {
            folded.increment(1);
        }
    }

    /// Notes that a metric is full, and says so once.
    fn fill(&self, key: &Key, recorder: &impl Recorder) {
        let is_news = {
            let _one_at_a_time = self.series();
            let mut full = HashMap::clone(&self.full.load());
            let counter = folded_counter(recorder, key.name());
            let is_news = full.insert(name(key), counter).is_none();
            self.full.store(full.into());
            is_news
        };
        self.count_folded(key.name());
        if is_news {
            let (metric, series) = (key.name(), max_series(key.name()));
            tracing::warn!(
                target: names::LOG,
                metric,
                series,
                "this metric has as many series as it may have: further values of its labels become `_other`"
            );
        }
    }

    fn series(&self) -> MutexGuard<'_, HashMap<KeyName, usize>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Added<H> {
    Series(H),
    /// The metric has as many as it may have.
    NoSeries,
    /// There are as many metrics as there may be.
    NoMetric,
}

impl<H> From<Added<H>> for Option<H> {
    fn from(added: Added<H>) -> Self {
        match added {
            Added::Series(handle) => Some(handle),
            Added::NoSeries | Added::NoMetric => None,
        }
    }
}

fn max_series(name: &str) -> usize {
    if name.starts_with(names::GAUGE_PREFIX) || OURS.contains(&name) {
        MAX_SERIES_OF_OURS
    } else {
        MAX_SERIES
    }
}

fn name(key: &Key) -> KeyName {
    KeyName::from(key.name().to_owned())
}

/// Returns what a series folds into: all its labels say `_other`.
fn fold(key: &Key) -> Key {
    let labels = key
        .labels()
        .map(|label| Label::new(label.key().to_owned(), names::OTHER));
    Key::from_parts(name(key), labels.collect::<Vec<_>>())
}

fn folded_counter(recorder: &impl Recorder, metric: &str) -> Counter {
    let key = Key::from_parts(names::FOLDED, vec![Label::new("metric", metric.to_owned())]);
    recorder.register_counter(&key, &METADATA)
}
