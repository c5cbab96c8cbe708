use super::config::On;
use crate::base::outcome::Outcome;
use crate::base::refusal::{Part, Reason, Refusal};

/// Why the fallback answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Refusal,
    Failure,
}

/// What is known of the end of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'a> {
    /// The refusal that it ended with, if it did.
    pub(crate) refusal: Option<&'a Refusal>,
    /// What it says about whoever was called.
    pub(crate) outcome: Outcome,
}

impl End<'_> {
    /// Returns why the fallback answers instead; `None` if the end is passed on.
    pub(super) fn cause(self, on: On) -> Option<Cause> {
        match self.refusal {
            Some(refusal) => (!is_callers_doing(refusal.reason())).then_some(Cause::Refusal),
            None => (on == On::RefusalsAndFailures && self.outcome == Outcome::Failure).then_some(Cause::Failure),
        }
    }
}

/// Nobody waits for another answer, or the same request would deserve no better one.
fn is_callers_doing(reason: Reason) -> bool {
    match reason {
        Reason::DeadlinePassed | Reason::BodyTooLarge { .. } => true,
        Reason::Elapsed { part, .. } => matches!(part, Part::RequestBody | Part::RequestIdle),
        _ => false,
    }
}
