//! Additive increase, multiplicative decrease (Chiu and Jain, 1989).

use std::time::Duration;

use super::config::Adaptive;
use crate::base::ticks::Ticks;

/// Which share of its quota a limit gives at present.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    /// From above 0 to 1.
    pub(super) share: f64,
    /// When it was looked at last.
    at: Ticks,
    /// Until when a further decrease has no effect.
    settled: Ticks,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            share: 1.0,
            at: Ticks(0),
            settled: Ticks(0),
        }
    }
}

impl Share {
    /// Raises the share by what has come back since.
    pub(super) fn recover(&mut self, config: &Adaptive, now: Ticks) {
        let regained = now.since(self.at).as_secs_f64() * f64::from(config.increase) / 100.0;
        self.share = (self.share + regained).min(1.0);
        self.at = now.max(self.at);
    }

    /// Lowers the share, unless it has been lowered just before; returns whether it has.
    ///
    /// Many calls under way are throttled by one and the same lack of capacity.
    pub(super) fn throttled(&mut self, config: &Adaptive, now: Ticks) -> bool {
        if now < self.settled {
            return false;
        }
        self.recover(config, now);
        let floor = f64::from(config.floor) / 100.0;
        let lowered = (self.share * f64::from(config.decrease) / 100.0).max(floor);
        self.settled = now.after(config.pause);
        std::mem::replace(&mut self.share, lowered) > lowered
    }

    /// Returns when to look again; never if it is whole.
    pub(super) fn next_look(&self, now: Ticks) -> Ticks {
        if self.share < 1.0 {
            now.after(LOOK)
        } else {
            Ticks::NEVER
        }
    }
}

const LOOK: Duration = Duration::from_millis(100);
