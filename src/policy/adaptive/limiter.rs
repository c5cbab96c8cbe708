use std::sync::TryLockError;
use std::time::Duration;

use smol_str::SmolStr;

use super::config::AdaptiveConfig;
use super::engine::{Engine, Load, Turn};
use super::error::Overloaded;
use super::latency::{Counted, Latency};
use super::snapshot::Snapshot;
use crate::base::Counters;
use crate::base::clock::Clock;
use crate::base::error::InvalidSettings;
use crate::base::inventory::Entry;
use crate::base::live::Live;
use crate::base::outcome::Outcome;
use crate::base::places::{Answer, Places};
use crate::base::refusal::Refusal;
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::sync::{Mutex, MutexGuard, lock};
use crate::base::ticks::{Ticks, nanos_of};

pub(super) const KIND: &str = "adaptive";

/// The places of one handle, how many of which there are it finds out itself. A call that is let in takes no lock,
/// but for those that end a window, and those that find no place in their own stripe.
#[derive(Debug)]
pub(super) struct Limiter {
    name: SmolStr,
    settings: Live<AdaptiveConfig>,
    clock: Clock,
    places: Places,
    latency: Latency,
    counts: Counters<5>,
    /// When the window can end.
    due: AtomicU64,
    /// When a call must have begun to be counted.
    counted_from: AtomicU64,
    /// After how long a call that is given up has been too slow.
    slow_after: AtomicU64,
    /// How many places there are.
    limit: AtomicU64,
    has_refused: AtomicBool,
    core: Mutex<Core>,
}

#[derive(Debug)]
struct Core {
    engine: Engine,
    /// What had been counted when the window began, and when the baseline was last looked at.
    window: Counted,
    long: Counted,
}

/// What is counted.
#[derive(Clone, Copy)]
pub(super) enum Count {
    /// Calls that were let in.
    Calls,
    Refused,
    Dropped,
    Ignored,
    Cancelled,
}

impl Limiter {
    pub(super) fn new(
        name: SmolStr,
        config: AdaptiveConfig,
        clock: Clock,
        stripes: usize,
    ) -> Result<Self, InvalidSettings> {
        let now = clock.ticks();
        let engine = Engine::new(&config, now);
        let limit = engine.limit();
        Ok(Self {
            due: AtomicU64::new(engine.due(&config).0),
            counted_from: AtomicU64::new(engine.counted_from().0),
            slow_after: AtomicU64::new(u64::MAX),
            limit: AtomicU64::new(limit as u64),
            has_refused: AtomicBool::new(false),
            settings: Live::new(&name, config)?,
            name,
            clock,
            places: Places::new(limit, 0, stripes),
            latency: Latency::new(),
            counts: Counters::default(),
            core: Mutex::new(Core {
                engine,
                window: Counted::default(),
                long: Counted::default(),
            }),
        })
    }

    pub(super) fn name(&self) -> &SmolStr {
        &self.name
    }

    pub(super) fn settings(&self) -> &Live<AdaptiveConfig> {
        &self.settings
    }

    pub(super) fn count(&self, count: Count) {
        self.counts.add(count as usize);
    }

    #[inline]
    pub(super) fn now(&self) -> Ticks {
        self.clock.ticks()
    }

    /// Takes a place if there is one.
    #[inline]
    pub(super) fn enter(&self, stripe: usize) -> bool {
        self.places.take(stripe) || self.places.ask(stripe, false) == Answer::Place
    }

    /// Makes the refusal of one call, and counts it.
    #[cold]
    pub(super) fn refuse(&self) -> Refusal {
        self.count(Count::Refused);
        self.has_refused.store(true, Ordering::Relaxed);
        let now = self.now();
        // Where nothing ends, nobody else would see that a probe has to be given up.
        if now.0 >= self.due.load(Ordering::Relaxed) {
            self.attend(now);
        }
        let limit = self.limit.load(Ordering::Relaxed) as u32;
        Refusal::new(KIND, self.name.clone(), Overloaded { limit }.into())
    }

    #[inline]
    pub(super) fn release(&self, stripe: usize) {
        self.places.release(stripe);
    }

    /// Takes a call's end, whose place has been given back.
    #[inline]
    pub(super) fn ended(&self, started: Ticks, outcome: Outcome) {
        let now = self.now();
        if outcome != Outcome::Ignored && started.0 >= self.counted_from.load(Ordering::Relaxed) {
            match outcome {
                Outcome::Success => self.latency.record(now.since(started)),
                _ => self.dropped(),
            }
        } else if outcome == Outcome::Ignored {
            self.count(Count::Ignored);
        }
        if now.0 >= self.due.load(Ordering::Relaxed) {
            self.attend(now);
        }
    }

