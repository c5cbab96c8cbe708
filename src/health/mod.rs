//! Knows whether a service has started, is ready, and is alive.
//!
//! Three questions, which orchestrators ask apart: has it finished its startup (if not: wait), should it get requests
//! (if not: send them elsewhere), does it still make progress (if not: restart it). A restart mends no dependency, and
//! so liveness takes [heartbeats](Watchdog) of the process's own loops, and readiness takes dependency [checks](Check);
//! one does not fit where the other belongs. This module knows no HTTP: `web::HealthLayer` (feature `http`) answers the
//! probes.
//!
//! # Examples
//!
//! ```
//! use seaworthy::health::{Check, Health, Phase};
//!
//! # async fn ping() -> Result<(), std::io::Error> { Ok(()) }
//! # async fn migrate() {}
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! let health = Health::new();
//! health.check(Check::new("payments", ping)).unwrap();
//! let migrations = health.startup_task("migrations").unwrap();
//!
//! health.start(&tokio::runtime::Handle::current());
//! assert_eq!(health.phase(), Phase::Starting);
//! migrate().await;
//! migrations.complete();
//! # tokio::task::yield_now().await;
//! assert_eq!(health.phase(), Phase::Ready);
//! health.drain();
//! assert_eq!(health.phase(), Phase::Draining);
//! # }
//! ```
//!
//! # How it decides
//!
//! **Startup** is complete once [`Health::start`] was called and every [startup task](StartupTask) has completed, and
//! stays so: later tasks are refused. A server registers "listening" as one. A task that fails, or is dropped, leaves
//! the service starting for good.
//!
//! **Readiness** (the [`Phase`]) follows from facts whenever it is read: startup is complete, [`Health::drain`] was not
//! called, and every critical dependency is up. A dependency is *down* if its check failed and *unknown* if there is no
//! usable answer: it has not run yet, timed out, panicked, or is stale. Unknown counts as down, except with
//! [`fail_open`](Check::fail_open). Optional dependencies never count.
//!
//! **Checks** run in the background, each in a task of its own and one run at a time; whoever asks gets cached results,
//! so that probing more often loads nobody more. The first result decides at once. After it, `failing_after` failures
//! in a row (timeouts and panics are some) turn it from up, and `recovering_after` successes in a row turn it back. A
//! result is stale once it is older than `stale_after × 1.1 × interval + timeout`; what is stale is forgotten, and the
//! next result decides at once again. A run that blocks its thread cannot be cut; after twice its timeout the
//! dependency is unknown.
//!
//! **Liveness** holds as long as no heartbeat has been silent for longer than its `max_silence`.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`critical`](CheckConfig::critical) | yes | a dependency that nobody has thought about is needed |
//! | [`fail_open`](CheckConfig::fail_open) | no | what is not known to work is not relied on |
//! | [`interval`](CheckConfig::interval) | 10 s | `periodSeconds` of a Kubernetes probe |
//! | [`timeout`](CheckConfig::timeout) | 1 s | `timeoutSeconds` of a Kubernetes probe |
//! | [`failing_after`](CheckConfig::failing_after) | 1 | the prober has a threshold of its own (Kubernetes: 3); two would multiply to 9 runs |
//! | [`recovering_after`](CheckConfig::recovering_after) | 1 | `successThreshold` of a Kubernetes probe |
//! | [`stale_after`](CheckConfig::stale_after) | 3 | one run may be late, and two; three are a pattern |
//! | jitter | up to +10 % | replicas that start together drift apart, and none runs more often than it says |
//!
//! # Telemetry
//!
//! [Events](crate::events), each sent once: `State` for the kinds `health` (the phase), `check` and `heartbeat`, and
//! `Finished` for the kind `startup`. The texts of errors are in their details and nowhere else. The
//! [inventory](crate::inventory) has an entry for the phase, for every startup task, check (counters `runs`, `failures`,
//! `timeouts`, `panics`) and heartbeat.
//!
//! # Interaction
//!
//! A check should ask the dependency directly, with a client of its own or past the breaker: a breaker that is open
//! would keep its own dependency unready. Be sparing with critical ones: if all replicas share the dependency, all turn
//! unready at once, and an error response by those that still run is often the better service. After
//! [`drain`](Health::drain) a late heartbeat still fails liveness, so drop a heartbeat where its loop ends.

mod announce;
mod check;
mod config;
mod engine;
mod handle;
mod phase;
mod report;
mod runner;
mod startup;
mod state;
mod watchdog;

pub use check::Check;
pub use config::{CheckConfig, ComponentType};
pub use engine::Verdict;
pub use handle::{Health, HealthBuilder};
pub use phase::Phase;
pub use report::{CheckReport, HealthReport, HeartbeatReport, LastRun, Status, TaskReport, TaskState};
pub use startup::StartupTask;
pub use watchdog::{Heartbeat, Watchdog};

#[cfg(feature = "http")]
pub(crate) use config::is_name;
