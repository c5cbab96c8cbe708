//! Injects faults on purpose, if a cargo feature and the settings both say so.
//!
//! Guards that have never seen a fault are a hope. A chaos beside a client, or beside a service, lets answers come late,
//! fail, hang or break off, in a share of calls and for a time, so that you see what the guards do before the first bad
//! night does.
//!
//! The module is always there, so that its layer can stay where it is wired; the code that injects exists only with the
//! cargo feature `chaos`, which is in no other feature. Without it the layer passes through whatever the settings say, and
//! the inventory says `not compiled in`. With it, nothing happens until [`enabled`](ChaosConfig::enabled) says so.
//!
//! # Examples
//!
//! ```
//! use seaworthy::chaos::{Chaos, InjectedFault};
//! use seaworthy::inventory::Describe;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let chaos = Chaos::builder("payments").enabled(true).error_share(1.0).build().unwrap();
//! let client = ServiceBuilder::new()
//!     .layer(chaos.layer())
//!     .service(service_fn(|_: ()| async { Ok::<_, std::io::Error>(42) }));
//! match client.oneshot(()).await {
//!     Ok(_) => assert_eq!(chaos.describe().state, "not compiled in"),
//!     Err(error) => assert!(InjectedFault::find(error.as_ref()).is_some()),
//! }
//! # }
//! ```
//!
//! # How it decides
//!
//! For each call one number is drawn from 0 up to 1, and the shares lie side by side below it: so a call has one fault at
//! most, and the shares are at most 1 in all. With a [`seed`](ChaosBuilder::seed) the same calls in the same order have the
//! same faults, also if the [`Schedule`] begins elsewhere. It counts from when the settings enabled the faults.
//!
//! | fault | what it does |
//! |---|---|
//! | latency | calls the inside and holds its answer back, at most until the [deadline](crate::deadline): who has given up by then finds that the work was done |
//! | error | does not call the inside; the error is an [`InjectedFault`] |
//! | hang | does not call the inside, and never ends: a deadline or a caller must end it |
//! | disconnect | does not call the inside; the error is an I/O error, `ConnectionReset`, with the [`InjectedFault`] in it; through [`Chaos::call`] it is [`Faulted::Injected`], as an error is, and the fault tells which. Over HTTP (`Chaos::http_layer`) the inside is called, the response's head comes, and its body breaks off with that error; if it has none, that error comes instead |
//!
//! It is drawn when a call asks whether it may come, so that an inside which is not called is not asked either and holds
//! nothing for it. Whoever is let in may come much later. If faults are off or out of their schedule by then, nothing is
//! done to a call whose inside was asked: no latency, and over HTTP no disconnect. An error, a hang or a plain disconnect
//! still happens, once for each service that was let in and has not called yet, as the inside was not asked and cannot be
//! called; a service that is readied anew is free of it.
//!
//! For another schedule for each fault, put one chaos inside another.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`enabled`](ChaosConfig::enabled) | `false` | faults are what somebody asks for |
//! | shares | 0 | each fault is chosen |
//! | [`latency`](ChaosConfig::latency) | 100 ms | more than most calls take, less than most limits |
//! | [`schedule`](ChaosConfig::schedule) | always, once it is enabled | |
//!
//! Settings can be [changed](Chaos::reconfigure) while it is in use. While it is off a call costs a look at a flag, and over
//! HTTP one at the request's extensions: no clock is read, and nothing is drawn, allocated or counted.
//!
//! # Telemetry
//!
//! Turning it on or off is an event of state, any change one of settings. The [inventory](crate::inventory) entry has kind
//! `chaos`, state `not compiled in`, `off` or `on`, the settings, and the counters `calls` (while it was on), `latency`,
//! `error`, `hang` and `disconnect`. Alert on the state in production.
//!
//! # Interaction
//!
//! Outbound innermost, next to the client: all guards see the fault as they would see the dependency's. Inbound next to the
//! service, inside all layers: callers, and their guards, see a service that fails. An injected fault is no
//! [`Refusal`](crate::Refusal), so that breakers and retries take it for the failure it stands for. tower has no such
//! layer.

mod config;
mod error;
mod future;
mod layer;
mod service;

#[cfg(feature = "chaos")]
mod armed;
#[cfg(any(not(feature = "chaos"), all(test, not(seaworthy_loom))))]
mod inert;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;

#[cfg(feature = "chaos")]
use armed as switch;
#[cfg(not(feature = "chaos"))]
use inert as switch;

pub use config::{ChaosConfig, Latency, Schedule};
pub use error::{Faulted, InjectedFault};
pub use future::{Call, ResponseFuture};
pub use layer::{Chaos, ChaosBuilder, ChaosLayer};
pub use service::ChaosService;

#[cfg(feature = "http")]
pub(crate) use {service::Door, switch::Injected};
