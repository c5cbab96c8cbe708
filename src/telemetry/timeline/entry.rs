use std::time::Duration;

use super::text::Text;
use crate::base::events::Change;

/// The most bytes of a name and of a detail that are kept.
pub(super) const NAME: usize = 64;
pub(super) const DETAIL: usize = 192;

/// One thing that happened; it is its slot.
#[derive(Clone, Default)]
pub(super) struct Entry {
    /// Its number, from 0 on.
    pub(super) seq: u64,
    /// Since the recorder began, by a clock that is never set.
    pub(super) at: Duration,
    /// Since 1970, by the system's clock.
    pub(super) time: Duration,
    pub(super) kind: &'static str,
    pub(super) name: Text<NAME>,
    pub(super) what: What,
    pub(super) detail: Text<DETAIL>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It moved from one state to another.
    State { from: &'static str, to: &'static str },
    /// A step that has an end took this long.
    Finished { result: &'static str, took: Duration },
    /// In one word.
    Word(&'static str),
}

impl Default for What {
    fn default() -> Self {
        Self::Word("")
    }
}

/// Takes an event apart into what happened, and why.
pub(super) fn taken_apart<'a>(change: &Change<'a>) -> (What, &'a str) {
    match *change {
        Change::State { from, to, detail } => (What::State { from, to }, detail),
        Change::Finished { result, took, detail } => (What::Finished { result, took }, detail),
        Change::Settings => (What::Word("settings"), ""),
    }
}
