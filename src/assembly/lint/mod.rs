//! Compares numbers that are each in their range and must also fit together.
//!
//! What cannot work is an error, what works badly a finding; each shows its arithmetic. A rule is a function of plain
//! numbers. The formulas and their sources are in [`tuning`](crate::docs::tuning).

mod inbound;
mod outbound;
#[cfg(test)]
mod tests;
mod worker;

pub(super) use inbound::{Inbound, Promise};
pub(super) use outbound::Calls;
pub(super) use worker::worker_outlasts_drain;
