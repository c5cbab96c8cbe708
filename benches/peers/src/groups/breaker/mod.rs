//! Circuit breakers: closed, with windows of calls, of time, and of consecutive failures; and open.

mod failsafe;
mod ours;
mod recloser;
mod resilience;
mod seatbelt;

use std::time::Duration;

use tick::Clock;

use seaworthy_harness::comparison::{Comparison, Outcome, Row};
use seaworthy_harness::inner::Inner;

const CALLS: usize = 100;
const PERIOD: Duration = Duration::from_secs(30);
/// Longer than any run.
const OPEN: Duration = Duration::from_secs(24 * 60 * 60);

/// Rows whose window is a number of calls.
const OF_CALLS: &str = "window of calls";
/// Rows whose window is a period.
const OF_TIME: &str = "window of time";
/// Rows that count consecutive failures, and keep no window.
const CONSECUTIVE: &str = "consecutive failures";

pub(crate) fn comparisons(clock: &Clock) -> Vec<Comparison> {
    let mut comparisons: Vec<Comparison> = Inner::ALL.map(|inner| closed(inner, clock)).into();
    comparisons.push(open(clock));
    comparisons
}

fn closed(inner: Inner, clock: &Clock) -> Comparison {
    let thresholds = match inner {
        Inner::Failing => "thresholds that are never met, and ours with 100 calls is forced closed, as it accepts none",
        _ => "thresholds as each has them by default",
    };
    Comparison {
        title: format!("closed, {inner}"),
        settings: format!(
            "{thresholds}; tower-resilience's 30 s cost more with every call in them, and are emptied before each batch"
        ),
        outcome: inner.outcome(),
        bare: Row::service("std", "bare", inner),
        rows: [
            ours::closed(inner),
            resilience::closed(inner),
            seatbelt::closed(inner, clock),
            failsafe::closed(inner),
            recloser::closed(inner),
        ]
        .into_iter()
        .flatten()
        .collect(),
        on_two_threads: inner == Inner::ReadyAtOnce,
    }
}

fn open(clock: &Clock) -> Comparison {
    Comparison {
        title: "open, call refused".to_owned(),
        settings: "forced open, or tripped by failures, for a day".to_owned(),
        outcome: Outcome::Refusal,
        bare: Row::service("std", "bare", Inner::Failing),
        rows: ours::open()
            .into_iter()
            .chain([
                resilience::open(),
                seatbelt::open(clock),
                seatbelt::open_layered(clock),
                failsafe::open(),
                recloser::open(),
            ])
            .collect(),
        on_two_threads: false,
    }
}
