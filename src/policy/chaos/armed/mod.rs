//! Injects faults, with the feature `chaos` and if the settings say so.

mod engine;
mod future;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;

use std::time::Duration;

use smol_str::SmolStr;

use self::engine::Fault;
use super::config::ChaosConfig;
use super::error::InjectedFault;
use crate::base::Counters;
use crate::base::clock::Clock;
use crate::base::live::Live;
use crate::base::random::Random;
use crate::base::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::base::ticks::Ticks;

pub(crate) use future::Injected;

/// Decides which calls have which fault.
#[derive(Debug)]
pub(crate) struct Injector {
    is_on: AtomicBool,
    /// When it was last turned on, in ticks.
    began: AtomicU64,
    random: Random,
    clock: Clock,
    counts: Counters<5>,
}

/// What is done to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing, as chaos is off.
    Off,
    /// This, if anything.
    On(Option<Fault>),
}

const CALLS: usize = 0;
const NAMES: [&str; 5] = ["calls", "latency", "error", "hang", "disconnect"];

impl Injector {
    pub(super) fn new(seed: Option<u64>, clock: Clock, config: &ChaosConfig) -> Self {
        let injector = Self {
            is_on: AtomicBool::new(false),
            began: AtomicU64::new(0),
            random: seed.map_or_else(Random::default, Random::seeded),
            clock,
            counts: Counters::default(),
        };
        injector.set(config);
        injector
    }

    /// Turns it on or off as the settings say; what was on goes on.
    pub(super) fn set(&self, config: &ChaosConfig) {
        if config.enabled && !self.is_on.load(Ordering::Relaxed) {
            self.began.store(self.clock.ticks().0, Ordering::Relaxed);
        }
        // Whoever finds it on finds when that began.
        self.is_on.store(config.enabled, Ordering::Release);
    }

    pub(super) fn state(&self) -> &'static str {
        if self.is_on.load(Ordering::Acquire) {
            "on"
        } else {
            "off"
        }
    }

    #[inline]
    pub(super) fn draw(&self, settings: &Live<ChaosConfig>) -> Plan {
        if self.is_on.load(Ordering::Acquire) {
            self.draw_fault(&settings.load())
        } else {
            Plan::Off
        }
    }

    /// Returns what is left of a plan when its call comes: what is off or out of its schedule by then is not done.
    #[inline]
    pub(super) fn confirm(&self, plan: Plan, settings: &Live<ChaosConfig>) -> Plan {
        match plan {
            Plan::On(Some(fault)) => self.confirm_fault(fault, &settings.load()),
            _ => plan,
        }
    }

    #[cold]
    fn confirm_fault(&self, fault: Fault, config: &ChaosConfig) -> Plan {
        if !config.enabled {
            return Plan::Off;
        }
        Plan::On(config.schedule.covers(self.elapsed()).then_some(fault))
    }

    /// Returns for how long it has been on.
    fn elapsed(&self) -> Duration {
        let began = Ticks(self.began.load(Ordering::Relaxed));
        self.clock.ticks().since(began)
    }

    #[cold]
    fn draw_fault(&self, config: &ChaosConfig) -> Plan {
        let elapsed = self.elapsed();
        // Outside of the schedule, too: which call of a seed has which chance does not depend on the time.
        let chance = self.random.unit();
        Plan::On(config.fault(elapsed, chance).filter(|_| config.enabled))
    }

    #[inline]
    fn count(&self, plan: Plan) {
        if let Plan::On(fault) = plan {
            self.counts.add(CALLS);
            if let Some(fault) = fault {
                self.counts.add(match fault {
                    Fault::Latency(_) => 1,
                    Fault::Error => 2,
                    Fault::Hang => 3,
                    Fault::Disconnect => 4,
                });
            }
        }
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let sums = NAMES.into_iter().enumerate();
        sums.map(|(index, name)| (name, self.counts.sum_of(index)))
    }
}

impl Plan {
    /// Returns whether the inside is called; if a response has a head, its connection breaks after that.
    #[inline]
    pub(super) fn asks(self, has_head: bool) -> bool {
        match self {
            Self::On(Some(Fault::Error | Fault::Hang)) => false,
            Self::On(Some(Fault::Disconnect)) => has_head,
            _ => true,
        }
    }

    /// Returns what the response's body is to break off with.
    pub(crate) fn cut(self, name: &SmolStr) -> Option<InjectedFault> {
        (self == Self::On(Some(Fault::Disconnect))).then(|| InjectedFault {
            name: name.clone(),
            is_disconnect: true,
        })
    }
}
