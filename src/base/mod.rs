//! Vocabulary that every other module uses and that uses none of them.

pub(crate) mod allowance;
#[cfg(any(feature = "hedge", feature = "retry"))]
pub mod attempt;
#[cfg(any(feature = "hedge", feature = "retry"))]
pub mod budget;
#[cfg(any(feature = "app", feature = "load-shed"))]
pub(crate) mod cgroup;
pub mod clock;
#[cfg(feature = "http")]
pub mod context;
pub(crate) mod counter;
pub mod criticality;
pub mod deadline;
pub(crate) mod error;
pub mod events;
#[cfg(feature = "app")]
pub(crate) mod finding;
pub mod inventory;
#[cfg(any(feature = "bulkhead", feature = "http", feature = "rate-limit"))]
pub mod key;
#[cfg(any(feature = "breaker", feature = "bulkhead", feature = "rate-limit"))]
pub(crate) mod keyed;
#[cfg(any(feature = "retry", feature = "timeout"))]
pub(crate) mod limit;
pub(crate) mod live;
pub mod outcome;
#[cfg(any(feature = "adaptive", feature = "bulkhead"))]
pub(crate) mod places;
#[cfg(any(feature = "adaptive", feature = "load-shed"))]
pub mod pressure;
#[cfg(any(feature = "breaker", feature = "chaos", feature = "retry"))]
pub mod random;
#[cfg(feature = "test-util")]
mod reads;
#[cfg(not(feature = "test-util"))]
#[path = "no_reads.rs"]
mod reads;
pub(crate) mod ready;
pub(crate) mod refusal;
#[cfg(any(feature = "hedge", feature = "retry"))]
pub mod replay;
pub mod request;
#[cfg(any(feature = "adaptive", feature = "hedge"))]
pub(crate) mod steps;
pub(crate) mod stripe;
pub(crate) mod sync;
#[cfg(any(
    feature = "adaptive",
    feature = "breaker",
    feature = "bulkhead",
    feature = "chaos",
    feature = "hedge",
    feature = "http",
    feature = "load-shed",
    feature = "rate-limit",
    feature = "retry"
))]
pub(crate) mod ticks;
#[cfg(any(feature = "bulkhead", feature = "hedge", feature = "retry", feature = "timeout"))]
pub(crate) mod within;

pub(crate) use counter::{Counter, Counters};
