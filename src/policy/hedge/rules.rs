use std::time::Duration;

use smol_str::SmolStr;

use super::config::HedgeConfig;
use super::pace::Pace;
use crate::base::Counter;
use crate::base::attempt::Attempt;
use crate::base::budget::Source;
use crate::base::clock::Clock;
use crate::base::deadline::Deadline;
use crate::base::error::InvalidSettings;
use crate::base::events::{Change, Events};
use crate::base::inventory::Entry;
use crate::base::live::Live;
use crate::base::refusal::{Reason, Refusal};
use crate::base::ticks::Ticks;

pub(super) const KIND: &str = "hedge";

/// What all requests of one handle have in common.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) name: SmolStr,
    pub(super) settings: Live<HedgeConfig>,
    pub(super) pace: Pace,
    pub(super) clock: Clock,
    pub(super) events: Events,
    pub(super) source: Source,
    pub(super) counts: Counts,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    hedged: Counter,
    won: Counter,
    lost: Counter,
    unrepeatable: Counter,
    out_of_time: Counter,
    out_of_budget: Counter,
    elapsed: Counter,
    cancelled: Counter,
}

/// How far one request has come.
#[derive(Debug)]
pub(super) struct Progress {
    /// Which attempt the first one is: another policy outside may have made some.
    pub(super) first: Attempt,
    pub(super) phase: Phase,
    /// When it began to wait, if somebody wants to know.
    began: Option<Ticks>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first attempt has not been waited for.
    New,
    /// It is waited for alone, as nothing else can be sent.
    Alone,
    /// It is waited for until the second one is due.
    Waiting,
    /// The second one was due, and was not sent.
    Overdue,
    /// The second one has been sent.
    Hedged,
}

impl Progress {
    pub(super) fn new(first: Attempt) -> Self {
        Self {
            first,
            phase: Phase::New,
            began: None,
        }
    }
}

impl Rules {
    /// Pays for a request that is sent.
    #[inline]
    pub(super) fn pay(&self) {
        self.source.deposit();
    }

    /// Runs a part of a request that has been paid for.
    #[inline]
    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        self.source.paid(work)
    }

    /// Counts a request.
    #[inline]
    pub(super) fn begin(&self) {
        self.source.count();
    }

    /// Returns after which time a second attempt is due; `None` if there can be none.
    #[inline]
    pub(super) fn wait(&self, progress: &mut Progress, is_repeatable: bool) -> Option<Duration> {
        progress.phase = Phase::Alone;
        if !is_repeatable {
            self.counts.unrepeatable.increment();
            return None;
        }
        let (delay, began) = self.delay();
        progress.began = began;
        if Deadline::current().is_some_and(|deadline| deadline.remaining() <= delay) {
            self.counts.out_of_time.increment();
            return None;
        }
        progress.phase = Phase::Waiting;
        Some(delay)
    }

    /// Returns the delay in force, and the time if that was looked at.
    pub(super) fn delay(&self) -> (Duration, Option<Ticks>) {
        if let Some(fixed) = self.pace.fixed() {
            return (fixed, None);
        }
        let now = self.clock.ticks();
        let delay = self.pace.found(now, || self.settings.load().after.clone());
        (delay, Some(now))
    }

    /// Returns the second attempt, which is due; `None` if there is to be none.
    pub(super) fn hedge<P>(&self, progress: &mut Progress, prepare: impl FnOnce(Attempt) -> Option<P>) -> Option<P> {
        progress.phase = Phase::Overdue;
        // Whoever is polled late may find that nobody waits any more.
        if Deadline::current().is_some_and(Deadline::has_passed) {
            self.counts.out_of_time.increment();
            return None;
        }
        let Some(prepared) = prepare(progress.first.next()) else {
            self.counts.unrepeatable.increment();
            return None;
        };
        // Last, so that nothing is paid for that does not take place.
        if !self.source.withdraw() {
            self.counts.out_of_budget.increment();
            return None;
        }
        self.counts.hedged.increment();
        progress.phase = Phase::Hedged;
        Some(prepared)
    }

    /// Takes note that the first attempt has succeeded.
    #[inline]
    pub(super) fn first_won(&self, stripe: usize, progress: &Progress, is_repeatable: bool) {
        match progress.phase {
            // What cannot be hedged is another kind of request, and may take another time.
            Phase::New if is_repeatable => return self.pace.record_at_once(stripe),
            Phase::Hedged => self.counts.lost.increment(),
            _ => {}
        }
        self.record(stripe, progress);
    }

    /// Takes note that the second attempt has succeeded.
    pub(super) fn second_won(&self, stripe: usize, progress: &Progress) {
        self.counts.won.increment();
        self.record(stripe, progress);
    }

    /// Takes note that nobody waits any more, whether or not the first attempt would have gone on.
    pub(super) fn cancelled(&self, stripe: usize, progress: &Progress) {
        self.counts.cancelled.increment();
        self.given_up(stripe, progress);
    }

    /// Takes note that the deadline has passed.
    pub(super) fn refuse(&self, stripe: usize, progress: &Progress) -> Refusal {
        self.counts.elapsed.increment();
        self.given_up(stripe, progress);
        Refusal::new(KIND, self.name.clone(), Reason::DeadlinePassed)
    }

    /// One that was given up after the delay is on that side of it, however long it would have taken; of one that was
    /// given up before, nobody knows.
    fn given_up(&self, stripe: usize, progress: &Progress) {
        if matches!(progress.phase, Phase::Overdue | Phase::Hedged) {
            self.record(stripe, progress);
        }
    }

    fn record(&self, stripe: usize, progress: &Progress) {
        if let Some(began) = progress.began {
            let now = self.clock.ticks();
            self.pace.record(stripe, now.since(began), now);
        }
    }

    pub(super) fn reconfigure(&self, change: impl FnOnce(&mut HedgeConfig)) -> Result<(), InvalidSettings> {
        self.settings
            .change(&self.name, change, |config| self.pace.set(&config.after))?;
        self.events.emit(KIND, &self.name, Change::Settings);
        Ok(())
    }

    pub(super) fn describe(&self) -> Entry {
        let counts = &self.counts;
        Entry::new(KIND, &*self.name, "on")
            .setting("after", &self.settings.load().after)
            .setting("delay", format!("{:?}", self.delay().0))
            .setting("budget", self.source.budget_name())
            .counter("calls", self.source.requests())
            .counter("hedged", counts.hedged.sum())
            .counter("won", counts.won.sum())
            .counter("lost", counts.lost.sum())
            .counter("unrepeatable", counts.unrepeatable.sum())
            .counter("out_of_time", counts.out_of_time.sum())
            .counter("out_of_budget", counts.out_of_budget.sum())
            .counter("elapsed", counts.elapsed.sum())
            .counter("cancelled", counts.cancelled.sum())
    }
}
