//! One circuit for each of many keys.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower_layer::Layer;
use tower_service::Service;

use super::config::CircuitBreakerConfig;
use super::engine::{Engine, Gate, Role, Transition};
use super::future::{Call, Observed, ResponseFuture};
use super::layer::CircuitBreakerBuilder;
use super::permit::{Exit, Permit};
use super::rules::{Admission, Count, Rules};
use super::snapshot::Snapshot;
use super::window::PlainWindow;
use crate::base::error::{BoxError, InvalidSetting, InvalidSettings};
use crate::base::inventory::{Describe, Entry};
use crate::base::keyed::{AtCapacity, Full, Kept, KeyedStore};
use crate::base::outcome::{Classify, ErrorIsFailure, Outcome};
use crate::base::ready;
use crate::base::refusal::Refusal;
use crate::base::sync::{Mutex, lock};
use crate::base::ticks::Ticks;

/// Stops calling those of many dependencies that fail: one circuit for each host, tenant or shard.
///
/// A cheap handle, like a [`CircuitBreaker`](super::CircuitBreaker), with the same settings for every key. It keeps a
/// bounded number of keys: when there is room for no more, the half that was used least lately is forgotten (one whose
/// circuit is open as if it were used later), and a key that nobody uses goes after one to two idle times, with its
/// state. A key takes about 240 bytes, and two more for each call of a
/// [count window](super::Window::Count).
pub struct KeyedCircuitBreaker<K>(Arc<Shared<K>>);

struct Shared<K> {
    rules: Arc<Rules>,
    capacity: usize,
    idle: Duration,
    circuits: KeyedStore<Slot<K>>,
}

/// A key's place in the store.
struct Slot<K> {
    circuit: Arc<KeyCircuit<K>>,
    /// When it is idle.
    until: Ticks,
}

impl<K: Key> Kept for Slot<K> {
    type Key = K;

    fn key(&self) -> &K {
        &self.circuit.key
    }

    fn worth(&self, now: Ticks) -> u64 {
        let idle_in = self.until.0.saturating_sub(now.0);
        // What a closed circuit has seen can be seen again, at less cost than what made another one open.
        let is_closed = lock(&self.circuit.circuit.cell).engine.gate() == Gate::Pass;
        if is_closed { idle_in / 2 } else { idle_in }
    }
}

/// A circuit, and the key that it is of.
struct KeyCircuit<K> {
    key: K,
    circuit: Circuit,
}

/// The circuit of one key: no stripes, because keys already spread threads.
struct Circuit {
    rules: Arc<Rules>,
    cell: Mutex<Cell>,
}

struct Cell {
    engine: Engine,
    window: PlainWindow,
}

/// What can be a key: anything that tells itself from others, and can be shown in a log.
pub trait Key: Hash + Eq + fmt::Display + Send + Sync + 'static {}

impl<K: Hash + Eq + fmt::Display + Send + Sync + 'static> Key for K {}

impl<K: Key> KeyedCircuitBreaker<K> {
    pub(super) fn new(
        builder: CircuitBreakerBuilder,
        capacity: usize,
        idle: Duration,
    ) -> Result<Self, InvalidSettings> {
        let rules = builder.rules()?;
        let mut wrong = Vec::new();
        if !(2..=1_000_000).contains(&capacity) {
            let key = format!("breaker.{}.capacity", rules.name());
            wrong.push(InvalidSetting::new(key, capacity.to_string(), "from 2 to 1000000 keys"));
        }
        wrong.extend(too_idle(rules.name(), idle, &rules.config()));
        InvalidSettings::check(wrong)?;
        Ok(Self(Arc::new(Shared {
            rules: Arc::new(rules),
            capacity,
            idle,
            circuits: KeyedStore::new(capacity, idle, AtCapacity::Forget),
        })))
    }

    /// Makes the layer for any [`tower_service::Service`]; `key` says whom a request is for.
    pub fn layer<F>(&self, key: F) -> KeyedCircuitBreakerLayer<K, F> {
        KeyedCircuitBreakerLayer {
            breaker: self.clone(),
            key,
            classify: ErrorIsFailure,
        }
    }

