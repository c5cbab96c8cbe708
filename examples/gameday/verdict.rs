//! What a phase showed: its numbers, and which of its expectations were met.

use crate::expectation::Expectation;
use crate::figures::{Figures, Seen};
use crate::script::Phase;

pub struct Verdict {
    pub phase: &'static Phase,
    pub figures: Figures,
    pub findings: Vec<Finding>,
}

pub struct Finding {
    pub expected: &'static Expectation,
    pub measured: f64,
}

impl Finding {
    pub fn is_met(&self) -> bool {
        self.expected.bound.holds(self.measured)
    }
}

impl Verdict {
    pub fn of(phase: &'static Phase, seen: &Seen) -> Self {
        let find = |expected: &'static Expectation| Finding {
            expected,
            measured: expected.measure.of(seen),
        };
        Self {
            phase,
            figures: Figures::of(seen),
            findings: phase.expected.iter().map(find).collect(),
        }
    }

    pub fn passed(&self) -> bool {
        self.findings.iter().all(Finding::is_met)
    }
}
