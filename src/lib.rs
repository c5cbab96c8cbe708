//! Makes a service production-ready by the way it is built: tower layers, and an assembly of them.
//!
//! Every layer works alone on any [`tower_service::Service`]; [`App`] puts all of them round a whole service, with
//! probes, an admin plane, a drain, structured logs and golden signals.
//!
//! Three guides, by what you come for: [add one layer](docs::add_one_layer) to what you have,
//! [start a service](docs::start_a_service), [run a game day](docs::run_a_game_day). Whoever comes from another crate finds
//! each call's counterpart in [migrate](docs::migrate).
//!
//! # One layer
//!
//! ```
//! use std::time::Duration;
//! use seaworthy::timeout::Timeout;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let payments = Timeout::builder("payments").limit(Duration::from_secs(1)).build().unwrap();
//! let client = ServiceBuilder::new()
//!     .layer(payments.layer())
//!     .service(service_fn(|order: u32| async move { Ok::<_, std::io::Error>(order + 1) }));
//! assert_eq!(client.oneshot(1).await.unwrap(), 2);
//! # }
//! ```
//!
//! # A whole service
//!
//! See [`App`], and the example `orders` in the repository.
//!
//! # The order of the layers
//!
//! Inbound, outermost first, as `App` wires them and as you should: [`ContextLayer`](web::ContextLayer),
//! [`HealthLayer`](web::HealthLayer), [`CriticalityLayer`](web::CriticalityLayer), [`ObserveLayer`](web::ObserveLayer),
//! [`ErrorBoundaryLayer`](web::ErrorBoundaryLayer), [`ShutdownLayer`](web::ShutdownLayer),
//! `Timeout::http_layer`, `RateLimit::http_layer`, `LoadShed::http_layer`, `AdaptiveLimit::http_layer`,
//! `Bulkhead::http_layer`, [`BodyLimitLayer`](web::BodyLimitLayer), your service.
//!
//! Outbound, as `AppBuilder::dependency` wires them: `Retry::http_layer` (with the deadline of the whole call),
//! `CircuitBreaker::http_layer`, [`ObserveAttemptLayer`](web::ObserveAttemptLayer), `Timeout::http_layer` (of each
//! attempt), `Bulkhead::http_layer`, [`SendDeadlineLayer`](web::SendDeadlineLayer),
//! [`SendCriticalityLayer`](web::SendCriticalityLayer), [`SendContextLayer`](web::SendContextLayer), your client. The
//! reasons are in [life of a request](docs::life_of_a_request).
//!
//! # Modules
//!
//! | module | feature | what it is for |
//! |---|---|---|
//! | [`timeout`] | `timeout` (default) | ends calls that take too long |
//! | [`retry`] | `retry` (default) | tries again what failed, within a budget and a deadline |
//! | [`breaker`] | `breaker` (default) | stops calling a dependency that fails |
//! | [`bulkhead`] | `bulkhead` (default) | caps how many calls are under way at once; partitions and keys with places of their own |
//! | [`hedge`] | `hedge` (default) | asks a second time when the answer is late, and takes the first that comes |
//! | [`fallback`] | `fallback` (default) | answers in another way when the inside was refused or failed |
//! | [`rate_limit`] | `rate-limit` (default) | limits how many requests are let through in a time, for all or for each key |
//! | [`adaptive`] | `adaptive` (default) | caps how many calls are under way at once, and finds out itself how many |
//! | [`load_shed`] | `load-shed` (default) | refuses what matters least when there is too much to do |
//! | [`chaos`] | always; injects only with `chaos`, which is in no other feature | lets answers come late, fail, hang or break off, to try the guards |
//! | [`health`] | `health` | startup, readiness, liveness; dependency checks and heartbeats |
//! | [`shutdown`] | `shutdown` | takes a service out of traffic without dropping what it has begun |
//! | [`web`] | `http` | HTTP layers over one [`Body`]: probes, error boundary, drain gate, body limit, request id; HTTP faces of the policies (with `reqwest` the retry of its client, with `axum` the routes of its router as labels); gRPC callers are refused in their own words |
//! | [`grpc`] | `grpc` | the retry of gRPC methods that are declared to be idempotent; the codes |
//! | [`telemetry`] | `metrics` | counters and states of policies to the `metrics` facade; with `otlp` the [export of spans](docs::traces) |
//! | [`App`], [`run`] | `app` | the assembly: server, guarded dependencies, admin plane, settings, signals, logs |
//! | [`worker`] | `app` | works off jobs beside requests: bounded, tried again, with dead letters, drained |
//! | [`review`] | `app` | go or no-go: the [checklist](docs::checklist), its evidence, the verdict |
//! | `testing` | `test-util` with `app` | tests of a whole service: a client without sockets, a paused clock, a dependency that fails when told to |
//! | [`budget`], [`replay`], [`attempt`] | with `retry` or `hedge` | what pays for further attempts, how a request is repeated, which attempt this is |
//! | [`key`] | with `bulkhead`, `http` or `rate-limit` | who a request is counted for |
//! | [`pressure`] | with `adaptive` or `load-shed` | how close something is to its limit |
//! | [`context`] | `http` | what travels with a request: its id, its trace, its baggage; into tasks that are spawned for it, too |
//! | [`clock`], [`criticality`], [`deadline`], [`events`], [`inventory`], [`outcome`], [`request`] | always | what the others have in common |
//! | [`docs`] | always | the guides, architecture, life of a request, settings, [telemetry](docs::telemetry), [logs](docs::logs), [which numbers must fit together](docs::tuning), [which limit to use when](docs::which_limit), [the timeline](docs::timeline), [what it costs](docs::overhead) |
//!
//! `full` is all that needs no outside server.