    /// Takes note that nobody waits for a call any more: because it was too slow, if it has taken long.
    #[cold]
    pub(super) fn cancelled(&self, started: Option<Ticks>) {
        self.count(Count::Cancelled);
        let Some(started) = started else { return };
        let now = self.now();
        let took = nanos_of(now.since(started));
        if took > self.slow_after.load(Ordering::Relaxed) && started.0 >= self.counted_from.load(Ordering::Relaxed) {
            self.dropped();
        }
        if now.0 >= self.due.load(Ordering::Relaxed) {
            self.attend(now);
        }
    }

    #[cold]
    fn dropped(&self) {
        self.count(Count::Dropped);
        self.latency.record_dropped();
    }

    /// Ends the window if it is complete, unless somebody else is about to.
    #[cold]
    fn attend(&self, now: Ticks) {
        let mut core = match self.core.try_lock() {
            Ok(core) => core,
            Err(TryLockError::Poisoned(core)) => core.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let config = self.settings.load();
        let load = Load {
            in_flight: self.places.look().0,
            refused: self.has_refused.load(Ordering::Relaxed),
        };
        // Adding up what all threads have counted is not for every call that comes before it is time.
        if core.engine.drains_on(load, now) {
            return;
        }
        self.due.store(now.after(config.window / 8).0, Ordering::Relaxed);
        let counted = self.latency.counted();
        // A probe counts those that it has let in, and ends while some of them are under way.
        let unfinished = if core.engine.is_probing() { load.in_flight } else { 0 };
        let [window, long] = [&core.window, &core.long].map(|before| counted.since(before, unfinished));
        let turn = core.engine.turn(window, long, load, now, &config);
        if turn == Turn::Nothing {
            return;
        }
        if turn == Turn::All {
            core.long = counted.clone();
        }
        core.window = counted;
        self.has_refused.store(false, Ordering::Relaxed);
        self.apply(core, &config);
    }

    /// Puts in force what the engine has decided.
    fn apply(&self, core: MutexGuard<'_, Core>, config: &AdaptiveConfig) {
        let engine = &core.engine;
        let slow = engine
            .baseline()
            .map_or(u64::MAX, |baseline| nanos_of(baseline.saturating_mul(2)));
        self.slow_after.store(slow, Ordering::Relaxed);
        self.counted_from.store(engine.counted_from().0, Ordering::Relaxed);
        self.limit.store(engine.limit() as u64, Ordering::Relaxed);
        self.due.store(engine.due(config).0, Ordering::Relaxed);
        // Nobody waits for a place here.
        self.places.resize(engine.limit(), 0).wake();
    }

    pub(super) fn reconfigure(&self, change: impl FnOnce(&mut AdaptiveConfig)) -> Result<(), InvalidSettings> {
        self.settings.change(&self.name, change, |config| {
            let mut core = lock(&self.core);
            core.engine.reconfigure(config);
            self.apply(core, config);
        })
    }

    /// Returns the share of places that are taken.
    pub(super) fn pressure(&self) -> f64 {
        let limit = self.limit.load(Ordering::Relaxed) as f64;
        self.places.taken_of(limit as usize) as f64 / limit
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let core = lock(&self.core);
        Snapshot {
            limit: core.engine.limit(),
            in_flight: self.places.look().0,
            baseline: core.engine.baseline(),
            latency: core.engine.latency(),
            is_probing: core.engine.is_probing(),
        }
    }

    pub(super) fn describe(&self) -> Entry {
        let (config, seen) = (self.settings.load(), self.snapshot());
        let known = |time: Option<Duration>| time.map_or("not known".to_owned(), |time| format!("{time:?}"));
        let state = match seen {
            Snapshot { is_probing: true, .. } => "probing",
            Snapshot { limit, in_flight, .. } if in_flight >= limit => "full",
            _ => "open",
        };
        let sum = |count: Count| self.counts.sum_of(count as usize);
        Entry::new(KIND, &*self.name, state)
            .setting("algorithm", format!("{:?}", config.algorithm))
            .setting("min", config.min)
            .setting("max", config.max)
            .setting("window", format!("{:?}, {} calls", config.window, config.minimum_calls))
            .setting("doubt", format!("{:?}", config.doubt))
            .setting("limit", seen.limit)
            .setting("in_flight", seen.in_flight)
            .setting("baseline", known(seen.baseline))
            .setting("latency", known(seen.latency))
            .saturation(seen.in_flight as f64 / seen.limit as f64)
            .counter("calls", sum(Count::Calls))
            .counter("refused", sum(Count::Refused))
            .counter("dropped", sum(Count::Dropped))
            .counter("ignored", sum(Count::Ignored))
            .counter("cancelled", sum(Count::Cancelled))
    }
}
