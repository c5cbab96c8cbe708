//! Time by the processor's counter where it is steady, at half the price of asking the system.

use std::sync::LazyLock;

use quanta::Clock;

#[expect(clippy::disallowed_methods, reason = "`Clock` tells ticks from here")]
static ORIGIN: LazyLock<(Clock, u64)> = LazyLock::new(|| {
    let clock = Clock::new();
    let origin = clock.raw();
    (clock, origin)
});

#[inline]
#[expect(clippy::disallowed_methods, reason = "`Clock` tells ticks from here")]
pub(in crate::base) fn nanos() -> u64 {
    let (clock, origin) = &*ORIGIN;
    clock.delta_as_nanos(*origin, clock.raw())
}
