//! Answers in another way when the inside was refused or failed.
//!
//! A page with yesterday's prices is worth more than no page. Where an answer from a cache, a default or a second source
//! will do, a fallback gives it as soon as the guards inside say no. It hides the failure from callers, and so must not hide
//! it from you: its counters say how much of the service lives on fallbacks. Have none where a wrong answer is worse than
//! none, and none that leans on what has just failed. What is seldom used is seldom tried: try it with a
//! [`Chaos`](crate::chaos).
//!
//! # Examples
//!
//! ```
//! use seaworthy::{BoxError, Refusal, fallback::Fallback};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let prices = Fallback::builder("prices").build().unwrap();
//! let client = ServiceBuilder::new()
//!     .layer(prices.layer(|error: BoxError| async move {
//!         match Refusal::find(error.as_ref()) {
//!             Some(_) => Err(error), // passed on
//!             None => Ok(42),
//!         }
//!     }))
//!     .service(service_fn(|_: ()| async { Err::<u32, _>(std::io::Error::other("down")) }));
//! assert_eq!(client.oneshot(()).await.unwrap(), 42);
//! # }
//! ```
//!
//! # How it decides
//!
//! An answer of the inside is returned as it is. For an error, in this order:
//!
//! 1. A [`Refusal`](crate::Refusal) in it leads to the fallback, by a timeout too. Not so if it is the caller's own doing:
//!    the deadline has passed, so that nobody waits for another answer, or the request's body was too large or too slow.
//! 2. Any other error is a failure, and leads to the fallback unless [`on`](FallbackConfig::on) says refusals only.
//! 3. Nothing is begun after the [deadline](crate::deadline): the error is returned.
//!
//! What the inside held is given back before the fallback begins. The fallback runs once, under what is left of the deadline,
//! and its end is the call's end.
//!
//! An error of readiness answers one call: the service is ready then, that call goes to the fallback and not to the inside,
//! and the inside is asked again for the next one. tower lets a caller discard a service that is not ready any more;
//! with a fallback outside nobody would, so that what has come back must be found by asking. What is dead says so again.
//! An error that does not lead to the fallback is returned as the error of readiness that it is.
//!
//! Over HTTP (`Fallback::http_layer`, feature `http`) a response of 5xx leads to the fallback as an error does. A body that
//! breaks after a good head does not: something has been sent already. A deadline in the request's extensions holds as the
//! task's does.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`on`](FallbackConfig::on) | refusals and failures | for the caller one is as bad as the other |
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory) entry has kind `fallback`, state `on`, the settings in force, and these counters:
//!
//! | counter | calls |
//! |---|---|
//! | `calls` | all |
//! | `used_on_refusal`, `used_on_failure` | that the fallback was begun for |
//! | `failed` | of these, whose fallback ended in an error too, or passed it on |
//! | `passed` | whose error is not for the fallback |
//! | `too_late` | whose error came after the deadline |
//! | `cancelled` | whose future was dropped before it ended; a panic, inside or in the fallback, counts here |
//!
//! `used_on_refusal` plus `used_on_failure` by `calls` is the share of the service that lives on fallbacks. Alert on it: what
//! callers see does not show it.
//!
//! # Interaction
//!
//! Outermost of what guards a call: outside of the retry, so that there are attempts before there is a fallback; outside of
//! the breaker, the bulkhead and the timeouts, which see the failure and not the fallback's answer, and whose refusals are
//! what it is for. Only a timeout for the whole belongs outside of it, so that the fallback has a limit, too.
//! It adds no readiness of its own and needs no `Clone` service. tower has no such layer; its `ServiceExt::or_else` does
//! not know a refusal from a failure, and counts nothing.

mod answer;
mod config;
mod engine;
mod future;
mod layer;
mod rules;
mod service;
#[cfg(test)]
mod tests;

pub use answer::{Answer, ForRequest};
pub use config::{FallbackConfig, On};
pub use future::{Call, ResponseFuture};
pub use layer::{Fallback, FallbackBuilder, FallbackLayer};
pub use service::FallbackService;

#[cfg(feature = "http")]
pub(crate) use {
    engine::End,
    future::{Rescue, under},
    rules::Rules,
    service::Gate,
};
