use super::config::CircuitBreakerConfig;
use super::engine::{Engine, Gate, Role, Ticket, Transition};
use super::error::CircuitOpen;
use super::rules::{Admission, Count, Rules};
use super::window::{Ended, Record, Tally};
use crate::base::outcome::Outcome;
use crate::base::sync::atomic::{AtomicU64, Ordering};
use crate::base::sync::{Mutex, lock};
use crate::base::ticks::Ticks;

/// One circuit that many threads share. A call that a closed circuit lets through takes no lock.
#[derive(Debug)]
pub(super) struct Circuit {
    pub(super) rules: Rules,
    /// The engine's generation and [`Gate`], for those who take no lock.
    gate: AtomicU64,
    /// Until when a gate that refuses does so.
    until: AtomicU64,
    engine: Mutex<Engine>,
    record: Record,
}

const PASS: u64 = 0;
const DISABLED: u64 = 1;
const REFUSE: u64 = 2;
const ASK: u64 = 3;

impl Circuit {
    pub(super) fn new(rules: Rules, stripes: usize) -> Self {
        Self {
            gate: AtomicU64::new(PASS),
            until: AtomicU64::new(0),
            engine: Mutex::default(),
            record: Record::new(rules.config().window, stripes),
            rules,
        }
    }

    /// Lets a call in or refuses it.
    #[inline]
    pub(super) fn enter(&self) -> Result<Ticket, CircuitOpen> {
        let gate = self.gate.load(Ordering::Acquire);
        let generation = generation(gate);
        let role = match gate & 3 {
            PASS => Role::CALL,
            DISABLED => Role::UNOBSERVED,
            REFUSE => {
                let now = self.rules.clock.ticks();
                let until = Ticks(self.until.load(Ordering::Relaxed));
                if now < until {
                    return self.rules.refuse(generation, until, now);
                }
                return self.ask(now);
            }
            _ => return self.ask(self.rules.clock.ticks()),
        };
        Ok(Ticket { generation, role })
    }

    #[cold]
    fn ask(&self, now: Ticks) -> Result<Ticket, CircuitOpen> {
        let config = self.rules.config();
        let chance = self.rules.chance();
        let mut decided = Err(Ticks::NEVER);
        let generation = self.change(|engine| {
            let (role, transition) = engine.enter(now, &config, chance);
            decided = role;
            transition
        });
        decided.or_else(|until| self.rules.refuse(generation, until, now))
    }

    /// Takes a call's end; `stripe` is where its admission was counted.
    #[inline]
    pub(super) fn exit(&self, stripe: usize, admission: &Admission, outcome: Outcome) {
        let ticket = admission.ticket;
        if matches!(ticket.role, Role::UNOBSERVED | Role::ENDED) {
            return;
        }
        let mut clock = None;
        let mut now = || *clock.get_or_insert_with(|| self.rules.clock.ticks());
        let ended = self.rules.judge(admission, outcome, &mut now);
        if ticket.role.probe().is_some() {
            return self.probe_ended(ticket, ended, now());
        }
        let Some(ended) = ended else { return };
        let is_current = || {
            let is_current = generation(self.gate.load(Ordering::Acquire)) == ticket.generation;
            if !is_current {
                self.rules.count(Count::Calls);
            }
            is_current
        };
        if let Some(tally) = self.record.add(ended, stripe, &mut now, is_current) {
            self.may_trip(ticket, tally, now());
        }
    }

    #[cold]
    fn may_trip(&self, ticket: Ticket, tally: Tally, now: Ticks) {
        let config = self.rules.config();
        if let Some(cause) = tally.cause(&config) {
            let chance = self.rules.chance();
            self.change(|engine| engine.trip(ticket.generation, now, &config, chance, cause));
        }
    }

    #[cold]
    fn probe_ended(&self, ticket: Ticket, ended: Option<Ended>, now: Ticks) {
        let config = self.rules.config();
        let chance = self.rules.chance();
        if ended.is_some() {
            self.rules.count(Count::Calls);
        }
        let healthy = ended.map(Ended::is_healthy);
        self.change(|engine| engine.probe_ended(ticket, healthy, now, &config, chance));
    }

    /// Changes the state, and forgets the calls of the old one. Returns the generation.
    pub(super) fn change(&self, decide: impl FnOnce(&mut Engine) -> Option<Transition>) -> u32 {
        let (transition, generation) = {
            let mut engine = lock(&self.engine);
            let transition = decide(&mut engine);
            let generation = engine.generation();
            let gate = match engine.gate() {
                Gate::Pass => PASS,
                Gate::Disabled => DISABLED,
                Gate::Refuse { until } => {
                    self.until.store(until.0, Ordering::Relaxed);
                    REFUSE
                }
                Gate::Ask => ASK,
            };
            self.gate.store(u64::from(generation) << 2 | gate, Ordering::Release);
            if transition.is_some() {
                // After the generation has changed: whoever still found the old one writes into what is forgotten here.
                self.record.clear();
            }
            (transition, generation)
        };
        // With the lock given back, as a sink may ask for the state.
        self.rules.announce(transition, None);
        generation
    }

    /// Looks at the state, and at what is in the window.
    pub(super) fn look<T>(&self, now: Ticks, look: impl FnOnce(&Engine, Tally, &CircuitBreakerConfig) -> T) -> T {
        let engine = lock(&self.engine);
        look(&engine, self.record.tally(now), &self.rules.config())
    }

    /// Returns how many calls its window has ever taken.
    pub(super) fn calls(&self) -> u64 {
        self.record.calls()
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }
}

fn generation(gate: u64) -> u32 {
    (gate >> 2) as u32
}
