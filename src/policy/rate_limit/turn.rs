use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::time::Sleep;

use super::engine::Denied;
use super::line::Standing;
use super::rules::{Count, Rules};
use super::snapshot::Spent;
use crate::base::clock::{Clock, later, sleep_until};
use crate::base::deadline::{Deadline, is_over};
use crate::base::refusal::Refusal;
use crate::base::ticks::Ticks;

/// A limit, or that of one key, in whose line somebody waits.
pub(super) trait Gate: Send + Sync {
    fn rules(&self) -> &Rules;
    fn standing(&self, ticket: u64, now: Ticks, waker: &Waker) -> Standing;
    fn leave(&self, ticket: u64);
}

/// What a request is answered when it asks to be let through.
pub(crate) enum Entrance {
    Admitted(Spent),
    Waits(Turn),
    Refused(Refusal),
}

impl Entrance {
    /// Denies a request, or lets it through in shadow mode.
    pub(super) fn denied(rules: &Rules, denied: Denied, now: Ticks) -> Self {
        match rules.deny(denied, now) {
            Ok(spent) => Self::Admitted(spent),
            Err(limited) => Self::Refused(rules.refusal(limited)),
        }
    }
}

/// A place in the line. Whoever drops it leaves.
pub(crate) struct Turn {
    gate: Arc<dyn Gate>,
    ticket: Option<u64>,
    /// Until when it waits.
    end: Ticks,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Turn {
    pub(super) fn new(gate: Arc<dyn Gate>, ticket: u64, now: Ticks) -> Self {
        let end = gate.rules().patience(now).unwrap_or(now);
        Self {
            gate,
            ticket: Some(ticket),
            end,
            timer: None,
        }
    }
}

impl Future for Turn {
    type Output = Result<Spent, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let rules = this.gate.rules();
        while let Some(ticket) = this.ticket {
            let now = rules.clock.ticks();
            let until = match this.gate.standing(ticket, now, cx.waker()) {
                // Whoever ended the work because of its deadline says so.
                Standing::Admitted(_) if is_over() => return Poll::Pending,
                Standing::Admitted(_) if rules.is_too_late() => {
                    this.ticket = None;
                    return Poll::Ready(Err(rules.too_late()));
                }
                Standing::Admitted(arrival) => {
                    this.ticket = None;
                    rules.count(Count::Waited);
                    return Poll::Ready(Ok(rules.admitted(arrival, now)));
                }
                Standing::Until(until) => until,
            };
            if now >= this.end {
                this.ticket = None;
                this.gate.leave(ticket);
                return Poll::Ready(if Deadline::current().is_some_and(Deadline::has_passed) {
                    Err(rules.too_late())
                } else {
                    let denied = rules.deny(Denied::Until(until), now);
                    denied.map_err(|limited| rules.refusal(limited))
                });
            }
            let at = later(Clock::default().now(), until.min(this.end).since(now));
            let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            timer.as_mut().reset(at.into());
            ready!(timer.as_mut().poll(cx));
        }
        Poll::Pending
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.gate.leave(ticket);
            self.gate.rules().count(Count::Cancelled);
        }
    }
}