#![forbid(unsafe_code)]
#![warn(
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used
)]
// Which parts of `base` have users, and which links of this page lead somewhere, depends on the features.
#![cfg_attr(
    not(feature = "full"),
    allow(dead_code, unused_imports, rustdoc::broken_intra_doc_links)
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod base;
mod policy;

#[cfg(feature = "app")]
mod admin;
#[cfg(feature = "app")]
mod assembly;
#[cfg(feature = "app")]
mod client;
#[cfg(feature = "grpc")]
pub mod grpc;
#[cfg(feature = "health")]
pub mod health;
#[cfg(feature = "app")]
pub mod review;
#[cfg(feature = "app")]
mod server;
#[cfg(feature = "shutdown")]
pub mod shutdown;
#[cfg(feature = "metrics")]
pub mod telemetry;
#[cfg(feature = "http")]
pub mod web;
#[cfg(feature = "app")]
pub mod worker;

#[cfg(all(feature = "app", feature = "test-util"))]
pub use assembly::testing;
#[cfg(feature = "app")]
pub use assembly::{
    App, AppBuilder, AppError, Bound, Control, Dependency, DependencyBuilder, DependencyLayer, Endpoint, Guard,
    HttpClient, HttpClientFuture, HttpDependencyLayer, run,
};
#[cfg(feature = "http")]
pub use base::context;
pub use base::error::{BoxError, InvalidSetting, InvalidSettings};
#[cfg(feature = "app")]
pub use base::finding::Finding;
#[cfg(any(feature = "bulkhead", feature = "http", feature = "rate-limit"))]
pub use base::key;
#[cfg(any(feature = "adaptive", feature = "load-shed"))]
pub use base::pressure;
#[cfg(any(feature = "breaker", feature = "chaos", feature = "retry"))]
pub use base::random;
pub use base::refusal::{Guarded, Part, Reason, Refusal};
#[cfg(any(feature = "hedge", feature = "retry"))]
pub use base::{attempt, budget, replay};
pub use base::{clock, criticality, deadline, events, inventory, outcome, request};
#[cfg(feature = "adaptive")]
pub use policy::adaptive;
#[cfg(feature = "breaker")]
pub use policy::breaker;
#[cfg(feature = "bulkhead")]
pub use policy::bulkhead;
pub use policy::chaos;
#[cfg(feature = "fallback")]
pub use policy::fallback;
#[cfg(feature = "hedge")]
pub use policy::hedge;
#[cfg(feature = "load-shed")]
pub use policy::load_shed;
#[cfg(feature = "rate-limit")]
pub use policy::rate_limit;
#[cfg(feature = "retry")]
pub use policy::retry;
#[cfg(feature = "timeout")]
pub use policy::timeout;
#[cfg(feature = "app")]
pub use server::ListenError;
#[cfg(feature = "http")]
pub use web::Body;

/// Texts to read.
pub mod docs {
    // The code in guides runs as documentation tests where all that it shows is there.
    #[cfg(any(not(doctest), feature = "full"))]
    #[doc = include_str!("docs/add-one-layer.md")]
    pub mod add_one_layer {}
    #[doc = include_str!("docs/architecture.md")]
    pub mod architecture {}
    #[doc = include_str!("docs/checklist.md")]
    pub mod checklist {}
    #[doc = include_str!("docs/life-of-a-request.md")]
    pub mod life_of_a_request {}
    #[doc = include_str!("docs/logs.md")]
    pub mod logs {}
    #[cfg(any(not(doctest), feature = "full"))]
    #[doc = include_str!("docs/migrate.md")]
    pub mod migrate {}
    #[doc = include_str!("docs/overhead.md")]
    #[doc = ""]
    #[doc = include_str!("docs/overhead.svg")]
    pub mod overhead {}
    #[cfg(any(not(doctest), feature = "full"))]
    #[doc = include_str!("docs/run-a-game-day.md")]
    pub mod run_a_game_day {}
    #[doc = include_str!("docs/settings.md")]
    pub mod settings {}
    #[cfg(any(not(doctest), feature = "full"))]
    #[doc = include_str!("docs/start-a-service.md")]
    pub mod start_a_service {}
    #[doc = include_str!("docs/telemetry.md")]
    pub mod telemetry {}
    #[doc = include_str!("docs/timeline.md")]
    pub mod timeline {}
    #[doc = include_str!("docs/traces.md")]
    pub mod traces {}
    #[doc = include_str!("docs/tuning.md")]
    pub mod tuning {}
    #[doc = include_str!("docs/which-limit.md")]
    pub mod which_limit {}
}

/// The README's code runs as documentation tests.
#[cfg(all(doctest, feature = "full"))]
#[doc = include_str!("../README.md")]
struct Readme;
