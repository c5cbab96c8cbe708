//! Vocabulary that every other module uses and that uses none of them.

pub mod clock;
mod counter;
pub(crate) mod error;
pub mod events;
pub mod inventory;
pub(crate) mod live;
pub mod outcome;
pub(crate) mod ready;
pub(crate) mod refusal;
pub mod request;

pub(crate) use counter::Counter;
