use std::time::Duration;

use crate::policy::chaos::config::{ChaosConfig, Latency, Schedule};

/// What is done to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy::chaos) enum Fault {
    Latency(Duration),
    Error,
    Hang,
    Disconnect,
}

impl ChaosConfig {
    /// Returns the fault of a call that comes so long after faults were enabled, by a chance from 0 up to 1.
    pub(super) fn fault(&self, elapsed: Duration, chance: f64) -> Option<Fault> {
        if !self.schedule.covers(elapsed) {
            return None;
        }
        let mut rest = chance;
        for (index, (_, share)) in self.shares().into_iter().enumerate() {
            if rest < share {
                // Where the chance lies within the share is as even as the chance itself.
                return Some(match index {
                    0 => Fault::Latency(self.latency.at(rest / share)),
                    1 => Fault::Error,
                    2 => Fault::Hang,
                    _ => Fault::Disconnect,
                });
            }
            rest -= share;
        }
        None
    }
}

impl Latency {
    fn at(self, part: f64) -> Duration {
        self.min + (self.max.saturating_sub(self.min)).mul_f64(part.clamp(0.0, 1.0))
    }
}

impl Schedule {
    pub(super) fn covers(&self, elapsed: Duration) -> bool {
        let Some(since) = elapsed.checked_sub(self.after) else {
            return false;
        };
        let Some(lasts) = self.lasts else {
            return true;
        };
        let round = self.every.map_or(u128::MAX, |every| every.as_nanos().max(1));
        since.as_nanos() % round < lasts.as_nanos()
    }
}
