use std::time::{Duration, Instant};

use super::error::Elapsed;
use crate::base::clock::later;
use crate::base::refusal::Part;

/// Watches one body against its two limits.
///
/// Idle time runs only while somebody waits for the body, so that a slow reader does not make a peer look silent.
#[derive(Clone, Debug)]
pub(crate) struct BodyWatch {
    total: Option<(Instant, Elapsed)>,
    idle: Option<Elapsed>,
    waiting_since: Option<Instant>,
}

impl BodyWatch {
    /// Watches a body that must end `total` after `start` and never be silent for `idle`; `part` says whose body it is.
    pub(crate) fn new(start: Instant, total: Option<Duration>, idle: Option<Duration>, part: Part) -> Self {
        let total = total.map(|limit| (later(start, limit), Elapsed { limit, part }));
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

    /// Returns whether there is anything to watch.
    pub(crate) fn is_limited(&self) -> bool {
        self.total.is_some() || self.idle.is_some()
    }

    /// Takes note that a piece has come; an error if it came too late.
    pub(crate) fn progress(&mut self, now: Instant) -> Result<(), Elapsed> {
        self.waiting_since = None;
        match self.total {
            Some((end, elapsed)) if now >= end => Err(elapsed),
            _ => Ok(()),
        }
    }

    /// Takes note that there is nothing yet: until when to wait (`None`: for ever), or which limit has passed.
    pub(crate) fn wait(&mut self, now: Instant) -> Result<Option<Instant>, Elapsed> {
        let since = *self.waiting_since.get_or_insert(now);
        let idle = self.idle.map(|elapsed| (later(since, elapsed.limit), elapsed));
        match [self.total, idle].into_iter().flatten().min_by_key(|(end, _)| *end) {
            Some((end, elapsed)) if now >= end => Err(elapsed),
            first => Ok(first.map(|(end, _)| end)),
        }
    }
}