    /// Runs a future of your own if the circuit of `key` lets it through; as [`CircuitBreaker::call`].
    ///
    /// # Errors
    ///
    /// [`Guarded::Refused`](crate::Guarded::Refused) without `operation` having been called,
    /// [`Guarded::Inner`](crate::Guarded::Inner) with the future's own error.
    ///
    /// # Cancellation
    ///
    /// As [`CircuitBreaker::call`].
    ///
    /// [`CircuitBreaker::call`]: super::CircuitBreaker::call
    #[inline]
    pub fn call<F, Fut, T, E>(&self, key: K, operation: F) -> Call<Fut, impl Classify<T, E> + use<K, F, Fut, T, E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.call_classified(key, operation, |end: Result<&T, &E>| match end {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        })
    }

    /// Runs a future of your own as [`call`](Self::call) does, and lets `classify` say what its end means.
    #[inline]
    pub fn call_classified<F, Fut, T, E, C>(&self, key: K, operation: F, classify: C) -> Call<Fut, C>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        Call::new(Observed::new(self.enter(key), operation), classify)
    }

    /// Returns the state of the circuit of `key`, or `None` if there is none: it was not used lately.
    pub fn snapshot(&self, key: &K) -> Option<Snapshot> {
        let now = self.0.rules.clock.ticks();
        let config = self.0.rules.config();
        let keyed = self.circuit(key)?;
        let mut cell = lock(&keyed.circuit.cell);
        let tally = cell.window.tally(now, config.window);
        Some(Snapshot::new(&cell.engine, tally, &config, now))
    }

    /// Closes the circuit of `key` and forgets all that it has seen, as if it were new.
    pub fn reset(&self, key: &K) {
        if let Some(keyed) = self.circuit(key) {
            let now = self.0.rules.clock.ticks();
            let config = self.0.rules.config();
            let (transition, ()) = keyed.circuit.change(&config, |cell| (Some(cell.engine.reset(now)), ()));
            keyed.announce(transition);
        }
    }

    /// Counts the keys that have a circuit now.
    pub fn keys(&self) -> usize {
        self.0.circuits.len()
    }

    /// Returns the settings in force.
    pub fn config(&self) -> Arc<CircuitBreakerConfig> {
        self.0.rules.config()
    }

    /// Changes the settings of all keys; as [`CircuitBreaker::reconfigure`](super::CircuitBreaker::reconfigure).
    ///
    /// # Errors
    ///
    /// What cannot be accepted; the old settings stay in force then.
    pub fn reconfigure(&self, change: impl FnOnce(&mut CircuitBreakerConfig)) -> Result<(), InvalidSettings> {
        let shared = &self.0;
        let forgotten = |config: &CircuitBreakerConfig| too_idle(shared.rules.name(), shared.idle, config);
        shared.rules.reconfigure(change, forgotten)
    }

    fn circuit(&self, key: &K) -> Option<Arc<KeyCircuit<K>>> {
        self.0.circuits.peek(key, |slot| Arc::clone(&slot.circuit))
    }

    pub(crate) fn enter(&self, key: K) -> Result<Permit, Refusal> {
        let shared = &self.0;
        let now = shared.rules.clock.ticks();
        let config = shared.rules.config();
        let make = |key| {
            let circuit = Circuit {
                rules: Arc::clone(&shared.rules),
                cell: Mutex::new(Cell {
                    engine: Engine::default(),
                    window: PlainWindow::new(config.window),
                }),
            };
            Slot {
                circuit: Arc::new(KeyCircuit { key, circuit }),
                until: now,
            }
        };
        let used = |slot: &mut Slot<K>| {
            slot.until = now.after(shared.idle);
            Arc::clone(&slot.circuit)
        };
        let keyed = shared.circuits.with(key, now, make, used);
        let keyed = keyed.map_err(|Full| shared.rules.no_room())?;
        let chance = shared.rules.chance();
        let (transition, decided) = keyed.circuit.change(&config, |cell| {
            let (ticket, transition) = cell.engine.enter(now, &config, chance);
            let generation = cell.engine.generation();
            (transition, ticket.map_err(|until| (generation, until)))
        });
        keyed.announce(transition);
        let ticket = decided.or_else(|(generation, until)| {
            let refused = shared.rules.refuse(generation, until, now);
            refused.map_err(|open| shared.rules.refusal(open))
        })?;
        Ok(Permit::keyed(keyed, shared.rules.begin(ticket)))
    }
}

/// Objects to an idle time in which an open circuit could be forgotten.
fn too_idle(name: &str, idle: Duration, config: &CircuitBreakerConfig) -> Option<InvalidSetting> {
    let open_max = config.open_max;
    let allowed = format!("at least `open_max` ({open_max:?}), or an open circuit could be forgotten");
    (idle < open_max).then(|| InvalidSetting::new(format!("breaker.{name}.idle"), format!("{idle:?}"), allowed))
}

