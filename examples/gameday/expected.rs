//! What is expected of each phase of the script.
//!
//! The bounds are for two cores, and within a fifth of what was measured there. Where one is not, its reason says why: it is
//! a count that must be exact, or what the settings of `orders` allow and chance decides.

use crate::expectation::{Expectation, Measure};

pub const ORDINARY: &[Expectation] = &[
    Measure::Answered.at_least(99.5, "three attempts in a row fail once in 8000 orders"),
    Measure::CallsPerOrder.at_most(1.2, "one further attempt in twenty orders"),
    Measure::P99.at_most(115.0, "a backoff of up to 50 ms, and 50 ms"),
];

pub const SLOW: &[Expectation] = &[
    Measure::Answered.at_least(99.5, "an attempt of 500 ms leaves time for two more"),
    Measure::P99.at_most(700.0, "an attempt that hangs, a backoff, one that does not"),
];

pub const DOWN: &[Expectation] = &[
    Measure::RefusedBy("breaker").at_least(75.0, "it opens when half of its window has failed"),
    Measure::P50.at_most(5.0, "loose, as it is for any machine: a refusal makes no call"),
    Measure::CallsPerOrder.at_most(0.3, "who is down is left alone"),
    Measure::Recovery.at_most(2.0, "loose, as chance decides: open for 4 to 5 s, then probes"),
];

pub const FLAPPING: &[Expectation] = &[
    Measure::RefusedBy("breaker").at_least(65.0, "loose, as it is chance: a short health does not close it"),
    Measure::CallsPerOrder.at_most(0.45, "loose, as chance decides whether probes meet such a time"),
    Measure::Recovery.at_most(5.5, "loose, as chance decides: open for 4 to 5 s, then probes"),
];

pub const FLOOD: &[Expectation] = &[
    Measure::FloodAnswered.at_most(30.0, "20 a second, and a burst of 40 in 5 s"),
    Measure::FloodRefusedBy("rate limit").at_least(85.0, "all but what one client may have"),
    Measure::Answered.at_least(99.0, "a burst of 40 takes the places of a few for a moment"),
    Measure::P99.at_most(165.0, "its burst of 40 is let in, and takes all places for a moment"),
];

pub const OVERLOAD: &[Expectation] = &[
    Measure::Goodput.at_least(85.0, "what is too much costs next to nothing"),
    Measure::P99.at_most(190.0, "up to 100 ms for a place, and 50 ms"),
    Measure::RefusalP99.at_most(128.0, "up to 100 ms for a place"),
    Measure::Recovery.at_most(0.5, "loose, as it is well at once: nothing is left over"),
];

pub const RESTART: &[Expectation] = &[
    Measure::Lost.at_most(0.0, "exact: what is accepted is answered"),
    Measure::Answered.at_least(100.0, "exact: /readyz says no before the listener closes"),
    Measure::SlowAnswered.at_least(100.0, "exact: what outlasts the hold is waited for"),
    Measure::ExitCode.at_most(0.0, "exact: it has drained whole"),
    Measure::Start.at_most(
        1.0,
        "loose, as it is for any machine: it reads no disk and waits for nobody",
    ),
    Measure::Stop.at_most(1.78, "a hold of 1 s, and a request of 1.5 s that came with the signal"),
];
