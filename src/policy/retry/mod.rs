//! Tries again what failed, within a budget and a deadline.
//!
//! Much that fails works a moment later: a connection that was just closed, a replica that is being replaced. Trying
//! again hides that from the caller. It also multiplies the load of a dependency when that can bear it least, so a retry
//! needs three bounds: a number of attempts for the request, a deadline for the caller's patience, and a
//! [budget](crate::budget) for the dependency. And it needs a proof that the request may arrive twice.
//!
//! # Examples
//!
//! ```
//! use std::io;
//! use seaworthy::{attempt::Attempt, replay::Idempotent, retry::Retry};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! #[derive(Clone)]
//! struct Balance(u64);
//!
//! // Reading it twice changes nothing.
//! impl Idempotent for Balance {}
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let ledger = Retry::builder("ledger").build().unwrap();
//! let client = ServiceBuilder::new().layer(ledger.layer()).service(service_fn(async |read: Balance| {
//!     match Attempt::current().number() {
//!         1 => Err(io::Error::other("connection lost")),
//!         _ => Ok(read.0 * 100),
//!     }
//! }));
//! assert_eq!(client.oneshot(Balance(7)).await.unwrap(), 700);
//! # }
//! ```
//!
//! # How it decides
//!
//! When an attempt has ended, [`Appraise`] says whether its end is worth a further one: by default an error is, unless
//! it is a [`Refusal`](crate::Refusal) that says nothing about the dependency, such as an open circuit's. Then, in this
//! order: there must be attempts left; the schedule must have a delay left; the delay must end before the deadline, or
//! the last end is returned at once; the request must be one that can be sent again ([`Replay`](crate::replay::Replay));
//! and the budget must pay for it. The old response and the old attempt are dropped before the wait, so that neither a
//! connection nor a permit is held by somebody who sleeps. Each attempt waits for a ready service, on a clone of its own
//! but for the first.
//!
//! The n-th delay `dₙ` comes from the schedule and is at most the cap `c`. Jitter draws evenly from
//!
//! | jitter | from | to |
//! |---|---|---|
//! | [none](Jitter::None) | `min(c, dₙ)` | `min(c, dₙ)` |
//! | [full](Jitter::Full) | 0 | `min(c, dₙ)` |
//! | [equal](Jitter::Equal) | half of `min(c, dₙ)` | `min(c, dₙ)` |
//! | [decorrelated](Jitter::Decorrelated) | `d₁` | three times the last delay, and then at most `c` |
//!
//! These are the formulas of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), and its simulation gives the
//! published figures with them: of a hundred clients who contend for one row, those with full jitter make 796 calls,
//! those with exponential backoff alone 1846. A dependency that says when to come back is not asked before that time; the
//! delay is added to it, because others were told the same.
//!
//! The deadline is the sooner of the [total](RetryConfig::total) and of what a caller has set
//! ([`Deadline`](crate::deadline::Deadline)). It ends an attempt that is under way, and what is inside sees it. A
//! request whose deadline has passed is not even tried.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`attempts`](RetryConfig::attempts) | 3 | as in the AWS SDKs' standard mode |
//! | [`backoff`](RetryConfig::backoff) | 50 ms, doubling up to 1 s, full jitter | AWS's base of 50 ms and its jitter; a cap of 20 s as there would outlast the total |
//! | [`total`](RetryConfig::total) | 5 s | three attempts of 1.5 s with their backoff fit into it |
//! | [budget](crate::budget::BudgetConfig) | 20 % + 10/s, reserve 10 | Finagle's and Envoy's |
//!
//! Settings can be [changed](Retry::reconfigure) while it is in use.
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory) entry has kind `retry`, the settings in force, and the counters `calls`, `retried`
//! (further attempts), `exhausted` (no attempt or delay was left), `unrepeatable`, `out_of_time` (the next one would have
//! come too late), `out_of_budget`, `elapsed` (the deadline passed during an attempt or a wait, or before the first), and
//! `cancelled`. Its own budget has an entry of kind `budget`.
//!
//! # Interaction
//!
//! Outside of the circuit breaker, which sees each attempt, and of the attempt's timeout; inside of whatever bounds the
//! caller's patience. The layer is always ready, and what is inside must be `Clone`. Give every retry and
//! [hedge](crate::hedge) of one dependency the same budget. Retries at several levels multiply: three services in a row
//! with three attempts each make 27 of one; the budget bounds that too, but one level is enough.
//!
//! Over HTTP `Retry::http_layer` (feature `http`) looks at statuses and `Retry-After`, takes a method or an
//! `Idempotency-Key` for proof, and repeats bodies up to a limit; `Retry::grpc_layer` (feature `grpc`) does so for gRPC.
//!
//! tower's `Retry` leaves policy, backoff, proof and HTTP to the user, draws the same jitter for every request, and its
//! budget of 60 % allows 100 %. seatbelt calls clones that nobody has asked whether they are ready. backon adds its jitter
//! after the cap. None of them knows the caller's deadline.

mod appraise;
mod backoff;
mod config;
mod engine;
mod future;
mod layer;
mod rules;
mod service;
#[cfg(test)]
mod tests;
#[cfg(feature = "backoff")]
mod unmaintained;

#[cfg(feature = "http")]
pub(crate) use appraise::of_refusal;
pub use appraise::{Appraisal, Appraise, ByOutcome};
pub use backoff::{Backoff, Jitter};
pub use config::RetryConfig;
pub use future::{Call, ResponseFuture};
pub use layer::{Retry, RetryBuilder, RetryLayer};
pub use service::RetryService;
