//! The flight recorder: the last changes of a service, for whoever asks afterwards what happened.
//!
//! A ring of slots that are all there from the beginning. Recording copies texts into one of them under a lock that is
//! held for no longer than that, and allocates nothing; whoever reads copies a few slots at a time. Calls record nothing:
//! what they were refused is read from the inventory's counters, once a second.

mod entry;
mod file;
mod panics;
mod recorder;
mod refusals;
pub(super) mod render;
mod ring;
#[cfg(test)]
mod tests;
mod text;
mod writer;

pub(crate) use file::TimelineFile;
pub(crate) use panics::install_hook as install_panic_hook;
pub(crate) use recorder::{FlightRecorder, LAST_ENTRIES};
