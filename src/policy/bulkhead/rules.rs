use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;

use super::config::BulkheadConfig;
use super::snapshot::{Load, Snapshot};
use crate::base::Counters;
use crate::base::clock::nanos_of;
use crate::base::error::InvalidSettings;
use crate::base::events::{Change, Events};
use crate::base::inventory::Entry;
use crate::base::live::Live;
use crate::base::places::Places;
use crate::base::refusal::{Reason, Refusal};
use crate::base::sync::atomic::{AtomicU64, Ordering};

pub(super) const KIND: &str = "bulkhead";

/// What all places of one handle have in common: settings, and the counts of what happened.
#[derive(Debug)]
pub(super) struct Rules {
    name: SmolStr,
    settings: Live<BulkheadConfig>,
    counts: Counters<5>,
    /// Nanoseconds that callers have waited, all together and the longest.
    queue_time: AtomicU64,
    longest_wait: AtomicU64,
}

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Count {
    /// Calls that were let in.
    Calls,
    Refused,
    /// Those of the refused who had waited as long as they may.
    TimedOut,
    /// Callers who gave up: waiting, ready, or with their call under way.
    Cancelled,
    /// Callers who had to wait, whatever came of it.
    Waited,
}

impl Rules {
    pub(super) fn new(name: SmolStr, config: BulkheadConfig) -> Result<Self, InvalidSettings> {
        Ok(Self {
            settings: Live::new(&name, config)?,
            name,
            counts: Counters::default(),
            queue_time: AtomicU64::new(0),
            longest_wait: AtomicU64::new(0),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn config(&self) -> Arc<BulkheadConfig> {
        self.settings.load()
    }

    #[inline]
    pub(super) fn count(&self, count: Count) {
        self.counts.add(count as usize);
    }

    fn sum(&self, count: Count) -> u64 {
        self.counts.sum_of(count as usize)
    }

    /// Makes the refusal of one call, and counts it.
    #[cold]
    pub(super) fn refuse(&self, reason: Reason) -> Refusal {
        self.count(Count::Refused);
        if matches!(reason, Reason::BulkheadFull { waited } if !waited.is_zero()) {
            self.count(Count::TimedOut);
        }
        Refusal::new(KIND, self.name.clone(), reason)
    }

    /// Takes note that somebody waited for so long.
    pub(super) fn waited(&self, time: Duration) {
        self.count(Count::Waited);
        self.queue_time.fetch_add(nanos_of(time), Ordering::Relaxed);
        self.longest_wait.fetch_max(nanos_of(time), Ordering::Relaxed);
    }

    /// Puts changed settings in force, unless one is wrong; `apply` does so elsewhere before anybody can change them again.
    pub(super) fn reconfigure(
        &self,
        change: impl FnOnce(&mut BulkheadConfig),
        apply: impl FnOnce(&BulkheadConfig),
    ) -> Result<(), InvalidSettings> {
        self.settings.change(&self.name, change, apply)
    }

    /// Tells that settings have changed.
    pub(super) fn announce(&self, events: &Events) {
        events.emit(KIND, &self.name, Change::Settings);
    }

    pub(super) fn snapshot(&self, places: &Places) -> Snapshot {
        let config = self.config();
        let (in_flight, queued) = places.look();
        let time = |nanos: &AtomicU64| Duration::from_nanos(nanos.load(Ordering::Relaxed));
        Snapshot {
            concurrent: config.concurrent as usize,
            in_flight,
            queue: config.most_waiting(),
            queued,
            waited: self.sum(Count::Waited),
            queue_time: time(&self.queue_time),
            longest_wait: time(&self.longest_wait),
        }
    }

    pub(super) fn describe(&self, load: &Load) -> Entry {
        let config = self.config();
        let micros = self.queue_time.load(Ordering::Relaxed) / 1000;
        Entry::new(KIND, &*self.name, load.state())
            .setting("concurrent", config.concurrent)
            .setting("queue", config.queue)
            .setting("wait", format!("{:?}", config.wait))
            .setting("in_flight", load.in_flight)
            .setting("queued", load.queued)
            .setting("saturation", format!("{:.0}%", load.saturation * 100.0))
            .saturation(load.saturation)
            .counter("calls", self.sum(Count::Calls))
            .counter("refused", self.sum(Count::Refused))
            .counter("timed_out", self.sum(Count::TimedOut))
            .counter("cancelled", self.sum(Count::Cancelled))
            .counter("waited", self.sum(Count::Waited))
            .counter("queue_time_us", micros)
    }
}
