use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::config::LoadShedConfig;
use super::engine::StandingQueue;
use super::error::Shed;
use super::future::Call;
use super::service::{LoadShedService, OfTheTask};
use crate::base::Counters;
use crate::base::clock::Clock;
use crate::base::criticality::Criticality;
use crate::base::error::InvalidSettings;
use crate::base::events::{Change, EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::live::Live;
use crate::base::pressure::Pressure;
use crate::base::refusal::Refusal;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::ticks::{Ticks, nanos_of};

pub(super) const KIND: &str = "load_shed";

/// Refuses what matters least when there is too much to do.
///
/// A cheap handle: clones and everything made from them share the same signals and counts; two handles share nothing.
#[derive(Clone)]
pub struct LoadShed(Arc<Shared>);

struct Shared {
    name: SmolStr,
    settings: Live<LoadShedConfig>,
    /// The settings again, because every call looks at them: bits of the thresholds, and nanoseconds.
    refuse_from: [AtomicU64; 4],
    queue_delay: AtomicU64,
    signals: Vec<(&'static str, Box<dyn Pressure>)>,
    queue: StandingQueue,
    clock: Clock,
    events: Events,
    /// Of each class.
    calls: Counters<4>,
    refused: Counters<4>,
}

impl LoadShed {
    /// Starts a load shed with the defaults; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> LoadShedBuilder {
        LoadShedBuilder {
            name: SmolStr::new(name),
            config: LoadShedConfig::default(),
            signals: Vec::new(),
            clock: Clock::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any [`tower_service::Service`] that is `Clone`; a request's class is
    /// [that of the task](Criticality::current).
    pub fn layer(&self) -> LoadShedLayer<OfTheTask> {
        self.layer_by(OfTheTask)
    }

    /// As [`layer`](Self::layer); `class` is a `Fn(&Req) -> Criticality`.
    pub fn layer_by<F>(&self, class: F) -> LoadShedLayer<F> {
        let shed = self.clone();
        LoadShedLayer { shed, class }
    }

    /// Lets a request of a class in, or refuses it; for work of your own.
    ///
    /// # Errors
    ///
    /// The refusal, if there is too much to do for its class.
    ///
    /// # Examples
    ///
    /// ```
    /// # use seaworthy::{criticality::Criticality, load_shed::LoadShed};
    /// let shed = LoadShed::builder("mail").signal("backlog", || 0.75).build().unwrap();
    /// assert!(shed.check(Criticality::Critical).is_ok());
    /// assert!(shed.check(Criticality::Sheddable).is_err());
    /// ```
    pub fn check(&self, class: Criticality) -> Result<(), Refusal> {
        let shared = &*self.0;
        let from = f64::from_bits(shared.refuse_from[class as usize].load(Ordering::Relaxed));
        if shared.pressure() < from {
            shared.calls.add(class as usize);
            return Ok(());
        }
        Err(self.refuse(class))
    }

    /// Runs a future of your own unless there is too much to do for the class of the task.
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`](crate::Guarded::Refused) without `operation` having been called, or
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the future's own error.
    ///
    /// # Cancellation
    ///
    /// Nothing happens before the first poll. Dropping the returned future drops yours.
    #[inline]
    pub fn call<F, Fut, T, E>(&self, operation: F) -> Call<F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        Call::new(self.clone(), operation)
    }

    /// Returns the pressure: that of the signal that is closest to its limit.
    pub fn pressure(&self) -> f64 {
        self.0.pressure()
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<LoadShedConfig> {
        self.0.settings.load()
    }

    /// Changes the settings of every layer of this handle.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not change
    /// the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut LoadShedConfig)) -> Result<(), InvalidSettings> {
        let shared = &*self.0;
        shared
            .settings
            .change(&shared.name, change, |config| shared.apply(config))?;
        shared.events.emit(KIND, &shared.name, Change::Settings);
        Ok(())
    }

    #[cold]
    fn refuse(&self, criticality: Criticality) -> Refusal {
        self.0.refused.add(criticality as usize);
        Refusal::new(KIND, self.0.name.clone(), Shed { criticality }.into())
    }

    #[inline]
    pub(super) fn may_have_queue(&self) -> bool {
        self.0.queue.may_stand()
    }

    pub(super) fn found_no_queue(&self) {
        self.0.queue.found_empty();
    }

    /// Returns when that was.
    pub(super) fn joins_queue(&self) -> Ticks {
        let now = self.0.clock.ticks();
        self.0.queue.joined(now);
        now
    }

    pub(super) fn waited_since(&self, since: Ticks, got_through: bool) {
        let now = self.0.clock.ticks();
        let time = now.since(since);
        if got_through {
            self.0.queue.waited(time, now);
        } else {
            self.0.queue.gave_up(time, now);
        }
    }
}

impl Shared {
    fn apply(&self, config: &LoadShedConfig) {
        for (from, setting) in self.refuse_from.iter().zip(config.refuse_from) {
            from.store(setting.to_bits(), Ordering::Relaxed);
        }
        self.queue_delay.store(nanos_of(config.queue_delay), Ordering::Relaxed);
    }

    #[inline]
    fn pressure(&self) -> f64 {
        // `max` prefers a number.
        let signals = self.signals.iter().map(|(_, signal)| signal.pressure());
        signals.fold(self.queue_pressure(), f64::max)
    }

    #[inline]
    fn queue_pressure(&self) -> f64 {
        let delay = self.queue.delay(|| self.clock.ticks());
        let most = self.queue_delay.load(Ordering::Relaxed);
        if delay.is_zero() || most == 0 {
            0.0
        } else {
            nanos_of(delay) as f64 / most as f64
        }
    }
}

const CALLS: [&str; 4] = [
    "calls_sheddable",
    "calls_sheddable_plus",
    "calls_critical",
    "calls_critical_plus",
];
const REFUSED: [&str; 4] = [
    "refused_sheddable",
    "refused_sheddable_plus",
    "refused_critical",
    "refused_critical_plus",
];

impl Describe for LoadShed {
    fn describe(&self) -> Entry {
        let shared = &*self.0;
        let config = self.config();
        let state = if self.pressure() < config.refuse_from[0] {
            "open"
        } else {
            "shedding"
        };
        let percent = |pressure: f64| format!("{:.0}%", pressure * 100.0);
        let [sheddable, sheddable_plus, critical, critical_plus] = config.refuse_from.map(percent);
        let mut entry = Entry::new(KIND, &*shared.name, state)
            .setting(
                "refuse_from",
                format!("{sheddable}, {sheddable_plus}, {critical}, {critical_plus}"),
            )
            .setting("queue_delay", format!("{:?}", config.queue_delay))
            .setting("queue", percent(shared.queue_pressure()))
            .saturation(self.pressure());
        for (name, signal) in &shared.signals {
            entry = entry.setting(name, percent(signal.pressure()));
        }
        for class in 0..Criticality::ALL.len() {
            entry = entry.counter(CALLS[class], shared.calls.sum_of(class));
            entry = entry.counter(REFUSED[class], shared.refused.sum_of(class));
        }
        entry
    }
}

impl fmt::Debug for LoadShed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoadShed").field(&self.0.name).finish()
    }
}

/// Builds a [`LoadShed`].
#[must_use]
pub struct LoadShedBuilder {
    name: SmolStr,
    config: LoadShedConfig,
    signals: Vec<(&'static str, Box<dyn Pressure>)>,
    clock: Clock,
    events: Events,
}

impl LoadShedBuilder {
    /// Adds a signal, such as an adaptive limit or [`MemoryPressure`](super::MemoryPressure); its pressure is in the
    /// inventory under `name`. The signal that is closest to its limit counts.
    pub fn signal(mut self, name: &'static str, signal: impl Pressure) -> Self {
        self.signals.push((name, Box::new(signal)));
        self
    }

    /// From which pressure on a class is refused, from 0.01 to 1. Default 0.7, 0.8, 0.9 and 1.
    pub fn refuse_from(mut self, class: Criticality, pressure: f64) -> Self {
        self.config.refuse_from[class as usize] = pressure;
        self
    }

    /// How long calls wait for the inner service when the pressure of its queue is 1, from 1 ms to 60 s; zero if the
    /// queue is no signal. Default 30 ms.
    pub fn queue_delay(mut self, delay: Duration) -> Self {
        self.config.queue_delay = delay;
        self
    }

    /// What tells the time. Default: tokio's clock, or the processor's counter.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sends a [settings event](crate::events::Change::Settings) to `sink` whenever the settings change.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range.
    pub fn build(self) -> Result<LoadShed, InvalidSettings> {
        // The first look at the clock measures how fast it goes, which no call should wait for.
        self.clock.ticks();
        let settings = Live::new(&self.name, self.config)?;
        let config = settings.load();
        let shared = Shared {
            name: self.name,
            settings,
            refuse_from: std::array::from_fn(|_| AtomicU64::new(0)),
            queue_delay: AtomicU64::new(0),
            signals: self.signals,
            queue: StandingQueue::new(),
            clock: self.clock,
            events: self.events,
            calls: Counters::default(),
            refused: Counters::default(),
        };
        shared.apply(&config);
        Ok(LoadShed(Arc::new(shared)))
    }
}

impl fmt::Debug for LoadShedBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.signals.iter().map(|(name, _)| name).collect();
        f.debug_struct("LoadShedBuilder")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("signals", &names)
            .finish_non_exhaustive()
    }
}

/// Puts every call of a service behind a [`LoadShed`].
#[derive(Clone, Debug)]
pub struct LoadShedLayer<F = OfTheTask> {
    shed: LoadShed,
    class: F,
}

impl<S, F: Clone> Layer<S> for LoadShedLayer<F> {
    type Service = LoadShedService<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        LoadShedService::new(inner, self.shed.clone(), self.class.clone())
    }
}
