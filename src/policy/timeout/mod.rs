//! Ends calls that take too long.
//!
//! A caller that waits without limit holds its memory, its connection and its place in every queue for as long as the
//! slowest dependency likes. Put a timeout round every call that leaves the process, and one round every request that
//! comes in.
//!
//! Whether it is the right one: [which limit to use when](crate::docs::which_limit).
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use seaworthy::{Refusal, timeout::Timeout};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let payments = Timeout::builder("payments").limit(Duration::from_millis(20)).build().unwrap();
//! let mut client = ServiceBuilder::new()
//!     .layer(payments.layer())
//!     .service(service_fn(|_: ()| std::future::pending::<Result<(), std::io::Error>>()));
//!
//! let error = client.ready().await.unwrap().call(()).await.unwrap_err();
//! assert_eq!(Refusal::find(error.as_ref()).unwrap().to_string(), "timeout `payments`: no response within 20ms");
//! # }
//! ```
//!
//! # How it decides
//!
//! The inner future is polled first, so that an answer which is there wins over a limit which has passed. A call that
//! is answered on its first poll never touches a clock or a timer; the limit begins with the first poll that has to
//! wait. Waiting for the inner service to become ready counts.
//!
//! What is left of a caller's [deadline](crate::deadline) bounds the wait as well, and what is inside sees the sooner of
//! the two. A call whose deadline has passed already is refused before anything is started. Such a refusal says nothing
//! about the dependency ([`DeadlinePassed`](crate::Reason::DeadlinePassed)), unlike one by the limit itself: otherwise
//! callers without patience could open a circuit for everybody. If most callers are less patient than the limit, the
//! limit is too long to notice a dependency that hangs.
//!
//! Over HTTP (`Timeout::http_layer`, feature `http`) two more limits hold for the response's body: one from the call to
//! the body's end, one for each silence in it. Idle time runs only while somebody waits for the body. At the edge of a
//! service `HttpTimeoutLayer::callers_deadline` takes the caller's patience from the headers `x-request-timeout-ms` and
//! `grpc-timeout`; `SendDeadlineLayer` tells whoever is called what is left of it.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`limit`](TimeoutConfig::limit) | 1.5 s | three attempts of 1.5 s with their backoff fit into 5 s, a caller's patience |
//! | [`body_total`](TimeoutConfig::body_total) | none | a plain layer cannot know which responses are streams; `App` sets it |
//! | [`body_idle`](TimeoutConfig::body_idle) | none | an event stream may be silent for long; `App` sets it |
//!
//! Each limit is from 1 ms (the granularity of tokio's timer) to 24 h. Limits can be
//! [changed](Timeout::reconfigure) while the layer is in use.
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory) entry has kind `timeout`, the limits in force, and the counters `calls`, `elapsed`
//! and `cancelled` (the future was dropped before it ended; a panic inside counts here).
//!
//! # Interaction
//!
//! Inside a retry and outside of anything that queues: each attempt then has its own limit, and the queue is under it.
//! The layer is always ready and needs a `Clone` service, as a service that is not ready moves into the future. tower's
//! own `Timeout` leaves the wait for readiness unlimited, makes a timer for every call, and cannot reach a body.

mod config;
mod engine;
mod error;
mod future;
mod layer;
mod service;
#[cfg(test)]
mod tests;

pub use config::TimeoutConfig;
pub use error::Elapsed;
pub use future::{Call, ResponseFuture};
pub use layer::{Timeout, TimeoutBuilder, TimeoutLayer};
pub use service::TimeoutService;

#[cfg(feature = "http")]
pub(crate) use {engine::BodyWatch, future::Timed, layer::Shared};
