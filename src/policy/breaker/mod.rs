//! Stops calling a dependency that fails, and tries again with a few calls.
//!
//! A dependency that is down takes a timeout's worth of every caller's time, and the calls that it does not answer keep
//! it down. A circuit breaker notices, refuses further calls within nanoseconds, and lets a few probes through after a
//! while. Put one round each dependency, not round each route; [`KeyedCircuitBreaker`] keeps one for each of many hosts.
//!
//! Whether it is the right one: [which limit to use when](crate::docs::which_limit).
//!
//! # Examples
//!
//! ```
//! use seaworthy::{Refusal, breaker::{CircuitBreaker, Window}};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let payments = CircuitBreaker::builder("payments").window(Window::Consecutive(2)).build().unwrap();
//! let mut client = ServiceBuilder::new()
//!     .layer(payments.layer())
//!     .service(service_fn(async |_: ()| Err::<(), _>(std::io::Error::other("down"))));
//!
//! for _ in 0..2 {
//!     client.ready().await.unwrap().call(()).await.unwrap_err();
//! }
//! let error = client.ready().await.unwrap().call(()).await.unwrap_err();
//! assert_eq!(Refusal::find(error.as_ref()).unwrap().to_string(), "breaker `payments`: circuit is open");
//! # }
//! ```
//!
//! # How it decides
//!
//! **Closed**: calls go through, and their outcomes go into a [`Window`]. When a failure or a slow call is recorded, and
//! the window has the minimum of calls, the circuit opens if `failures × 100 ≥ calls × failure_rate`, or the same for
//! slow calls. Thresholds are `≥`, in whole numbers. A rate below the minimum is not known, which is not zero.
//!
//! **Open**: calls are refused, and the inner service is not even polled. The n-th opening in a row lasts
//! `min(open × 2ⁿ⁻¹, open_max)`, less a random share of up to `open_jitter`. One opening is forgotten for each time of
//! its own length that the circuit has been closed, so that a dependency which flaps is left alone for longer, and one
//! which has recovered starts afresh.
//!
//! **Half-open**: the first call after that makes it so. As many calls as there are `probes` go through, further ones are
//! refused. A probe that is dropped gives its slot back at once, one that hangs at its deadline; what it shows after that
//! counts no more. When more probes have hung than there are slots, the circuit opens again. It closes as soon as
//! `probe_success_rate` percent of the probes have succeeded, and opens as soon as they no longer can. Where slow calls
//! are looked at, a slow probe is a failed one.
//!
//! Each change of state begins a new generation: what was let in before it goes on, and has no say after it. A call that
//! is refused by a policy further in, or that a caller gave up, says nothing about the dependency (see
//! [`Outcome`](crate::outcome::Outcome)); [`CircuitBreaker::call`] cannot see into your own error type, so nest guards
//! there with [`CircuitBreaker::call_classified`]. Over HTTP (`CircuitBreaker::http_layer`, feature `http`) a call ends
//! with its response's body.
//!
//! A caller that was let in and still waits for the inner service when the circuit opens goes on waiting: turning it away
//! could leave its place in an inner queue behind.
//!
//! The time window is ten buckets for each of up to 16 groups of threads: what counts ended between nine tenths of its
//! length ago and now, at least. Their sum is exact but for calls that are being recorded at that moment, one a thread
//! at most. The count window is a ring of exactly the last calls.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`window`](CircuitBreakerConfig::window) | 30 s | Polly's sampling duration; rides out a deployment's blip, forgets an outage within a minute |
//! | [`failure_rate`](CircuitBreakerConfig::failure_rate) | 50 % | Resilience4j's |
//! | [`minimum_calls`](CircuitBreakerConfig::minimum_calls) | 20 | under a call a second; the 100 of Resilience4j and Polly leave a small service without protection |
//! | [`slow_calls`](CircuitBreakerConfig::slow_calls) | off | what is slow, only you know; a timeout inside makes slowness a failure |
//! | [`open`](CircuitBreakerConfig::open) | 5 s | Polly's break duration |
//! | [`open_max`](CircuitBreakerConfig::open_max) | 60 s | Resilience4j's wait in the open state |
//! | [`open_jitter`](CircuitBreakerConfig::open_jitter) | 20 % | gRPC's connection backoff has ±20 %; here it only shortens, so that the longest is the longest |
//! | [`probes`](CircuitBreakerConfig::probes) | 5 | half of Resilience4j's 10; each is a caller's request at risk |
//! | [`probe_success_rate`](CircuitBreakerConfig::probe_success_rate) | 60 % | more than half of five, as Resilience4j's rate of 50 % asks |
//! | [`probe_deadline`](CircuitBreakerConfig::probe_deadline) | 10 s | well over an attempt's timeout, which should end it first |
//! | [`cancelled`](CircuitBreakerConfig::cancelled) | ignored | a caller's impatience says nothing about the dependency |
//!
//! Settings can be [changed](CircuitBreaker::reconfigure) while the breaker is in use; the window keeps what it has.
//! [`shadow`](CircuitBreakerConfig::shadow) lets everything through and counts what would have been refused: look at
//! that for a week before you let it refuse. [`CircuitBreaker::force_open`] and its siblings are for the operator.
//!
//! # Telemetry
//!
//! Each change of state is an [event](crate::events) with its reason, such as `closed to open: 60% of 25 calls failed`.
//! The [inventory](crate::inventory) entry has kind `breaker`, the state, the settings in force, and the counters
//! `calls`, `failed`, `slow`, `ignored`, `cancelled`, `refused`, `would_refuse` and, with one circuit, `expired_probes`.
//! [`CircuitBreaker::snapshot`] has the rates and the time of the next attempt.
//!
//! # Interaction
//!
//! Inside a retry, so that each attempt is seen (a refusal of this breaker is not worth retrying); outside of the
//! attempt's timeout, so that a timeout counts as a failure; outside of a bulkhead. The permit is taken when the service
//! is asked whether it is ready; one that is going to refuse is ready at once. A keyed layer learns the key from the
//! request, so it is always ready, waits for the inner service in its future, and needs it to be `Clone`.
//!
//! tower has no circuit breaker. Compared with others: tower-resilience's count window never slides and its half-open
//! state can wedge; seatbelt polls the inner service while it is open, and keeps keys without bound; failsafe and
//! recloser let everybody through when half-open. None takes the outcome at the end of a body. On two threads they
//! reach 0.4 to 1.4 of one thread's throughput, the time window here 2.0: `cargo bench -p seaworthy-peers -- breaker`.

mod circuit;
mod config;
mod engine;
mod error;
mod future;
mod keyed;
mod layer;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod permit;
mod rules;
mod service;
mod snapshot;
mod state;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;
mod window;

pub use config::{CircuitBreakerConfig, SlowCalls, Window};
pub use error::CircuitOpen;
pub use future::{Call, ResponseFuture};
pub use keyed::{Key, KeyedCircuitBreaker, KeyedCircuitBreakerLayer, KeyedCircuitBreakerService};
pub use layer::{CircuitBreaker, CircuitBreakerBuilder, CircuitBreakerLayer};
pub use service::CircuitBreakerService;
pub use snapshot::Snapshot;
pub use state::State;

#[cfg(feature = "http")]
pub(crate) use {future::Observed, permit::Permit, service::Door};
