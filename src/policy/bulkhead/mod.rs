//! Caps how many calls are under way at once, and lets a bounded number wait for a bounded time.
//!
//! A dependency that has become slow collects calls: each takes memory and a connection, and soon whoever calls it has
//! neither for anything else. A bulkhead gives it a number of places. Who finds none waits a moment in a short queue, as
//! bursts are no outages, and is refused after that, while there is time to do something else. Put one round each
//! dependency; inbound, [`PartitionedBulkhead`] keeps places for critical requests that no other can take.
//!
//! Whether it is the right one: [which limit to use when](crate::docs::which_limit).
//!
//! # Examples
//!
//! ```
//! use seaworthy::{Refusal, bulkhead::Bulkhead};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let payments = Bulkhead::builder("payments").concurrent(1).queue(0).build().unwrap();
//! let mut client = ServiceBuilder::new()
//!     .layer(payments.layer())
//!     .service(service_fn(|order: u32| async move { Ok::<_, std::io::Error>(order + 1) }));
//! assert_eq!(client.ready().await.unwrap().call(1).await.unwrap(), 2);
//!
//! let _busy = payments.acquire().await.unwrap();
//! let error = client.ready().await.unwrap().call(1).await.unwrap_err();
//! assert_eq!(Refusal::find(error.as_ref()).unwrap().to_string(), "bulkhead `payments`: no place is free");
//! # }
//! ```
//!
//! # How it decides
//!
//! Whoever asks takes a place if one is free and nobody waits. Otherwise it joins the queue, or is refused with
//! [`BulkheadFull`] if that is full. Places that come free go to those who wait, in the order in which they asked;
//! nobody who comes later overtakes them. A wait ends with a place, after [`wait`](BulkheadConfig::wait), or at the
//! caller's [deadline](crate::deadline), whichever comes first. If a place and the end of the wait are found together, the
//! place counts; but nothing is begun after the deadline. A refusal does not say when to come back: nobody knows.
//!
//! The layer takes the place when it is asked whether it is ready, and holds it while the inner service is not. A service
//! that is ready and never called keeps a place from others: call it soon, or drop it. Its clone has no place. A place comes
//! free when the call's future has ended or was dropped, also by a panic; over HTTP (`Bulkhead::http_layer`, feature
//! `http`) when the response's body has.
//!
//! Partitions are declared by name, each with settings of its own, and share nothing. A name that was not declared goes
//! to the partition that was declared last. [`KeyedBulkhead`] gives each of many keys, such as tenants, places of its own,
//! all with the same settings. It keeps a bounded number of keys, never forgets one that is in use, and refuses a new one
//! for which no idle one can go ([`Reason::TooManyKeys`](crate::Reason::TooManyKeys)).
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`concurrent`](BulkheadConfig::concurrent) | 64 | by Little's law 640 calls a second of 100 ms each; Resilience4j's 25 and the 10 of Hystrix are for calls that hold a thread each |
//! | [`queue`](BulkheadConfig::queue) | 64 | as many as there are places: with the wait below, who joins it has a chance if a call takes less than that |
//! | [`wait`](BulkheadConfig::wait) | 100 ms | rides out a burst; a fifteenth of an attempt's 1.5 s. Resilience4j does not wait, tower waits for ever |
//!
//! Settings can be [changed](Bulkhead::reconfigure) while the bulkhead is in use.
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory) entry has kind `bulkhead`, the state `open` or `full`, the settings in force, and with
//! them the calls `in_flight`, the callers `queued` and the `saturation` in percent (with keys: of the fullest). It has the
//! counters `calls` (let in), `refused`, `timed_out` (those of them that had waited), `cancelled` (gave up while they waited,
//! were ready or were under way), `waited` and `queue_time_us` (all waits together, in microseconds).
//! [`Bulkhead::snapshot`] has the same, and the longest wait. A partitioned bulkhead has an entry for itself and one for
//! each partition. A change of settings is an [event](crate::events).
//!
//! # Interaction
//!
//! Innermost, next to the client: inside the attempt's timeout, which bounds the wait with the call, and inside the breaker,
//! to which a refusal of this says nothing. Inbound it is the last before your service. Partitions need the request, so that
//! layer is always ready, waits in its future, and needs the inner service to be `Clone`; it asks the inner service when it
//! has a place.
//!
//! tower's `ConcurrencyLimit` makes readiness wait without bound, in number and in time, and knows no deadline; each
//! `ConcurrencyLimitLayer` is a limit of its own for every service it makes. tower-resilience's bulkhead is always ready and
//! waits in its future, for as long as it is told, with no bound on how many do. Neither has partitions, nor settings that
//! change, and neither holds the place until the body's end. On two threads they reach 0.4 to 1.4 of one thread's
//! throughput, this one 2.0: `cargo bench -p seaworthy-peers -- bulkhead`.

mod config;
mod error;
mod future;
mod keyed;
mod layer;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod partition;
mod permit;
mod placed;
mod rules;
mod service;
mod snapshot;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;
mod wait;

pub use config::BulkheadConfig;
pub use error::BulkheadFull;
pub use future::{Acquire, Call, ResponseFuture};
pub use keyed::{Key, KeyedBulkhead, KeyedBulkheadLayer, KeyedBulkheadService};
pub use layer::{Bulkhead, BulkheadBuilder, BulkheadLayer};
pub use partition::{
    PartitionedBulkhead, PartitionedBulkheadBuilder, PartitionedBulkheadLayer, PartitionedBulkheadService,
};
pub use permit::Permit;
pub use service::BulkheadService;
pub use snapshot::Snapshot;

#[cfg(feature = "http")]
pub(crate) use {future::Held, permit::Seat, placed::Placed, service::Door};
