//! Clients, a server and its dependency in virtual time; what guards them are the crate's own layers.
//!
//! All chance comes from one seed, and time moves only when nothing is left to do, so a run comes out the same, to the
//! last digit, on the same platform.

mod arrivals;
pub mod figures;
pub mod policies;
pub mod record;
mod run;
mod scenario;
mod server;

pub use figures::figures;
pub use record::Record;
pub use run::run;
pub use scenario::{Scenario, all};

/// What all chance comes from if nobody says otherwise; the table of the README is of this one.
pub const SEED: u64 = 3;
/// How many requests the server works on at once.
pub const WORKERS: u32 = 20;
/// The mean of its work on one; the times are distributed exponentially.
pub const WORK_MS: f64 = 40.0;
/// How many requests a second it can answer.
pub const CAPACITY: f64 = WORKERS as f64 * 1000.0 / WORK_MS;
/// How many clients there are beside one that floods.
pub const CLIENTS: u32 = 2000;
