//! Limits how many requests are let through in a time.
//!
//! A limit on concurrency does not stop a client that asks ten thousand times for something cheap, and a supplier that
//! sells a hundred calls a second does not ask how many are under way. A rate limit does: for all together
//! ([`RateLimit`]), or for each client, tenant or supplier ([`KeyedRateLimit`]). Inbound, put one per endpoint and one per
//! client before whatever sheds load, so that one client's flood sheds nobody else; outbound, let requests
//! [`wait`](RateLimitConfig::wait) for their turn.
//!
//! Whether it is the right one: [which limit to use when](crate::docs::which_limit).
//!
//! # Examples
//!
//! ```
//! use seaworthy::{Refusal, rate_limit::{Quota, RateLimit}};
//! use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let searches = RateLimit::builder("searches").quota(Quota::per_minute(1)).build().unwrap();
//! let mut service = ServiceBuilder::new()
//!     .layer(searches.layer())
//!     .service(service_fn(|_: &str| async { Ok::<_, std::io::Error>("found") }));
//!
//! service.ready().await.unwrap().call("sloop").await.unwrap();
//! let error = service.ready().await.unwrap().call("ketch").await.unwrap_err();
//! let refusal = Refusal::find(error.as_ref()).unwrap();
//! assert_eq!(refusal.to_string(), "rate_limit `searches`: more than 1 requests in 60s");
//! assert!(refusal.retry_after().unwrap().as_secs() >= 59);
//! # }
//! ```
//!
//! Of each client, at most 100,000 of them:
//!
//! ```
//! use seaworthy::rate_limit::{AtCapacity, KeyedRateLimit, Quota, RateLimit};
//!
//! let clients = RateLimit::builder("clients").quota(Quota::per_second(10).burst(20));
//! let clients: KeyedRateLimit<u64> = clients.build_keyed(100_000, AtCapacity::Forget).unwrap();
//! assert!((0..20).all(|_| clients.check(7, 1).is_ok()));
//! assert!(clients.check(7, 1).is_err());
//! assert!(clients.check(8, 1).is_ok());
//! ```
//!
//! # How it decides
//!
//! By the generic cell rate algorithm (GCRA: ITU-T I.371, annex A; ATM Forum TM 4.0), which
//! [`governor`](https://docs.rs/governor) computes: a token bucket that is kept as one number, the time at which all that
//! was given has come back. A request of weight `n` goes through if at least `n` of the burst are back; it is all or
//! nothing. Over any time `t` at most `burst + t × requests / per` go through, whatever the interleaving of clones, tasks
//! and weights. A refusal changes nothing, and says after which time the same request could pass.
//!
//! The decision falls when a request comes, not when the service is asked whether it is ready: what is taken early and
//! used late, or never, is taken from those who come in between. So the service is always ready, waits for the inner one
//! in its future, and needs it to be `Clone`. What was let through has been spent, whatever becomes of it.
//!
//! **Waiting.** With [`wait`](RateLimitConfig::wait) set, a request that finds nothing left gets in line, if its turn
//! comes within that time and before the caller's [deadline](crate::deadline); otherwise it is refused at once, as there
//! is no use in waiting. The line goes in order, nobody overtakes, and each goes as of the moment at which it could,
//! however coarse timers are; if nobody was polled for a while, all whose turn came in it begin together. Whoever is
//! dropped leaves, and those behind move up. Whoever is not polled when its turn comes has had it, and holds up nobody.
//! Nothing is begun after the caller's deadline. A wait allocates; a request that is let through does not.
//!
//! **Keys.** The account of a key whose burst is back is like that of a new one, so it can be forgotten without anybody
//! noticing: that happens when its room is needed, and otherwise in time. [`AtCapacity`] says what happens when all keys
//! have spent something. No key in whose line somebody waits is forgotten; if all are such, a new one is refused even
//! with [`AtCapacity::Forget`]. A limit by key does not protect the service from somebody who has many keys: put one for
//! all beside it.
//!
//! **Changes.** [`RateLimit::reconfigure`] charges the new quota with what the old one had given, in requests: who had
//! spent 150 of 200 has 150 left of 300, and must wait for half of them to come back if there are 100. A decision that
//! falls during the change is by one or the other.
//!
//! **Adaptive.** With [`adaptive`](RateLimitConfig::adaptive) set, [`RateLimit::throttled`] (which the HTTP layer calls
//! for a 429, a 503 with `Retry-After`, and gRPC's `RESOURCE_EXHAUSTED`) multiplies the rate by `decrease`, once in
//! `pause`, as many calls are throttled by one lack of capacity; each second `increase` of the quota comes back. That is
//! additive increase and multiplicative decrease (Chiu and Jain, 1989): many callers of one supplier come to fair shares.
//! The burst stays.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`quota`](RateLimitConfig::quota) | 100 a second, 200 at once | more than a person or a browser asks for, less than harms a small service |
//! | [`wait`](RateLimitConfig::wait) | zero | an inbound caller is better told at once; set it for outbound use |
//! | [`adaptive`](RateLimitConfig::adaptive) | off | only a supplier's client needs it |
//! | [`Adaptive::decrease`] | to 50 % | TCP's halving (RFC 5681) |
//! | [`Adaptive::pause`] | 1 s | more than a round trip, so that what was under way does not count again |
//! | [`Adaptive::increase`] | 5 % a second | ten seconds from half to whole |
//! | [`Adaptive::floor`] | 5 % | enough calls to notice that the supplier has recovered |
//! | [`shadow`](RateLimitConfig::shadow) | off | |
//!
//! Look at a new limit in [`shadow`](RateLimitConfig::shadow) mode first: it lets all through, without waiting, and counts
//! those for which nothing was left: what it would have refused, or made [wait](RateLimitConfig::wait).
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory) entry has kind `rate_limit`, the settings in force, what remains, who waits, and
//! the counters `admitted` (requests, whatever their weight), `refused`, `would_refuse`, `waited`, `cancelled` (while they
//! waited) and `throttled`; one with keys has state `keyed` and their number. [Events](crate::events) tell when settings
//! change, and when an adaptive rate falls or is whole again. Keys are in no label and no log.
//!
//! # Interaction
//!
//! Inbound after the deadline, as waits are under it, and before load shedding and bulkheads. Outbound inside a retry, so
//! that each attempt is counted, and outside of an attempt's timeout, so that the wait is not a slow dependency. A
//! refusal is [ignored](crate::outcome::Outcome) by breakers. Over HTTP see `RateLimit::http_layer` (feature `http`):
//! it tells callers what is left, and [`web::ClientIp`](crate::web::ClientIp) says who they are.
//!
//! tower's `RateLimit` counts in fixed windows (twice the rate passes at the edge of two), cannot be cloned, and only
//! waits. tower-resilience's fixed window has the same edge. governor's own futures
//! wake all who wait at once, in no order, and its keyed stores grow until somebody empties them; tower_governor's, too.
//! What ours costs beside them: `cargo bench -p seaworthy-peers -- rate-limit`.

mod adaptive;
mod config;
mod engine;
mod error;
mod future;
mod keyed;
mod layer;
mod limit;
mod line;
mod meter;
#[cfg(all(test, seaworthy_loom))]
mod models;
mod quota;
mod rules;
mod service;
mod snapshot;
#[cfg(all(test, not(seaworthy_loom)))]
mod tests;
mod turn;
mod weight;

pub use config::{Adaptive, RateLimitConfig};
pub use error::RateLimited;
pub use future::{Call, ResponseFuture};
pub use keyed::{AtCapacity, Key, KeyedRateLimit};
pub use layer::{PerKey, PerService, RateLimitLayer};
pub use limit::{RateLimit, RateLimitBuilder};
pub use quota::Quota;
pub use service::RateLimitService;
pub use snapshot::Snapshot;
pub use weight::{One, Weigh};

#[cfg(feature = "http")]
pub(crate) use {
    future::Visited,
    layer::{Ask, Limit},
    snapshot::Spent,
};
