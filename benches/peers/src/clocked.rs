//! The surroundings that all have, and the clock that seatbelt asks for.

use std::pin::Pin;

use tick::{Clock, Delay};

use seaworthy_harness::surroundings::{LIMIT, Surroundings, pending};

/// Surroundings with such a clock, whose own timers have one that ends first, too.
pub(crate) struct Clocked {
    pub(crate) surroundings: Surroundings,
    pub(crate) clock: Clock,
    _timer: Pin<Box<Delay>>,
}

impl Clocked {
    pub(crate) fn new() -> std::io::Result<Self> {
        let surroundings = Surroundings::new()?;
        let (clock, timer) = surroundings.block_on(async {
            let clock = Clock::new_tokio();
            let timer = pending(|| Delay::new(&clock, LIMIT / 2)).await;
            (clock, timer)
        });
        Ok(Self {
            surroundings,
            clock,
            _timer: timer,
        })
    }
}
