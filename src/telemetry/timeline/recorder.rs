use std::fmt::{self, Write};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};

use super::entry::{DETAIL, Entry, What, taken_apart};
use super::file::TimelineFile;
use super::refusals::Refusals;
use super::render;
use super::ring::{Ring, SLOTS};
use super::text::Text;
use super::writer::FileWriter;
use crate::base::clock::Clock;
use crate::base::events::Event;
use crate::base::inventory::{self, Describe, Inventory};
use crate::base::request::RequestEnded;
use crate::base::ticks::Ticks;
use crate::telemetry::names;

/// The most entries that one dump writes to the log.
const MOST_DUMPED: u64 = 100;

/// The most entries that are copied at a time, while whoever records waits.
const COPIED: u64 = 64;

/// The most panics of one second that have an entry of their own.
const PANICS: u64 = 4;

/// The longest wait for the last entries to reach the log and the file.
pub(crate) const LAST_ENTRIES: Duration = Duration::from_millis(200);

/// Keeps the last changes of one service in memory of a fixed size.
///
/// Clones share it.
#[derive(Clone)]
pub(crate) struct FlightRecorder(Arc<Shared>);

pub(super) struct Shared {
    service: Arc<str>,
    clock: Clock,
    start: Ticks,
    ring: Arc<Mutex<Ring>>,
    /// Before which number everything has been in the log, or will never be.
    dumped: AtomicU64,
    /// Panics since the last look.
    panics: AtomicU64,
    refusals: Mutex<Refusals>,
    file: OnceLock<FileWriter>,
}

impl FlightRecorder {
    pub(crate) fn new(service: Arc<str>) -> Self {
        let clock = Clock::default();
        Self(Arc::new(Shared {
            service,
            start: clock.ticks(),
            clock,
            ring: Arc::new(Mutex::new(Ring::new(SLOTS))),
            dumped: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            refusals: Mutex::default(),
            file: OnceLock::new(),
        }))
    }

    /// Records what happened to something, and why; allocates nothing.
    pub(super) fn record(&self, kind: &'static str, name: &str, what: What, detail: &str) {
        let Shared { clock, start, ring, .. } = &*self.0;
        let mut ring = lock(ring);
        // Under the lock, so that times are in the order of the numbers.
        let (at, time) = (clock.ticks().since(*start), clock.unix_time());
        ring.push(|entry| {
            (entry.at, entry.time, entry.kind, entry.what) = (at, time, kind, what);
            entry.name.set(name);
            entry.detail.set(detail);
        });
    }

    pub(crate) fn event(&self, event: &Event<'_>) {
        let (what, detail) = taken_apart(&event.change);
        self.record(event.kind, event.name, what, detail);
    }

    /// Records a request that a panic ended; of all others the counters tell.
    pub(crate) fn request(&self, request: &RequestEnded<'_>) {
        if request.error == Some("panic") && self.takes_panic() {
            let (result, took) = ("panic", request.took);
            self.record(
                "request",
                request.route,
                What::Finished { result, took },
                request.method,
            );
        }
    }

    /// Records where a thread panicked, and never what it said, which may be secret.
    pub(super) fn panicked(&self, thread: &str, location: fmt::Arguments<'_>) {
        if self.takes_panic() {
            let mut detail = Text::<DETAIL>::default();
            let _ = detail.write_fmt(location);
            self.record("panic", thread, What::Word("panicked"), detail.as_str());
        }
    }

    /// Counts a panic, and tells whether it gets an entry, so that endless panics leave something else in the ring.
    fn takes_panic(&self) -> bool {
        self.0.panics.fetch_add(1, Ordering::Relaxed) < PANICS
    }

    /// Records what was refused since the last look; for once a second, as calls themselves record nothing.
    pub(crate) fn look(&self, inventory: &Inventory) {
        let panics = self.0.panics.swap(0, Ordering::Relaxed);
        if panics > PANICS {
            let detail = format!("{} more panics", panics - PANICS);
            self.record("panic", "", What::Word("counted"), &detail);
        }
        // What describes itself may be the user's.
        let Ok(entries) = catch_unwind(AssertUnwindSafe(|| inventory.entries())) else {
            return;
        };
        let at = self.0.clock.ticks().since(self.0.start);
        for told in lock(&self.0.refusals).look(entries, at, &self.0.service) {
            self.record(told.kind, &told.name, What::Word("counted"), &told.detail);
        }
    }

