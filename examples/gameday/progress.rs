//! Says how it goes: in one line that changes on a terminal, in one line after another elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::record::{Ended, Sample, Who, count};
use crate::script::Phase;

pub struct Progress {
    is_terminal: bool,
}

impl Progress {
    pub fn new() -> Self {
        Self {
            is_terminal: io::stderr().is_terminal(),
        }
    }

    /// How often something is said.
    pub fn pace(&self) -> Duration {
        Duration::from_millis(if self.is_terminal { 200 } else { 1000 })
    }

    /// Tells of the last second.
    pub fn tell(&self, phase: &Phase, now: Duration, samples: &[Sample]) {
        let since = now.saturating_sub(Duration::from_secs(1));
        let is_last = |sample: &&Sample| sample.who == Who::Client && sample.due + sample.took > since;
        let last: Vec<_> = samples.iter().filter(is_last).copied().collect();
        let answered = count(&last, |sample| sample.ended == Ended::Answered);
        let refused = count(&last, |sample| matches!(sample.ended, Ended::Refused(_)));
        let line = format!(
            "{:4.0} s  {:<9} {:4} orders ended in the last second: {answered:4} answered, {refused:4} refused",
            now.as_secs_f64(),
            phase.name,
            last.len(),
        );
        let (before, after) = if self.is_terminal {
            ("\r\x1b[2K", "")
        } else {
            ("", "\n")
        };
        eprint!("{before}{line}{after}");
        // Whether somebody reads it changes nothing.
        let _ = io::stderr().flush();
    }

    /// Says how a phase ended.
    pub fn end(&self, phase: &Phase, passed: bool) {
        let before = if self.is_terminal { "\r\x1b[2K" } else { "" };
        let verdict = if passed { "passed" } else { "FAILED" };
        eprintln!("{before}{}: {}: {verdict}", phase.name, phase.about);
    }
}
