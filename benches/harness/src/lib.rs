//! How the benches measure, and what they call: shared by `benches/overhead` and `benches/peers`, and by the test that
//! holds what a call allocates and how often it reads the clock.
//!
//! All rows of a comparison are measured in turn ([`interleave`]), in batches of well under a millisecond, and what a row
//! adds to the bare inner service ([`inner`]) is the difference of two batches of the same round. Futures are polled by
//! hand ([`drive`]) inside a runtime that does nothing else ([`surroundings`]). Allocations are counted in batches of their
//! own ([`allocations`]); whoever links this crate has its allocator. On several threads ([`pair`]) only those rounds count
//! in which each had a whole core.

pub mod allocations;
pub mod baseline;
pub mod comparison;
pub mod cores;
pub mod drive;
pub mod folder;
pub mod inner;
pub mod interleave;
#[cfg(feature = "layered")]
mod layered;
pub mod machine;
pub mod origin;
pub mod pair;
pub mod statistics;
pub mod surroundings;
pub mod table;
