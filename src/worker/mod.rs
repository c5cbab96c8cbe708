//! Works off what comes in beside requests: bounded, in time, and without losing what it cannot do.
//!
//! A [`Worker`] takes jobs from a [`Source`], a bounded number of them at once. Each has a deadline, is tried again within
//! a retry's budget, and goes to the [dead letters](DeadLetters) with its reason when it is given up on. The loop beats to
//! the watchdog; in a drain it fetches nothing more, finishes what it has begun, and gives back what it cannot finish.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use seaworthy::shutdown::Shutdown;
//! use seaworthy::worker::{Worker, channel};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
//! let (jobs, source) = channel(100);
//! let worker = Worker::builder("invoices").build().unwrap();
//! let shutdown = Shutdown::builder().build().unwrap();
//! let work = async |number: Arc<u64>| if number.is_multiple_of(2) { Ok(()) } else { Err("odd") };
//!
//! for number in 0..4 {
//!     jobs.send(number).await.unwrap();
//! }
//! drop(jobs);
//! worker.run(source, &shutdown.draining(), None, work).await;
//! let done = worker.snapshot();
//! assert_eq!((done.done, done.lost), (2, 2));
//! # }
//! ```
//!
//! # How it decides
//!
//! A job is *done* when its handler returns `Ok`. An `Err` is tried again as the retry says, within its budget and the
//! job's deadline, unless it is [`Permanent`]. What then has failed, and what has panicked, which is not tried again, is a
//! dead letter, and as soon as that is stored it is settled with the source. If it cannot be stored, the job is given back
//! after a second. Without dead letters it is logged, counted as lost, and settled.
//!
//! **A handler must be able to do a job twice**: it is tried again, and whoever dies between doing a job and settling it has
//! done it for nothing.
//!
//! # Defaults
//!
//! | setting | value | why |
//! |---|---|---|
//! | [`concurrent`](WorkerConfig::concurrent) | 8 | a few for each CPU; jobs mostly wait |
//! | [`deadline`](WorkerConfig::deadline) | 30 s | the grace period of Kubernetes: longer ones outlive a deployment |
//! | [`drain`](WorkerConfig::drain) | 10 s | 5 s to store a letter and 5 s to give a job back fit into the 20 s of a drain |
//! | attempts | 3 | as those of every [retry](crate::retry) |
//!
//! # Telemetry
//!
//! The [inventory](crate::inventory)'s entry has the counters `done`, `dead`, `given_back`, `lost` and `source_errors`, its
//! places as saturation, and, if they can be counted, the gauge `dead_letters`. `lost` are jobs that were given up on without
//! dead letters, that nobody took back, or that ended with the process; `source_errors` is how often the source failed, to
//! hand out a job or to settle one.
//!
//! # Cancellation
//!
//! Dropping the future of [`Worker::run`] drops the jobs that are under way without telling the source: a source that is
//! to survive that hands a job out again when nobody settles it.

mod channel;
mod config;
mod dead_letter;
mod handle;
mod permanent;
mod run;
mod settle;
mod source;

pub use channel::{ChannelSource, Closed, Jobs, TrySendError, channel};
pub use config::WorkerConfig;
pub use dead_letter::{DeadLetter, DeadLetterFile, DeadLetters, Replayed, Stored};
pub use handle::{Snapshot, Worker, WorkerBuilder};
pub use permanent::Permanent;
pub use source::{Delivery, GivenBack, Job, Source};
