use std::time::Duration;

use super::appraise::Appraisal;
use super::backoff::Sequence;
use super::config::{RetryConfig, TOTAL};
use crate::base::attempt::Attempt;

/// How far one request has come.
pub(super) struct Progress {
    pub(super) attempt: Attempt,
    sequence: Sequence,
}

/// Why there is no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The end is one that no attempt would change.
    Final,
    /// There have been as many as there may be.
    Exhausted,
    /// The next one would begin too late.
    OutOfTime,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            attempt: Attempt::FIRST,
            sequence: Sequence::default(),
        }
    }

    /// Decides after an attempt that ended like that whether and after which time there may be a further one;
    /// `remaining` is what is left until the deadline, if there is one.
    pub(super) fn decide(
        &mut self,
        appraisal: Appraisal,
        config: &RetryConfig,
        chance: f64,
        remaining: Option<Duration>,
    ) -> Result<Duration, Stop> {
        if appraisal == Appraisal::Final {
            return Err(Stop::Final);
        }
        if self.attempt.number() >= config.attempts {
            return Err(Stop::Exhausted);
        }
        let wait = match appraisal {
            Appraisal::AgainIn(exact) => {
                // Whoever names the time begins anew (gRFC A6).
                self.sequence = Sequence::default();
                exact
            }
            _ => {
                let delay = self.sequence.next(&config.backoff, chance).ok_or(Stop::Exhausted)?;
                let least = match appraisal {
                    Appraisal::AgainAfter(least) => least,
                    _ => Duration::ZERO,
                };
                least.saturating_add(delay)
            }
        };
        // Nobody who is told to come back in a year is to wait for it, whatever he has left open.
        if wait >= remaining.unwrap_or(*TOTAL.end()) {
            return Err(Stop::OutOfTime);
        }
        Ok(wait)
    }
}
