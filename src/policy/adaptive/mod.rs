//! Caps how many calls are under way at once, and finds out itself how many that should be.
//!
//! A fixed limit is right on the day it is measured. This one measures all the time: while calls take as long as they
//! do when nobody waits, it lets in more; when they begin to wait for each other, it lets in fewer. Put it inbound in front
//! of your service, or round a dependency whose capacity you do not know. Where you do know it, a
//! bulkhead is simpler; where clients have a fair share each, a rate limit is.
//!
//! Whether it is the right one: [which limit to use when](crate::docs::which_limit).
//!
//! # Examples
//!
//! ```
//! use seaworthy::adaptive::AdaptiveLimit;
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let search = AdaptiveLimit::builder("search").initial(50).build().unwrap();
//! let mut service = ServiceBuilder::new()
//!     .layer(search.layer())
//!     .service(service_fn(|word: u32| async move { Ok::<_, std::io::Error>(word + 1) }));
//! assert_eq!(service.ready().await.unwrap().call(1).await.unwrap(), 2);
//! assert_eq!(search.snapshot().limit, 50);
//! # }
//! ```
//!
//! # How it decides
//!
//! Calls that end within a [`window`](AdaptiveConfig::window) give their median time and the share that was dropped, that
//! is, ended because they took too long. A window lasts until at least
//! [`minimum_calls`](AdaptiveConfig::minimum_calls) have ended, and for twice their median. Then the
//! [algorithm](LimitAlgorithm) says what the limit is: [`Gradient2`], or [`Aimd`]. Until something is too slow for the
//! first time the limit doubles instead. It does not rise while less than half of it is used, and is kept when nothing
//! comes, so that a burst finds what was there before.
//!
//! **The guard.** How long calls take is compared with a baseline: how long they take when they wait for nothing. Other
//! limits average that over the past; then calls that become slower little by little, because of the load, raise the
//! baseline, that raises the limit, and that the load
//! ([Netflix/concurrency-limits#137](https://github.com/Netflix/concurrency-limits/issues/137),
//! [failsafe-go#127](https://github.com/failsafe-go/failsafe-go/issues/127)). Here the baseline is the median of the first
//! 400 calls. It falls when as many are faster by a sixth, and never rises by itself. When calls have been slower
//! for the time of [`doubt`](AdaptiveConfig::doubt), or the limit has been halved since they are, a probe is made: so few
//! are let in for a moment that they cannot wait for each other (0.8 of what by Little's law is under way without waiting, or
//! half while no probe has confirmed the baseline; also if that is less than `min`). What they take is the new baseline, higher or lower; if it is much
//! lower, half as many are let in, until that makes no difference. Then the limit is what it was. A probe in which calls do
//! not end is given up, and the next one comes later. A probe costs a part of
//! the capacity for as long as some tens of calls take. Envoy makes one every minute, BBR in TCP every ten seconds.
//!
//! **Outliers.** A median does not notice one call that takes a thousand times as long, and dropped calls count when they
//! are a tenth.
//!
//! How it goes, in a simulation of ten workers that need 10 ms a call on average (`policy::adaptive::tests`): after how
//! long the limit stays within a third of where it settles, the most that it is by then, and how long calls take at the
//! end, as a multiple of 10 ms. Without the guard, windows and all else being the same, calls take as in the last columns.
//!
//! | | Gradient2: settles, most, calls | AIMD: settles, most, calls | unguarded: Gradient2, AIMD |
//! |---|---|---|---|
//! | overload, and then six of ten workers go | 1.3 s, 2.1 ×, 1.9 × | 1.1 s, 2.3 ×, 1.8 × | 9.0 ×, 87 × |
//! | overload, and then thirty workers more | 1.5 s, 1.1 ×, 1.5 × | 1.8 s, 1.1 ×, 1.6 × | 5.4 ×, 8.8 × |
//! | load, and so latency, that rises to three times the capacity in 100 s | 13 s, 1.2 ×, 1.9 × | 5 s, 1.3 ×, 1.7 × | 15 ×, 93 × |
//! | one call of 10 s, at 90 % load | at once, 1.1 ×, 1.5 × | at once, 1.2 ×, 1.5 × | 1.6 ×, 1.6 × |
//! | ten idle seconds, then a burst of three times the capacity | at once, 1.1 ×, 1.7 × | 1.3 s, 1.3 ×, 1.8 × | 5.5 ×, 26 × |
//!
//! In each the guarded ones answer 93 % or more of what can be answered. The one slow call lowers neither limit, guarded
//! or not: for that, windows suffice.
//!
//! A call whose future is dropped counts as dropped if it had taken more than twice the baseline; sooner, or before there
//! is one, it says nothing. An error says nothing, unless it is a timeout's ([`OnlyTimeouts`]); a refusal of ours that is
//! none says nothing. Over HTTP (`AdaptiveLimit::http_layer`, feature `http`) a call ends with the response's head: streams
//! take no place.
//!
//! The layer takes the place when it is asked whether it is ready, and holds it while the inner service is not; nobody
//! waits for a place. Limits are best where calls are of one kind: the median of fast and slow ones jumps when their
//! mixture changes, and calls that stay under way for long, such as long polls, keep places that nobody measures; give
//! them a bulkhead of their own. Calls that never end keep theirs for ever: put a timeout inside.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`initial`](AdaptiveConfig::initial) | 20 | as in Netflix's; it doubles from there within some windows |
//! | [`min`](AdaptiveConfig::min) | 4 | Envoy's least is 3; one core has work with that |
//! | [`max`](AdaptiveConfig::max) | 1000 | as in Netflix's `VegasLimit` |
//! | [`window`](AdaptiveConfig::window) | 100 ms | Envoy's; Netflix has 1 s |
//! | [`minimum_calls`](AdaptiveConfig::minimum_calls) | 50 | Envoy's; their median is wrong by a fifth at most in two of three windows, if times are spread exponentially |
//! | [`doubt`](AdaptiveConfig::doubt) | 10 s | BBR's |
//! | [`algorithm`](AdaptiveConfig::algorithm) | [`Gradient2`] | reacts in proportion; Netflix's newest |
//!
//! Settings can be [changed](AdaptiveLimit::reconfigure) while the limit is in use.
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory) entry has kind `adaptive`, the state `open`, `full` or `probing`, the settings in
//! force, and with them the `limit`, the calls `in_flight`, the `baseline` and the `latency`. It has the counters `calls`
//! (let in), `refused`, `dropped`, `ignored` (ends that say nothing) and `cancelled`. [`AdaptiveLimit::snapshot`] has the
//! same. A change of settings is an [event](crate::events).
//!
//! # Interaction
//!
//! Inbound it stands inside the deadline and the rate limits, and outside of bulkheads, whose queues it sees in how
//! long calls take. Round a dependency it stands inside the retry, which it may refuse, and outside of the attempt's timeout,
//! so that a timeout is seen. Its refusals say nothing to breakers. It says how full it is ([`Pressure`]): a load shed in
//! front of it keeps places for what matters most.
//!
//! [`Pressure`]: crate::pressure::Pressure

mod algorithm;
mod config;
mod engine;
mod error;
mod future;
mod latency;
mod layer;
mod limiter;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod permit;
mod service;
mod snapshot;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;

pub use algorithm::{Aimd, Gradient2, LimitAlgorithm, Window};
pub use config::AdaptiveConfig;
pub use error::Overloaded;
pub use future::{Call, ResponseFuture};
pub use layer::{AdaptiveLimit, AdaptiveLimitBuilder, AdaptiveLimitLayer, OnlyTimeouts};
pub use service::AdaptiveLimitService;
pub use snapshot::Snapshot;
