use std::future::Future;
use std::sync::Arc;

use smol_str::SmolStr;
use tower_layer::Layer;

use super::config::{ChaosConfig, Latency, Schedule};
use super::future::Call;
use super::service::ChaosService;
use super::switch::{Injected, Injector, Plan};
use crate::base::clock::Clock;
use crate::base::error::InvalidSettings;
use crate::base::events::{Change, EventSink, Events};
use crate::base::inventory::{Describe, Entry};
use crate::base::live::Live;

const KIND: &str = "chaos";

/// Injects faults on purpose, if a cargo feature and the settings both say so.
///
/// A cheap handle: clones and everything made from them share settings, chance and counters, two handles share nothing.
#[derive(Clone, Debug)]
pub struct Chaos(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) name: SmolStr,
    settings: Live<ChaosConfig>,
    events: Events,
    pub(super) injector: Injector,
}

impl Chaos {
    /// Starts a chaos that is off; `name` shows in errors, events and the inventory.
    pub fn builder(name: impl AsRef<str>) -> ChaosBuilder {
        ChaosBuilder {
            name: SmolStr::new(name),
            config: ChaosConfig::default(),
            seed: None,
            clock: Clock::default(),
            events: Events::default(),
        }
    }

    /// Makes the layer for any [`tower_service::Service`].
    pub fn layer(&self) -> ChaosLayer {
        ChaosLayer(self.clone())
    }

    /// Runs a future of your own, or lets it fail.
    ///
    /// # Errors
    ///
    /// [`Faulted::Injected`](super::Faulted::Injected) with what was injected, [`Faulted::Inner`](super::Faulted::Inner)
    /// with the future's own error.
    ///
    /// # Cancellation
    ///
    /// `operation` is called at once, unless what is injected keeps the call from it. Dropping the returned future drops
    /// yours, and the answer that is held back.
    ///
    /// # Examples
    ///
    /// ```
    /// # use seaworthy::chaos::Chaos;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let ledger = Chaos::builder("ledger").error_share(1.0).build().unwrap();
    /// let read = ledger.call(|| async { Ok::<_, std::io::Error>(42) }).await;
    /// assert_eq!(read.unwrap(), 42); // nobody has enabled it
    /// # }
    /// ```
    #[inline]
    pub fn call<F, Fut, T, E>(&self, operation: F) -> Call<Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let injector = &self.0.injector;
        let injected = Injected::start(injector, &self.0.name, self.draw(), false, None, operation);
        Call::new(injected)
    }

    /// Returns the settings, which are in force if the feature `chaos` is on.
    pub fn config(&self) -> Arc<ChaosConfig> {
        self.0.settings.load()
    }

    /// Changes the settings of every layer of this handle; calls under way keep their fault.
    ///
    /// A call that was let in before and comes after is not harmed by what is off by then, unless its fault keeps it from
    /// the inside; see [how it decides](crate::chaos#how-it-decides).
    ///
    /// The schedule begins when [`enabled`](ChaosConfig::enabled) turns `true`.
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then. Changes wait for each other: `change` must not
    /// change the same handle.
    pub fn reconfigure(&self, change: impl FnOnce(&mut ChaosConfig)) -> Result<(), InvalidSettings> {
        let shared = &self.0;
        let mut states = [""; 2];
        shared.settings.change(&shared.name, change, |config| {
            states[0] = shared.injector.state();
            shared.injector.set(config);
            states[1] = shared.injector.state();
        })?;
        shared.events.emit(KIND, &shared.name, Change::Settings);
        shared.report(states);
        Ok(())
    }

    #[inline]
    pub(super) fn draw(&self) -> Plan {
        self.0.injector.draw(&self.0.settings)
    }

    #[inline]
    pub(super) fn confirm(&self, plan: Plan) -> Plan {
        self.0.injector.confirm(plan, &self.0.settings)
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    /// Tells that faults begin or end.
    fn report(&self, [from, to]: [&'static str; 2]) {
        let detail = "by its settings";
        if from != to {
            self.events.emit(KIND, &self.name, Change::State { from, to, detail });
        }
    }
}

impl Describe for Chaos {
    fn describe(&self) -> Entry {
        let config = self.config();
        let mut entry = Entry::new(KIND, &*self.0.name, self.0.injector.state())
            .setting("enabled", config.enabled)
            .setting("latency", config.latency)
            .setting("schedule", config.schedule);
        for (key, share) in config.shares() {
            entry = entry.setting(key, share);
        }
        let counters = self.0.injector.counters();
        counters.fold(entry, |entry, (name, count)| entry.counter(name, count))
    }
}

/// Builds a [`Chaos`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ChaosBuilder {
    name: SmolStr,
    config: ChaosConfig,
    seed: Option<u64>,
    clock: Clock,
    events: Events,
}

impl ChaosBuilder {
    /// Whether faults are injected, if the feature `chaos` is on. Default `false`.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.config.enabled = enabled;
        self
    }

    /// Holds the answers of a share of calls, from 0 to 1, back for so long. Default: none.
    pub fn latency(mut self, share: f64, latency: Latency) -> Self {
        self.config.latency_share = share;
        self.config.latency = latency;
        self
    }

    /// Lets a share of calls, from 0 to 1, end in an [`InjectedFault`](super::InjectedFault). Default 0.
    pub fn error_share(mut self, share: f64) -> Self {
        self.config.error_share = share;
        self
    }

    /// Lets a share of calls, from 0 to 1, never end. Default 0.
    pub fn hang_share(mut self, share: f64) -> Self {
        self.config.hang_share = share;
        self
    }

    /// Breaks the connection of a share of calls, from 0 to 1. Default 0.
    pub fn disconnect_share(mut self, share: f64) -> Self {
        self.config.disconnect_share = share;
        self
    }

    /// When there are faults. Default: from when they are enabled until they are disabled.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.config.schedule = schedule;
        self
    }

    /// Lets the same calls have the same faults in each run. Default: other ones each time.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Tells the time for the schedule; tests give a manual one. Default: the processor's counter; with the feature
    /// `test-util` tokio's, which a test can pause. Timers follow tokio's in any case.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sends a [settings event](Change::Settings) to `sink` whenever the settings change, and a
    /// [state event](Change::State) whenever faults begin or end by that.
    pub fn events(mut self, sink: impl EventSink) -> Self {
        self.events = Events::new(sink);
        self
    }

    /// Makes the handle; tells the sink if it is on from the beginning.
    ///
    /// # Errors
    ///
    /// Every setting that is out of its range, or that fights another.
    pub fn build(self) -> Result<Chaos, InvalidSettings> {
        let injector = Injector::new(self.seed, self.clock, &self.config);
        let shared = Shared {
            settings: Live::new(&self.name, self.config)?,
            name: self.name,
            events: self.events,
            injector,
        };
        if shared.injector.state() == "on" {
            shared.report(["off", "on"]);
        }
        Ok(Chaos(Arc::new(shared)))
    }
}

/// Puts every call of a service behind a [`Chaos`].
#[derive(Clone, Debug)]
pub struct ChaosLayer(Chaos);

impl<S> Layer<S> for ChaosLayer {
    type Service = ChaosService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ChaosService::new(inner, self.0.clone())
    }
}