    /// Writes further entries to a file too, on a thread of its own.
    pub(crate) fn write_to(&self, file: TimelineFile) -> io::Result<()> {
        let (shared, ring) = (&*self.0, Arc::clone(&self.0.ring));
        let header = json!({
            "service": *shared.service,
            "pid": std::process::id(),
            "time": render::time(shared.clock.unix_time()).to_string(),
        });
        let writer = FileWriter::spawn(file.with_header(header), ring)?;
        let _ = shared.file.set(writer);
        Ok(())
    }

    /// Records that the service has begun.
    pub(crate) fn began(&self, detail: &str) {
        self.record("service", &self.0.service, What::Word("serving"), detail);
    }

    /// Records that the service has ended, dumps unless it ended well, and waits a little for the file.
    pub(crate) fn ended(&self, exit_code: u8, detail: &str) {
        self.record("service", &self.0.service, What::Word("stopped"), detail);
        if exit_code != 0 {
            self.dump("unclean end", super::panics::not_dumped());
        }
        self.flush();
    }

    /// Waits a little until all that is recorded by now is in the file, if there is one; returns whether it is.
    pub(super) fn flush(&self) -> bool {
        let (recorded, _) = self.counts();
        let file = self.0.file.get();
        file.is_none_or(|file| file.flush(LAST_ENTRIES, recorded))
    }

    /// Writes the entries since the last dump to the log, at the most the last 100, one a line.
    pub(super) fn dump(&self, why: &str, panics_not_dumped: u64) {
        let recorded = lock(&self.0.ring).recorded();
        let undumped = self.0.dumped.fetch_max(recorded, Ordering::Relaxed);
        let entries = self.entries(undumped.max(recorded.saturating_sub(MOST_DUMPED)), recorded);
        let (service, count) = (&*self.0.service, entries.len() as u64);
        let left_out = recorded.saturating_sub(undumped + count);
        tracing::warn!(
            target: names::TIMELINE_LOG,
            service, why, entries = count, left_out, panics_not_dumped, "what happened before"
        );
        for entry in &entries {
            tracing::warn!(target: names::TIMELINE_LOG, "{}", render::line(entry));
        }
    }

    /// Returns everything that is still there, oldest first.
    pub(crate) fn json(&self) -> Value {
        let entries = self.entries(0, u64::MAX);
        let (recorded, overwritten) = self.counts();
        json!({
            "service": *self.0.service,
            "slots": SLOTS,
            "recorded": recorded,
            "overwritten": overwritten,
            "entries": entries.iter().map(render::object).collect::<Vec<_>>(),
        })
    }

    /// Returns the same for people, one entry a line.
    pub(crate) fn text(&self) -> String {
        let entries = self.entries(0, u64::MAX);
        let (recorded, overwritten) = self.counts();
        let mut text = String::new();
        render::push(&mut text, "# ", &self.0.service);
        text += &format!(": {recorded} recorded, {overwritten} of them overwritten\n");
        for entry in &entries {
            text += &render::line(entry);
            text.push('\n');
        }
        text
    }

    pub(super) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    pub(super) fn upgrade(shared: &Weak<Shared>) -> Option<Self> {
        shared.upgrade().map(Self)
    }

    fn counts(&self) -> (u64, u64) {
        let ring = lock(&self.0.ring);
        (ring.recorded(), ring.overwritten())
    }

    fn entries(&self, from: u64, until: u64) -> Vec<Entry> {
        let until = until.min(lock(&self.0.ring).recorded());
        let mut entries = Vec::new();
        let mut next = from;
        while let Some(last) = copy(&self.0.ring, next, until, &mut entries) {
            next = last + 1;
        }
        entries
    }
}

/// Copies a few entries from number `from` on and before `until`, and returns the last one's number.
pub(super) fn copy(ring: &Mutex<Ring>, from: u64, until: u64, into: &mut Vec<Entry>) -> Option<u64> {
    let mut copied = Vec::with_capacity(COPIED as usize);
    lock(ring).copy(from, until, &mut copied);
    let last = copied.last().map(|entry| entry.seq);
    into.append(&mut copied);
    last
}

/// Locks, also when somebody panicked while it was locked: an entry is whole or will be overwritten.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Describe for FlightRecorder {
    fn describe(&self) -> inventory::Entry {
        let (recorded, overwritten) = self.counts();
        let file = self.0.file.get().map(FileWriter::status).unwrap_or_default();
        inventory::Entry::new("recorder", "timeline", file.state)
            .setting("slots", SLOTS)
            .setting("file", file.path)
            .counter("recorded", recorded)
            .counter("overwritten", overwritten)
            .counter("unwritten", file.unwritten)
    }
}

impl fmt::Debug for FlightRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlightRecorder")
    }
}
