//! Vocabulary that every other module uses and that uses none of them.

pub mod clock;
mod counter;
pub(crate) mod error;
pub mod events;
pub mod inventory;
#[cfg(feature = "breaker")]
pub(crate) mod keyed;
pub(crate) mod live;
pub mod outcome;
#[cfg(feature = "breaker")]
pub mod random;
pub(crate) mod ready;
pub(crate) mod refusal;
pub mod request;
pub(crate) mod stripe;
#[cfg(feature = "breaker")]
pub(crate) mod sync;
#[cfg(feature = "breaker")]
pub(crate) mod ticks;

pub(crate) use counter::Counter;
