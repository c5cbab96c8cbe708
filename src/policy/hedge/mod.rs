//! Asks a second time when the answer is late, and takes the first success.
//!
//! Where one answer in a hundred takes long, because a machine is busy or a packet was lost, a second question is likely
//! to be answered at once: "The Tail at Scale" (Dean and Barroso, CACM 2013) asks again after the 95th percentile, and so
//! cuts the tail for about 5 % more load. Put a hedge round what is read, such as a replicated store. What is slow as a
//! whole it does not make faster, and the [`Budget`](crate::budget::Budget) sees to it that it is not made slower either.
//!
//! # Examples
//!
//! ```
//! use std::{future::pending, time::Duration};
//! use seaworthy::{attempt::Attempt, hedge::Hedge, replay::Idempotent};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct Balance;
//! impl Idempotent for Balance {} // reading it twice changes nothing
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let accounts = Hedge::builder("accounts").after(Duration::from_millis(5)).build().unwrap();
//! let mut client = ServiceBuilder::new().layer(accounts.layer()).service(service_fn(async |_: Balance| {
//!     if Attempt::current() == Attempt::FIRST {
//!         pending::<()>().await; // lost on its way
//!     }
//!     Ok::<_, std::io::Error>(42)
//! }));
//! assert_eq!(client.ready().await.unwrap().call(Balance).await.unwrap(), 42);
//! # }
//! ```
//!
//! # How it decides
//!
//! **When**: a call that is answered on its first poll touches no timer. One that has to wait is hedged when it has waited
//! for the [`Delay`], once: there are never more than two attempts at a request. It is not hedged if nothing proves that it
//! may be under way twice (see [`Replay::concurrent`](crate::replay::Replay::concurrent)), if the deadline comes first, or
//! if the budget does not pay for it, in this order, so that nothing is paid for that does not take place. Its first
//! attempt is waited for then.
//!
//! **Who wins**: the first success, by the layer's classification; the other attempt is dropped before the answer is
//! returned, and gives back what it held. Any other end waits for the other attempt if that is under way, and is dropped;
//! so a second attempt that an open circuit refuses does not beat a first one that still runs. If neither succeeds, the
//! last end is returned. A first attempt that fails before the second one is sent is returned as it is: whether to try
//! again is a [`Retry`](crate::retry::Retry)'s decision.
//!
//! **How late is late**: [`Percentile`] follows what the first attempts of the last 20 to 30 s took, from the first poll
//! that had to wait to the end. They are counted in steps of at most 12.5 %, and the delay is the upper end of a step: so
//! it is the percentile or up to 12.5 % more (below half a millisecond up to 65.5 µs), and no more calls are hedged than it
//! says. It is looked for again every 100 ms. What counts:
//!
//! - first attempts that succeed, with what they took; those that are answered at once, with nothing;
//! - first attempts that lost, or were given up after the delay, with what they had taken by then. They would have taken
//!   longer, but they lie above the percentile either way, and that is all that it depends on. Without them the delay would
//!   fall and fall, as the slow ones of each round would be missing from the next;
//! - nothing else: a failure may come at any time, one that is given up before the delay may have been of any length, and
//!   what cannot be hedged may be of another kind.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`after`](HedgeConfig::after) | the 95th percentile | Dean and Barroso's: about 5 % more load |
//! | [`min`](Percentile::min) | 1 ms | the granularity of tokio's timer |
//! | [`max`](Percentile::max) | 5 s | the total of a [`Retry`](crate::retry::Retry), a caller's patience |
//! | [`fallback`](Percentile::fallback) | 500 ms | a third of a [`Timeout`](crate::timeout::Timeout)'s 1.5 s, so that most of it is left for the second attempt |
//! | [`minimum_calls`](Percentile::minimum_calls) | 100 | five of them lie above the 95th |
//! | further attempts | 1 | Dean and Barroso's secondary request; Polly's too |
//! | budget | one of its own, with [its defaults](crate::budget) | a delay bounds nothing when everything has become slow |
//!
//! Settings can be [changed](Hedge::reconfigure) while the hedge is in use; what is known of recent calls stays. With a
//! fixed delay nothing is recorded, so that a percentile which is set later begins with the fallback.
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory) entry has kind `hedge`, the settings in force with the present `delay`, and these
//! counters:
//!
//! | counter | requests |
//! |---|---|
//! | `calls` | all |
//! | `hedged` | whose second attempt was sent |
//! | `won`, `lost` | of these, that the second or the first attempt answered; neither if both failed or nobody waited |
//! | `unrepeatable` | that had to wait and cannot be sent twice |
//! | `out_of_time` | that had to wait with less time left than the delay |
//! | `out_of_budget` | that were waited for alone, as the budget did not pay |
//! | `elapsed` | that the deadline ended |
//! | `cancelled` | whose future was dropped before it ended; a panic inside counts here |
//!
//! If `won` is a small part of `hedged`, what is slow is slow for everybody, and the hedge is of no use.
//!
//! # Interaction
//!
//! Inside a retry and a timeout for the whole; outside of the breaker and of an attempt's timeout, so that these see each
//! attempt. Outside of the balancer, so that the second attempt may reach another replica. A queue or a limit of
//! concurrency belongs outside: inside, waiting for it counts as slowness, and the second attempt joins the queue. It does
//! not hold a place that the first one waits for, and leaves the queue when the first one wins; the budget has paid
//! nevertheless.
//!
//! The inside finds the second attempt's number in [`Attempt`](crate::attempt::Attempt): one more than that of the first,
//! which is 1 unless a retry outside has counted on. Give one budget to both, so that it bounds them together; a
//! request that goes through both pays once.
//!
//! The layer is always ready, and needs a `Clone` service: the second attempt is on a clone. tower's own `Hedge` takes
//! whichever attempt ends first, an error too; it has no budget, makes a timer and a clone for every call, takes a lock on
//! a histogram twice for each, and does not record what lost.

mod config;
mod future;
mod latency;
mod layer;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod pace;
mod rules;
mod service;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;

pub use config::{Delay, HedgeConfig, Percentile};
pub use future::{Call, ResponseFuture};
pub use layer::{Hedge, HedgeBuilder, HedgeLayer};
pub use service::HedgeService;
