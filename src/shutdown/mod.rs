//! Takes a service out of traffic without dropping what it has begun.
//!
//! A process that ends when it is told to loses the requests that it has begun and those that are still sent to it.
//! [`Shutdown`] leads through the phases that avoid both, each with a deadline, and knows nothing of HTTP: a server, a
//! consumer or a plain loop can be under it. Over HTTP the `ShutdownLayer` counts requests (feature `http`).
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use seaworthy::shutdown::{Cause, Shutdown};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let shutdown = Shutdown::builder().hold(Duration::ZERO).build().unwrap();
//! let draining = shutdown.draining();
//! shutdown.tracker().spawn(async move { draining.draining().await });
//! shutdown.on_shutdown("flush", || async { Ok(()) });
//!
//! shutdown.begin(Cause::Requested); // or `drive_by_signals` below
//! let drained = shutdown.drive(&tokio::runtime::Handle::current()).await;
//! assert!(drained.is_whole());
//! # }
//! ```
//!
//! # How it decides
//!
//! | phase | what happens | ends |
//! |---|---|---|
//! | [`Holding`](Phase::Holding) | `on_begin` callbacks (readiness says no); everything is still accepted and served | after `hold`; at once after `SIGINT` |
//! | [`Draining`](Phase::Draining) | listeners close, [`Draining`] tokens fire; requests, connections and tracked tasks may finish | when none is left, or after `drain`: the rest is dropped |
//! | [`Hooks`](Phase::Hooks) | hooks, the last one added first, each with an even share of the time left | when all are done, or after `hooks` |
//! | [`Stopped`](Phase::Stopped) | nothing | |
//!
//! What else happens in a phase is told with it: readiness turns as `Holding` begins; listeners close, idle connections
//! end, `Connection: close` and GOAWAY go out as `Draining` begins.
//!
//! A second signal cuts everything and skips the hooks. [`Drained::exit_code`] tells how it went: 0 whole, 3 something
//! was cut or a hook failed, 70 the runtime was stalled, 130 or 143 a second signal.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | `hold` | 5 s | endpoints are removed concurrently with `SIGTERM`, and load balancers poll |
//! | `drain` | 20 s | twice the default deadline of a request |
//! | `hooks` | 3 s | flushes and goodbyes |
//! | `grace_period` | 30 s | Kubernetes' `terminationGracePeriodSeconds`; the others must fit into it |
//!
//! # Telemetry
//!
//! Events of kind `shutdown` (each phase entered), `shutdown_phase` (how each ended and how long it took) and
//! `shutdown_hook`. The inventory entry has kind `shutdown` and the phase as its state.
//!
//! # Interaction
//!
//! `axum::serve(…).with_graceful_shutdown(shutdown.closing())` stops accepting with it, but has no deadline: spawn it,
//! await [`Shutdown::drive_by_signals`], and give the server a second after that to send its last bytes.

mod config;
mod drive;
mod handle;
mod hooks;
mod idle;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod phase;
mod signal;
#[cfg(test)]
mod tests;
mod tracker;

pub use config::ShutdownConfig;
pub use handle::{Shutdown, ShutdownBuilder};
pub use phase::{Cause, Drained, Phase};
pub(crate) use signal::Signals;
pub(crate) use tracker::OpenConnection;
pub use tracker::{Draining, InFlight, Tracker};
