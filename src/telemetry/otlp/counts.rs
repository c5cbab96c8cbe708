use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::inventory::Entry;

/// What became of the spans that have ended: they wait, were exported, or were dropped.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) ended: AtomicU64,
    pub(super) exported: AtomicU64,
    /// The queue was full.
    pub(super) queue_full: AtomicU64,
    /// The collector did not take them.
    pub(super) export_failed: AtomicU64,
    /// Whether a layer has been given out.
    pub(super) on: AtomicBool,
    /// Whether the last export failed.
    pub(super) failing: AtomicBool,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64, spans: usize) {
        counter.fetch_add(spans as u64, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> &'static str {
        match (self.on.load(Ordering::Relaxed), self.failing.load(Ordering::Relaxed)) {
            (false, _) => "off",
            (true, false) => EXPORTING,
            (true, true) => FAILING,
        }
    }

    pub(super) fn describe(&self, entry: Entry) -> Entry {
        let counter = |entry: Entry, key, counter: &AtomicU64| entry.counter(key, counter.load(Ordering::Relaxed));
        // What has become of spans first, so that never more of them are told than have ended.
        let entry = counter(entry, "exported", &self.exported);
        let entry = counter(entry, "dropped_queue_full", &self.queue_full);
        let entry = counter(entry, "dropped_export_failed", &self.export_failed);
        counter(entry, "ended", &self.ended)
    }
}

pub(super) const EXPORTING: &str = "exporting";
pub(super) const FAILING: &str = "failing";
