use smol_str::SmolStr;

use super::config::FallbackConfig;
use super::engine::{Cause, End};
use crate::base::Counters;
use crate::base::deadline::{Deadline, is_too_late};
use crate::base::error::InvalidSettings;
use crate::base::events::{Change, Events};
use crate::base::inventory::Entry;
use crate::base::live::Live;

pub(super) const KIND: &str = "fallback";

/// What all calls of one handle have in common.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(super) name: SmolStr,
    pub(super) settings: Live<FallbackConfig>,
    pub(super) events: Events,
    pub(super) counts: Counters<7>,
}

/// What is counted, in the order of [`NAMES`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Calls,
    OnRefusal,
    OnFailure,
    Failed,
    Passed,
    TooLate,
    Cancelled,
}

const NAMES: [(Count, &str); 7] = [
    (Count::Calls, "calls"),
    (Count::OnRefusal, "used_on_refusal"),
    (Count::OnFailure, "used_on_failure"),
    (Count::Failed, "failed"),
    (Count::Passed, "passed"),
    (Count::TooLate, "too_late"),
    (Count::Cancelled, "cancelled"),
];

impl Rules {
    #[inline]
    pub(super) fn count(&self, what: Count) {
        self.counts.add(what as usize);
    }

    /// Returns whether an end that has not come to a call yet leads to the fallback.
    pub(crate) fn would_use(&self, end: End<'_>) -> bool {
        end.cause(self.settings.load().on).is_some()
    }

    /// Returns whether the fallback answers instead, and counts that; `given` is the deadline that came with the request.
    pub(crate) fn uses(&self, end: End<'_>, given: Option<Deadline>) -> bool {
        let cause = end.cause(self.settings.load().on);
        let counted = match cause {
            None => Count::Passed,
            Some(_) if is_too_late(given) => Count::TooLate,
            Some(Cause::Refusal) => Count::OnRefusal,
            Some(Cause::Failure) => Count::OnFailure,
        };
        self.count(counted);
        matches!(counted, Count::OnRefusal | Count::OnFailure)
    }

    pub(super) fn reconfigure(&self, change: impl FnOnce(&mut FallbackConfig)) -> Result<(), InvalidSettings> {
        self.settings.change(&self.name, change, |_| ())?;
        self.events.emit(KIND, &self.name, Change::Settings);
        Ok(())
    }

    pub(super) fn describe(&self) -> Entry {
        let entry = Entry::new(KIND, &*self.name, "on").setting("on", self.settings.load().on);
        NAMES.into_iter().fold(entry, |entry, (count, name)| {
            entry.counter(name, self.counts.sum_of(count as usize))
        })
    }
}
