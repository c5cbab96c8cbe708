//! What is expected of a phase, and whether it was met.

use std::time::Duration;

use crate::figures::{Restart, Seen};
use crate::record::{Ended, Sample, Who, count, due_within, percentile, recovery};

/// A measure, where it has to be, and why there.
pub struct Expectation {
    pub measure: Measure,
    pub bound: Bound,
    pub why: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// What is measured while a trouble lasts, of the orders that the hundred clients place unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Measure {
    Answered,
    RefusedBy(&'static str),
    FloodAnswered,
    FloodRefusedBy(&'static str),
    SlowAnswered,
    Goodput,
    CallsPerOrder,
    P50,
    P99,
    RefusalP99,
    Lost,
    Recovery,
    Start,
    Stop,
    ExitCode,
}

impl Bound {
    /// Says whether it holds; what could not be measured holds nowhere.
    pub fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(most) => measured <= most,
            Self::AtLeast(least) => measured >= least,
        }
    }
}

impl Measure {
    pub const fn at_most(self, bound: f64, why: &'static str) -> Expectation {
        Expectation {
            measure: self,
            bound: Bound::AtMost(bound),
            why,
        }
    }

    pub const fn at_least(self, bound: f64, why: &'static str) -> Expectation {
        Expectation {
            measure: self,
            bound: Bound::AtLeast(bound),
            why,
        }
    }

    /// Returns what it is, and its unit.
    pub fn label(self) -> (String, &'static str) {
        let (what, unit) = match self {
            Self::Answered => ("orders answered", " %"),
            Self::RefusedBy(by) => return (format!("orders refused by the {by}"), " %"),
            Self::FloodAnswered => ("of the flood answered", "/s"),
            Self::FloodRefusedBy(by) => return (format!("of the flood refused by the {by}"), " %"),
            Self::SlowAnswered => ("slow requests answered", " %"),
            Self::Goodput => ("answered of what is possible", " %"),
            Self::CallsPerOrder => ("calls of payments for each order", ""),
            Self::P50 => ("p50 of all orders", " ms"),
            Self::P99 => ("p99 of what is answered", " ms"),
            Self::RefusalP99 => ("p99 of what is refused", " ms"),
            Self::Lost => ("requests without an answer", ""),
            Self::Recovery => ("well again after", " s"),
            Self::Start => ("ready after", " s"),
            Self::Stop => ("ended after", " s"),
            Self::ExitCode => ("exit code", ""),
        };
        (what.into(), unit)
    }

    /// Measures it; NaN if there is nothing to measure.
    pub fn of(self, seen: &Seen) -> f64 {
        let all = due_within(&seen.samples, &seen.trouble);
        let of = |who| {
            all.iter()
                .filter(|sample| sample.who == who)
                .copied()
                .collect::<Vec<Sample>>()
        };
        let orders = of(Who::Client);
        let answered = |sample: &Sample| sample.ended == Ended::Answered;
        let seconds = (seen.trouble.end - seen.trouble.start).as_secs_f64();
        let restart = |of: fn(&Restart) -> f64| seen.restart.as_ref().map_or(f64::NAN, of);
        match self {
            Self::Answered => percent(&orders, answered),
            Self::RefusedBy(by) => percent(&orders, |sample| sample.ended == Ended::Refused(by)),
            Self::FloodAnswered => count(&of(Who::Flooder), answered) as f64 / seconds,
            Self::FloodRefusedBy(by) => percent(&of(Who::Flooder), |sample| sample.ended == Ended::Refused(by)),
            Self::SlowAnswered => percent(&of(Who::Slow), answered),
            Self::Goodput => 100.0 * count(&orders, answered) as f64 / seconds / seen.capacity.unwrap_or(f64::NAN),
            Self::CallsPerOrder => seen.calls as f64 / orders.len() as f64,
            Self::P50 => percentile(&orders, 0.5, |_| true).unwrap_or(f64::NAN),
            Self::P99 => percentile(&orders, 0.99, answered).unwrap_or(f64::NAN),
            Self::RefusalP99 => {
                let is_refused = |sample: &Sample| matches!(sample.ended, Ended::Refused(_));
                percentile(&orders, 0.99, is_refused).unwrap_or(f64::NAN)
            }
            Self::Lost => count(&all, |sample| sample.ended == Ended::Lost) as f64,
            Self::Recovery => recovery(&seen.samples, seen.trouble.end, seen.end)
                .as_ref()
                .map_or(f64::INFINITY, Duration::as_secs_f64),
            Self::Start => restart(|restart| restart.start.as_secs_f64()),
            Self::Stop => restart(|restart| restart.stop.as_secs_f64()),
            Self::ExitCode => restart(|restart| f64::from(restart.exit_code)),
        }
    }
}

fn percent(samples: &[Sample], is_meant: impl Fn(&Sample) -> bool) -> f64 {
    100.0 * count(samples, is_meant) as f64 / samples.len() as f64
}