impl Circuit {
    /// Changes the state, and forgets the calls of the old one.
    fn change<T>(
        &self,
        config: &CircuitBreakerConfig,
        decide: impl FnOnce(&mut Cell) -> (Option<Transition>, T),
    ) -> (Option<Transition>, T) {
        let mut cell = lock(&self.cell);
        let (transition, decided) = decide(&mut cell);
        if transition.is_some() {
            cell.window = PlainWindow::new(config.window);
        }
        (transition, decided)
    }
}

impl<K: Key> KeyCircuit<K> {
    fn announce(&self, transition: Option<Transition>) {
        if transition.is_some() {
            // A key may come from outside: as much of it as a log line bears.
            let key: String = self.key.to_string().escape_debug().take(64).collect();
            self.circuit.rules.announce(transition, Some(&key));
        }
    }
}

impl<K: Key> Exit for KeyCircuit<K> {
    fn exit(&self, admission: &Admission, outcome: Outcome) {
        let ticket = admission.ticket;
        if matches!(ticket.role, Role::UNOBSERVED | Role::ENDED) {
            return;
        }
        let rules = &self.circuit.rules;
        let now = rules.clock.ticks();
        let ended = rules.judge(admission, outcome, || now);
        if ended.is_some() {
            rules.count(Count::Calls);
        }
        let config = rules.config();
        let chance = rules.chance();
        let (transition, ()) = self.circuit.change(&config, |Cell { engine, window }| {
            let transition = match (ticket.role.probe(), ended) {
                (Some(_), _) => {
                    let healthy = ended.map(super::window::Ended::is_healthy);
                    engine.probe_ended(ticket, healthy, now, &config, chance)
                }
                (_, Some(ended)) if engine.generation() == ticket.generation => {
                    window.add(ended, now, config.window);
                    let tally = (!ended.is_healthy()).then(|| window.tally(now, config.window));
                    tally
                        .and_then(|tally| tally.cause(&config))
                        .and_then(|cause| engine.trip(ticket.generation, now, &config, chance, cause))
                }
                _ => None,
            };
            (transition, ())
        });
        self.announce(transition);
    }

    fn rules(&self) -> &Rules {
        &self.circuit.rules
    }
}

impl<K: Key> Describe for KeyedCircuitBreaker<K> {
    fn describe(&self) -> Entry {
        let entry = self.0.rules.describe("keyed", 0);
        entry
            .setting("capacity", self.0.capacity)
            .setting("idle", format!("{:?}", self.0.idle))
            .setting("keys", self.keys())
    }
}

impl<K> Clone for KeyedCircuitBreaker<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> fmt::Debug for KeyedCircuitBreaker<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedCircuitBreaker")
            .field("name", &self.0.rules.name())
            .field("capacity", &self.0.capacity)
            .finish_non_exhaustive()
    }
}

/// Puts every call of a service behind the circuit of its key.
#[derive(Clone)]
pub struct KeyedCircuitBreakerLayer<K, F, C = ErrorIsFailure> {
    breaker: KeyedCircuitBreaker<K>,
    key: F,
    classify: C,
}

impl<K, F, C> KeyedCircuitBreakerLayer<K, F, C> {
    /// Lets `classify` say what a call's end means; it sees the response or the boxed error.
    pub fn classify<D>(self, classify: D) -> KeyedCircuitBreakerLayer<K, F, D> {
        KeyedCircuitBreakerLayer {
            breaker: self.breaker,
            key: self.key,
            classify,
        }
    }
}

impl<S, K, F: Clone, C: Clone> Layer<S> for KeyedCircuitBreakerLayer<K, F, C> {
    type Service = KeyedCircuitBreakerService<S, K, F, C>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedCircuitBreakerService {
            inner,
            breaker: self.breaker.clone(),
            key: self.key.clone(),
            classify: self.classify.clone(),
        }
    }
}

/// The tower shell of a [`KeyedCircuitBreaker`]; always ready, because only a request tells the key.
///
/// The wait for the inner service happens in the future, with the permit held.
#[derive(Clone)]
pub struct KeyedCircuitBreakerService<S, K, F, C> {
    inner: S,
    breaker: KeyedCircuitBreaker<K>,
    key: F,
    classify: C,
}

impl<S, K, F, C, Req> Service<Req> for KeyedCircuitBreakerService<S, K, F, C>
where
    S: Service<Req, Error: Into<BoxError>> + Clone,
    K: Key,
    F: Fn(&Req) -> K,
    C: Classify<S::Response, BoxError> + Clone,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<ready::Call<S, Req>, C>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let admitted = self.breaker.enter((self.key)(&request));
        let observed = Observed::new(admitted, || ready::Call::new(&mut self.inner, request));
        ResponseFuture::new(observed, self.classify.clone())
    }
}
