//! Time that follows tokio's, so that a test which pauses it pauses decisions too.

use std::sync::LazyLock;
use std::time::Instant;

use crate::base::clock::Clock;
use crate::base::ticks::nanos_of;

static ORIGIN: LazyLock<Instant> = LazyLock::new(|| Clock::default().now());

pub(in crate::base) fn nanos() -> u64 {
    nanos_of(Clock::default().now().saturating_duration_since(*ORIGIN))
}
