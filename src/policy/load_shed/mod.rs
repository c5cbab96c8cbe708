//! Refuses what matters least when there is too much to do.
//!
//! A service that gets three times what it can do answers a third, and by itself it does not choose which. With this it
//! does: each request has a [class](crate::criticality), and when the pressure rises the sheddable ones are refused
//! first, at once and cheaply, so that critical ones find it as on any other day. Put it inbound, in front of an adaptive
//! limit that is its signal.
//!
//! Whether it is the right one: [which limit to use when](crate::docs::which_limit).
//!
//! # Examples
//!
//! ```
//! use seaworthy::{adaptive::AdaptiveLimit, criticality::Criticality, load_shed::LoadShed};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let limit = AdaptiveLimit::builder("orders").build().unwrap();
//! let shed = LoadShed::builder("orders").signal("limit", limit.clone()).build().unwrap();
//! let mut service = ServiceBuilder::new()
//!     .layer(shed.layer())
//!     .layer(limit.layer())
//!     .service(service_fn(|order: u32| async move { Ok::<_, std::io::Error>(order + 1) }));
//! let report = async { service.ready().await.unwrap().call(1).await };
//! assert_eq!(Criticality::Sheddable.scope(report).await.unwrap(), 2);
//! # }
//! ```
//!
//! # How it decides
//!
//! Each signal says how close something is to its limit, from 0 to 1 ([`Pressure`](crate::pressure::Pressure)). The one
//! that is closest counts. A request is refused with [`Shed`] from the pressure on that is
//! [set for its class](LoadShedConfig::refuse_from). The signals are
//!
//! - what you [add](LoadShedBuilder::signal): an adaptive limit, whose pressure is the share of it that is in
//!   use, so that the last tenth is for what is critical-plus, the last two tenths for all that is critical and so on
//!   (telephone exchanges know this as trunk reservation); [`MemoryPressure`], the memory of the container; and any
//!   `Fn() -> f64`, such as the length of a backlog;
//! - the queue behind it, by itself: how long calls wait for the inner service to be ready, such as for a place in
//!   a bulkhead. Of the waits within 100 ms the shortest counts ([CoDel](https://www.rfc-editor.org/rfc/rfc8289)): a burst
//!   is what queues are for, but where everybody waits the queue does nothing but delay. Its pressure is 1 at
//!   [`queue_delay`](LoadShedConfig::queue_delay). Where none gets through, the longest wait that was given
//!   up counts; while new calls wait and none does even that, it stays as it was. A call that is refused or fails at once
//!   says nothing. Who waits in its own future, as for a place in a partition or
//!   of a key, is not seen.
//!
//! Which class a request has is said by the [task](crate::criticality::Criticality::scope), or by a function of the request
//! ([`LoadShed::layer_by`]). Over HTTP (`CriticalityLayer`, feature `http`) it comes from the endpoint's declaration or,
//! from callers that are trusted, from a header.
//!
//! Whatever was let in is not taken back. It keeps no place itself: between its look at a limit and the place that is
//! taken there, others may come. What the limit has no place for is refused there, whatever its class.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`refuse_from`](LoadShedConfig::refuse_from) | 0.7, 0.8, 0.9, 1 | a tenth of the places for each class above the last; all that is refused at 1 would be anyway |
//! | [`queue_delay`](LoadShedConfig::queue_delay) | 30 ms | sheddable requests go from 21 ms on: WeChat's DAGOR takes 20 ms for overload ([Zhou et al., 2018](https://arxiv.org/abs/1806.04075)) |
//!
//! Settings can be [changed](LoadShed::reconfigure) while it is in use.
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory) entry has kind `load_shed`, the state `open` or `shedding`, the settings in force, and
//! with them the pressure of the `queue` and of each signal in percent. It has two counters for each class, such as
//! `calls_critical` (let in) and `refused_critical`. A change of settings is an [event](crate::events).
//!
//! # Interaction
//!
//! Inside the deadline and the rate limits, so that one client's flood sheds nobody else; outside of the adaptive limit and of
//! the bulkheads. It is always ready, waits for the inner service in its future, and needs it to be `Clone`.
//!
//! tower's `LoadShed` refuses when the inner service is not ready: all alike, and on the first sign of a burst.

mod config;
mod engine;
mod error;
mod future;
mod layer;
mod memory;
mod service;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;

pub use config::LoadShedConfig;
pub use error::Shed;
pub use future::{Call, ResponseFuture};
pub use layer::{LoadShed, LoadShedBuilder, LoadShedLayer};
pub use memory::MemoryPressure;
pub use service::{Classed, LoadShedService, OfTheTask};
