use std::time::{Duration, Instant};

use super::error::Elapsed;
use crate::base::clock::later;
use crate::base::deadline::Deadline;
use crate::base::refusal::{Part, Reason};

/// Watches one body against its two limits.
///
/// Idle time runs only while somebody waits for the body, so that a slow reader does not make a peer look silent.
#[derive(Clone, Debug)]
pub(crate) struct BodyWatch {
    total: Option<(Instant, Reason)>,
    idle: Option<Elapsed>,
    waiting_since: Option<Instant>,
}

impl BodyWatch {
    /// Watches a body that must end `total` after `start` and never be silent for `idle`; `part` says whose body it is.
    pub(crate) fn new(
        start: impl FnOnce() -> Instant,
        total: Option<Duration>,
        idle: Option<Duration>,
        part: Part,
    ) -> Self {
        let total = total.map(|limit| (later(start(), limit), Elapsed { limit, part }.into()));
        let part = match part {
            Part::RequestBody => Part::RequestIdle,
            _ => Part::Idle,
        };
        let idle = idle.map(|limit| Elapsed { limit, part });
        Self {
            total,
            idle,
            waiting_since: None,
        }
    }

    /// Has the body end by a deadline, too.
    pub(crate) fn until(mut self, deadline: Option<Deadline>) -> Self {
        let sooner = deadline.filter(|deadline| self.total.is_none_or(|(end, _)| deadline.instant() < end));
        if let Some(deadline) = sooner {
            self.total = Some((deadline.instant(), Reason::DeadlinePassed));
        }
        self
    }

    /// Returns when the body must have ended.
    pub(crate) fn end(&self) -> Option<Deadline> {
        self.total.map(|(end, _)| Deadline::at(end))
    }

    /// Returns whether there is anything to watch.
    pub(crate) fn is_limited(&self) -> bool {
        self.total.is_some() || self.idle.is_some()
    }

    /// Takes note that a piece has come; an error if it came too late.
    pub(crate) fn progress(&mut self, now: Instant) -> Result<(), Reason> {
        self.waiting_since = None;
        match self.total {
            Some((end, reason)) if now >= end => Err(reason),
            _ => Ok(()),
        }
    }

    /// Takes note that there is nothing yet: until when to wait (`None`: for ever), or which limit has passed.
    pub(crate) fn wait(&mut self, now: Instant) -> Result<Option<Instant>, Reason> {
        let since = *self.waiting_since.get_or_insert(now);
        let idle = self.idle.map(|elapsed| (later(since, elapsed.limit), elapsed.into()));
        match [self.total, idle].into_iter().flatten().min_by_key(|(end, _)| *end) {
            Some((end, reason)) if now >= end => Err(reason),
            first => Ok(first.map(|(end, _)| end)),
        }
    }
}
